"""The command `hub`: one thin file per verb group."""

import os
import re
import sys
import traceback
from errno import EACCES, EADDRINUSE, EADDRNOTAVAIL, EIO, ENOSPC, errorcode
from itertools import takewhile
from pathlib import Path

from typer import Abort, TyperException

from hub.cli import waiting
from hub.cli.language import error_said, language_of, speak
from hub.cli.output import print_json_line
from hub.errors import ConfigurationError, DataError, HubError, NoInput, OutputError, UsageError
from hub.starting import INTERRUPTED, leave_quietly_until_it_listens, listen_to_interrupts

USAGE, INTERNAL = 64, 70
_CAPITALS = re.compile(r"(?<!^)(?=[A-Z])")
_HELP_SHOWN = "NoArgsIsHelpError"
_PORT = frozenset({EADDRINUSE, EADDRNOTAVAIL, EACCES})
_OUTPUT_ENDED = frozenset({ENOSPC, EIO})
_WRONG_CALL = 2  # exit code of the option parser; sysexits calls it 64
_HUB_ONLY = frozenset({"aiokafka", "alembic", "faust", "mode", "psycopg", "starlette", "uvicorn"})


def main() -> None:
    """Run the command; every error becomes one line on standard error and its exit code, with `--json` an object on
    standard output too."""
    leave_quietly_until_it_listens()
    listen_to_interrupts()
    os.umask(
        0o077
    )  # files that a command writes are for its own account; a sink's folder says otherwise itself
    try:
        _run()
    except SystemExit as end:
        _leave_with(end)
    except HubError as error:
        _leave(error)
    except KeyboardInterrupt:
        raise SystemExit(INTERRUPTED) from None
    except Abort:
        _leave(UsageError("the question was not answered", place=_called(), remedy=f"{_called()} --help"))
    except BrokenPipeError:
        _leave_unread()
    except ModuleNotFoundError as error:
        _leave(_missing(error))
    except OSError as error:
        _leave(_of_system(error))
    except Exception as error:  # noqa: BLE001 - the last place: anything else is a bug
        _leave(_bug(error))


def _run() -> None:
    from hub.cli.app import app

    _, language = language_of(sys.argv[1:])
    speak(language)
    waiting.begin(" ".join(["hub", *takewhile(str.isalpha, sys.argv[1:3])]))
    try:
        code = app(standalone_mode=False, prog_name="hub")
    except TyperException as error:
        speak(language)  # the option that says it may not have been read
        raise _wrong_call(error) from None
    finally:
        waiting.end()
    if sys.stdout is not None:
        sys.stdout.flush()  # here, where a closed pipe can still be noticed
    raise SystemExit(code if isinstance(code, int) else 0)


def _wrong_call(error: TyperException) -> BaseException:
    """A complaint of the option parser as an error of ours; nothing where it has shown the help instead."""
    command = getattr(getattr(error, "ctx", None), "command_path", _called())
    if type(error).__name__ == _HELP_SHOWN:
        return SystemExit(USAGE)
    return UsageError(error.format_message(), place=command, remedy=f"{command} --help")


def _leave_with(end: SystemExit) -> None:
    """The exit code of a verb that ended by itself, or of the option parser."""
    if isinstance(end.__context__, BrokenPipeError):
        _leave_unread()
    raise SystemExit(USAGE if end.code == _WRONG_CALL else end.code) from None


def _leave(error: HubError) -> None:
    error.place = error.place or _called()
    if "--json" in sys.argv[1:] and not isinstance(error, OutputError):
        print_json_line({"error": as_object(error)})
    print(f"hub: {error_said(error)}", file=sys.stderr)
    raise SystemExit(error.exit_code) from None


def as_object(error: HubError) -> dict[str, object]:
    """An error for --json: code, exit code, place, message (also as `cause`) and remedy, in English as in the code."""
    code = error.reason if isinstance(error, DataError) else _CAPITALS.sub("_", type(error).__name__).lower()
    return {
        "code": code,
        "exit_code": error.exit_code,
        "place": error.place,
        "message": error.message,
        "cause": error.message,
        "remedy": error.remedy,
    }


def _leave_unread() -> None:
    """The reader of standard output has enough (`hub … | head`): nothing to complain of, and nothing more to write."""
    _forget_output()
    raise SystemExit(OutputError.exit_code) from None


def _forget_output() -> None:
    """Nothing more is written there, neither now nor when the interpreter ends."""
    sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - until the process ends


def _of_system(error: OSError) -> HubError:
    """A path that somebody named and that cannot be used, or standard output that takes nothing more."""
    if error.filename:
        return _not_there(error)
    if error.errno in _PORT:
        return ConfigurationError(
            f"the port cannot be used ({errorcode[error.errno]})",
            place=_called(),
            remedy="choose another port",
        )
    if error.errno in _OUTPUT_ENDED:
        _forget_output()
        return OutputError(
            "takes nothing more", place="standard output", remedy="call again, with a reader or more room"
        )
    return _bug(error)


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
