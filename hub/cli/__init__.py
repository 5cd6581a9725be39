"""The command `hub`: one thin file per verb group."""

import sys
import traceback

from hub.errors import ConfigurationError, HubError

USAGE, INTERNAL = 64, 70
_WRONG_CALL = 2  # how the option parser leaves; sysexits calls it 64
_HUB_ONLY = frozenset({"aiokafka", "alembic", "faust", "jinja2", "mode", "psycopg", "starlette", "uvicorn"})


def main() -> None:
    """Run the command; every error becomes one line on standard error and its exit code."""
    from hub.cli.app import app

    try:
        app()
    except SystemExit as end:
        raise SystemExit(USAGE if end.code == _WRONG_CALL else end.code) from None
    except HubError as error:
        _leave(error)
    except ModuleNotFoundError as error:
        _leave(_missing(error))
    except Exception as error:  # noqa: BLE001 - the last place: anything else is a bug
        _leave(_bug(error))


def _leave(error: HubError) -> None:
    print(f"hub: {error}", file=sys.stderr)
    raise SystemExit(error.exit_code) from None


def _missing(error: ModuleNotFoundError) -> HubError:
    """An agency installs less than a hub: say what to install for this verb."""
    package = (error.name or "").partition(".")[0]
    if package not in _HUB_ONLY:
        return _bug(error)
    return ConfigurationError(
        f"this verb needs the package {package}, which is not installed",
        place=" ".join(["hub", *sys.argv[1:2]]),
        remedy="pip install 'fallbruecke[hub]'",
    )


def _bug(error: Exception) -> HubError:
    """Where it happened, and never what was said: an exception's text may quote data."""
    print("".join(traceback.format_tb(error.__traceback__)), end="", file=sys.stderr)
    return HubError(f"internal error: {type(error).__name__}", remedy="report it with the lines above")
