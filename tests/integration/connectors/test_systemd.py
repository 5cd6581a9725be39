"""The unit that an agency installs is sandboxed, keeps its secrets, and starts nothing again that must not be."""

import re
import shutil
import subprocess
from pathlib import Path

from hub.errors import DataError, HubError, OutputError, ServiceUnavailable

UNIT = Path(__file__).parents[3] / "deploy" / "systemd" / "fallbruecke-connector@.service"
EXPOSED_AT_MOST = 2.0  # of 10, as systemd counts


def settings() -> list[tuple[str, str]]:
    lines = (line for line in UNIT.read_text(encoding="utf-8").splitlines() if re.match(r"[A-Za-z]+=", line))
    return [(name, value) for name, _, value in (line.partition("=") for line in lines)]


def codes(error: type[HubError]) -> set[int]:
    return {error.exit_code}.union(*(codes(one) for one in error.__subclasses__()))


def test_the_unit_is_shut_off_from_the_machine() -> None:
    told = dict(settings())
    for name in ("NoNewPrivileges", "PrivateTmp", "PrivateDevices", "RestrictSUIDSGID", "ProtectHome"):
        assert told[name] == "yes"
    assert told["ProtectSystem"] == "strict"
    assert (told["CapabilityBoundingSet"], told["UMask"], told["LimitCORE"]) == ("", "0077", "0")
    secrets = {value.partition(":")[0] for name, value in settings() if name == "LoadCredential"}
    assert secrets == {"agency.key", "controller.kek"}
    if tool := shutil.which("systemd-analyze"):
        done = subprocess.run(
            [tool, "security", "--offline=true", "--no-pager", str(UNIT)],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        found = re.search(r"exposure level for \S+ ([\d.]+)", done.stdout)
        assert found, done.stderr
        assert float(found[1]) <= EXPOSED_AT_MOST


def test_what_only_a_person_can_mend_is_not_started_again() -> None:
    told = dict(settings())
    assert told["Restart"] == "on-failure"
    never = {int(code) for code in told["RestartPreventExitStatus"].split()}
    mended_by_time = codes(ServiceUnavailable) | codes(
        OutputError
    )  # the journal is back after its own restart
    again = mended_by_time | codes(DataError) | {HubError.exit_code}  # no record stops a process for good
    assert never == codes(HubError) - again
    assert int(told["TimeoutStopSec"]) >= 45


def test_what_time_alone_mends_is_started_again_for_ever() -> None:
    """After a power cut the broker may come back hours later: whoever starts before it must not be given up."""
    told = dict(settings())
    assert told["StartLimitIntervalSec"] == "0", "systemd would stop after so many starts"
    assert int(told["RestartSec"]) >= 10
