"""`python -m hub.dev.servers kafka|postgres`: one server in the foreground, its address printed, until Ctrl+C."""

import signal
import sys

from hub.dev.servers import LocalKafka, LocalPostgres
from hub.errors import HubError, UsageError


def main(arguments: list[str]) -> int:
    try:
        serve(arguments)
    except HubError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


def serve(arguments: list[str]) -> None:
    match arguments:
        case ["kafka"]:
            with LocalKafka.start() as broker:
                wait_with(f"HUB_KAFKA_BOOTSTRAP={broker.bootstrap}")
        case ["postgres"]:
            with LocalPostgres.start() as server:
                wait_with(f"HUB_DATABASE_URL={server.url}")
        case _:
            raise UsageError("no such server", place=" ".join(arguments), remedy="name kafka or postgres")


def wait_with(address: str) -> None:
    """Print the address as an assignment another shell can take, and wait to be interrupted or terminated."""
    ends = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, ends)
    print(address, flush=True)
    print("Ctrl+C ends it.", file=sys.stderr)
    signal.sigwait(ends)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
