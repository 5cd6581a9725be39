"""The command `hub`: one thin file per verb group."""

import sys
import traceback

from typer import TyperException

from hub.cli.language import AGENCY, error_said, language_of, speak
from hub.errors import ConfigurationError, HubError, NoInput, UsageError
from hub.starting import leave_quietly_until_it_listens

USAGE, INTERNAL = 64, 70
_HELP_SHOWN = "NoArgsIsHelpError"
_WRONG_CALL = 2  # how the option parser leaves; sysexits calls it 64
_HUB_ONLY = frozenset({"aiokafka", "alembic", "faust", "jinja2", "mode", "psycopg", "starlette", "uvicorn"})


def main() -> None:
    """Run the command; every error becomes one line on standard error and its exit code."""
    leave_quietly_until_it_listens()
    try:
        _run()
    except SystemExit as end:
        raise SystemExit(USAGE if end.code == _WRONG_CALL else end.code) from None
    except HubError as error:
        _leave(error)
    except ModuleNotFoundError as error:
        _leave(_missing(error))
    except OSError as error:
        _leave(_not_there(error) if error.filename else _bug(error))
    except Exception as error:  # noqa: BLE001 - the last place: anything else is a bug
        _leave(_bug(error))


def _run() -> None:
    from hub.cli.app import app

    verb, language = language_of(sys.argv[1:])
    if verb not in AGENCY:
        speak(language)
        app()
        return
    try:
        code = app(standalone_mode=False, prog_name="hub")
    except TyperException as error:
        speak(language)  # the option that says it may not have been read
        raise _wrong_call(error) from None
    raise SystemExit(code if isinstance(code, int) else 0)


def _wrong_call(error: TyperException) -> BaseException:
    """What the option parser complains of, as an error of ours; nothing where it has shown the help instead."""
    command = getattr(getattr(error, "ctx", None), "command_path", _called())
    if type(error).__name__ == _HELP_SHOWN:
        return SystemExit(USAGE)
    return UsageError(error.format_message(), place=command, remedy=f"{command} --help")


def _leave(error: HubError) -> None:
    print(f"hub: {error_said(error)}", file=sys.stderr)
    raise SystemExit(error.exit_code) from None


def _not_there(error: OSError) -> HubError:
    """A path that somebody named and that cannot be used."""
    return NoInput(
        f"cannot be read or written ({type(error).__name__})",
        place=str(error.filename),
        remedy="check path and permissions",
    )


def _missing(error: ModuleNotFoundError) -> HubError:
    """An agency installs less than a hub: say what to install for this verb."""
    package = (error.name or "").partition(".")[0]
    if package not in _HUB_ONLY:
        return _bug(error)
    return ConfigurationError(
        f"this verb needs the package {package}, which is not installed",
        place=_called(),
        remedy="pip install 'fallbruecke[hub]'",
    )


def _called() -> str:
    return f"hub {language_of(sys.argv[1:])[0]}".rstrip()


def _bug(error: Exception) -> HubError:
    """Where it happened, and never what was said: an exception's text may quote data."""
    print("".join(traceback.format_tb(error.__traceback__)), end="", file=sys.stderr)
    return HubError(f"internal error: {type(error).__name__}", remedy="report it with the lines above")
