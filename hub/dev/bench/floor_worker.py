"""A process of the floor: `python -m hub.dev.bench.floor_worker`, over the same Faust transport as `hub worker`."""

import os

from hub.bootstrap import Given, build_parts
from hub.config import load_settings
from hub.dev.bench.floor import STAGE, take_floor
from hub.dev.bench.workload import JC, agencies
from hub.hosts.worker.options import Options
from hub.hosts.worker.process import Worker
from hub.hosts.worker.roles import ReadingTask, RoleTasks, WorkerRole
from schemas import topics


def main() -> None:
    """Run until SIGTERM."""
    settings = load_settings(host="kafka")
    parts = build_parts(settings, Given(agencies=agencies()))
    options = Options(
        bootstrap=settings.kafka_bootstrap, group=os.environ["HUB_GROUP"], chunk=int(os.environ["HUB_CHUNK"])
    )
    own = RoleTasks(readings=(ReadingTask(STAGE, (topics()["events"].of(JC),), take_floor),))
    Worker(parts, WorkerRole.CASES, options, lambda *_: None, own).run()


if __name__ == "__main__":
    main()
