"""The certificate: every check by name, with its figure; none is given while a check is missing."""

import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version


def certificate(name: str, checks: Sequence[Callable[..., str]], figures: Mapping[str, str]) -> Iterator[str]:
    """The lines to print; `figures`: passed check → figure."""
    complete = len(figures) == len(checks)
    yield ""
    yield f"{'CERTIFICATE' if complete else 'NO CERTIFICATE'}: {name}"
    yield f"fallbruecke {version('fallbruecke')}, Python {platform.python_version()}, {datetime.now(UTC):%Y-%m-%d}"
    for check in checks:
        mark = "passed" if check.__name__ in figures else "FAILED"
        figure = figures.get(check.__name__, "")
        first = (check.__doc__ or "").splitlines()[0]
        yield f"  {mark}  {check.__name__}{f' ({figure})' if figure else ''}: {first}"
    yield f"{len(figures)} of {len(checks)} checks passed."
