"""What `hub doctor` checks, one function each. A check that cannot be made fails with the error's own remedy.

Later checks need what earlier ones found; when that is missing they are left out, so that one cause is told once.
"""

import platform
import shutil
import sys
from collections.abc import Iterator

from hub.bootstrap import build_clock
from hub.cli.doctor.check import Check, attempt, failed
from hub.cli.doctor.keys import key_checks
from hub.cli.doctor.log import log_checks
from hub.cli.doctor.store import store_checks
from hub.config import Settings, load_agencies, load_settings
from hub.domain.clock import berlin_day
from hub.errors import HubError
from hub.policy.load import load_policy, refuse_strangers

MIN_PYTHON = (3, 11)
MIN_FREE = 1_000_000_000  # bytes


def all_checks() -> Iterator[Check]:
    """In the order in which a hub needs what they look at."""
    yield _python()
    try:
        settings = load_settings()
    except HubError as error:
        yield failed("settings", error)
        return
    yield Check("settings", ok=True, found=f"host {settings.host}")
    yield _disk(settings)
    yield attempt("agencies", lambda: _agencies(settings))
    yield attempt("policy", lambda: _policy(settings))
    yield from key_checks(settings)
    yield from store_checks(settings)
    yield from log_checks(settings)


def _python() -> Check:
    ok = sys.version_info >= MIN_PYTHON
    return Check("python", ok, platform.python_version(), "" if ok else "install Python 3.11 or newer")


def _disk(settings: Settings) -> Check:
    folder = next(
        path for path in (settings.data.resolve(), *settings.data.resolve().parents) if path.exists()
    )
    free = shutil.disk_usage(folder).free
    ok = free >= MIN_FREE
    return Check("disk_space", ok, f"{free / 1e9:.1f} GB free", "" if ok else "make room: 1 GB must be free")


def _agencies(settings: Settings) -> Check:
    agencies = load_agencies(settings.agencies)
    ok = bool(agencies) and len({agency.id for agency in agencies}) == len(agencies)
    found = ", ".join(f"{agency.id} ({agency.kind})" for agency in agencies) or "none"
    return Check("agencies", ok, found, "" if ok else "name each agency once in the agencies file")


def _policy(settings: Settings) -> Check:
    policy = load_policy(settings.policy_files)
    refuse_strangers(policy, {agency.id for agency in load_agencies(settings.agencies)})
    change = policy.changes_after(berlin_day(build_clock(settings).now()))
    ahead = f", changes on {change.isoformat()}" if change else ""
    return Check(
        "policy", ok=True, found=f"{policy.version[:15]}, {len(settings.policy_files)} own files{ahead}"
    )
