"""`hub init`: a folder with agencies, keys and settings of a first embedded hub, and one folder for each agency."""

import secrets
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from os.path import relpath
from pathlib import Path
from shlex import quote
from typing import Annotated

import typer

from hub.adapters.keys.wrapping import as_text, controller_kek, new_master
from hub.cli.files import write_new
from hub.cli.language import Message, message
from hub.cli.messages import print_messages, print_next
from hub.cli.output import AsJson, called_as, print_json
from hub.config import load_agencies
from hub.domain.agencies import ROLES_BY_KIND, TWO_AGENCIES, Agency, default_agency
from hub.errors import NoInput, UsageError
from schemas import limits

DATA, MASTER, AGENCIES, SETTINGS = "var", "master.key", "agencies.toml", ".env"
KEK, SECRET = "controller.kek", "agency.key"
_SECRET_SIZE = 32  # bytes of an agency's own key
_ENV = f"""# Settings of this hub: every `hub` command called in this folder reads them (docs/reference/settings.md).
HUB_HOST=embedded
HUB_AGENCIES={AGENCIES}
HUB_DATA={DATA}
HUB_KEK_FILE={MASTER}
# Connectors on this machine, for `hub explain`: HUB_CONNECTORS=["jobcenter/source.toml"]
# For `hub worker` on Kafka and PostgreSQL instead:
# HUB_HOST=kafka
# HUB_KAFKA_BOOTSTRAP=localhost:9092
# HUB_DATABASE_URL=postgresql+psycopg://hub@localhost/hub
# HUB_KEY_DATABASE_URL=postgresql+psycopg://hub@localhost/hub_keys
"""
_SINK = """# Senke von {id}: die gemeinsame Sicht kommt in die Übergabetabelle dieser Datenbank.
# Gelesen wird dort nur die Datenbanksicht fallbruecke_aktuell.

[agency]
id = "{id}"
kind = "{kind}"

[connector]
kind = "staging"
state = "state/sink.sqlite"
pseudonyms = "state/pseudonyms.sqlite"

[keys]
kek_file = "{kek_file}"
database_url = "{database_url}"

[log]
path = "{path}"

[settings]
url = "sqlite:///uebergabe.sqlite"
"""


def init(
    folder: Annotated[Path, typer.Argument(metavar="[DIR]", help="Folder to be set up.")] = Path("first-hub"),
    agency: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ID:KIND[:NAME]", help="An agency; repeatable. Without it a jobcenter and a youth office."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Set up a first embedded hub: agencies, keys and settings in one folder. Nothing is ever overwritten."""
    agencies = [_agency(one) for one in agency or ()] or list(TWO_AGENCIES)
    master = new_master()
    files = dict(_files(agencies, master))
    _write(folder, files)
    load_agencies(folder / AGENCIES)
    commands = _next(folder, agencies)
    if as_json:
        print_json({"folder": str(folder), "files": sorted(files), "next": list(commands)})
        return
    print_messages(
        [
            message("Set up in {}: {}.", folder, ", ".join(sorted(files))),
            message(
                "{} opens everything: keep a copy apart from all backups. Each {} is for its agency alone.",
                MASTER,
                KEK,
            ),
        ]
    )
    print_next(commands)


def embedded(hub: Path, out: Path) -> Mapping[str, str]:
    """Where a configuration at `out` finds keys and log of the embedded hub in this folder; raises NoInput."""
    if not (hub / DATA).is_dir() or not (hub / SETTINGS).is_file():
        raise NoInput("no hub was set up here", place=str(hub), remedy="call `hub init` there")
    data = relpath((hub / DATA).resolve(), out.parent.resolve())
    return {
        "kek_file": KEK,
        "database_url": f"sqlite:///{data}/keys.sqlite",
        "path": f"{data}/log.sqlite",
    }


def _agency(text: str) -> Agency:
    """Raises UsageError naming the option."""
    name, _, rest = text.partition(":")
    kind, _, title = rest.partition(":")
    if kind not in ROLES_BY_KIND or any(sign in title for sign in '"\\\n'):
        kinds = " | ".join(ROLES_BY_KIND)
        raise UsageError(
            "is no agency", place="--agency", remedy=f"write it as ID:KIND, with a kind of {kinds}"
        )
    if limits.name_problem(name, "controller") or not name.replace("-", "").replace("_", "").isalnum():
        raise UsageError(
            "is no id of an agency", place="--agency", remedy="small letters, digits and hyphens"
        )
    return default_agency(name, kind, title)


def _files(agencies: Sequence[Agency], master: bytes) -> Iterator[tuple[str, bytes]]:
    """Name in the folder → content."""
    yield SETTINGS, _ENV.encode()
    yield MASTER, f"{as_text(master)}\n".encode()
    entries = (f'[[agency]]\nid = "{one.id}"\nkind = "{one.kind}"\nname = "{one.name}"\n' for one in agencies)
    yield AGENCIES, "\n".join(entries).encode()
    for one in agencies:
        yield f"{one.id}/{KEK}", f"{as_text(controller_kek(master, one.id))}\n".encode()
        yield f"{one.id}/{SECRET}", b64encode(secrets.token_bytes(_SECRET_SIZE)) + b"\n"
        where = {
            "kek_file": KEK,
            "database_url": f"sqlite:///../{DATA}/keys.sqlite",
            "path": f"../{DATA}/log.sqlite",
        }
        yield f"{one.id}/sink.toml", _SINK.format(id=one.id, kind=one.kind, **where).encode()


def _write(folder: Path, files: Mapping[str, bytes]) -> None:
    """All of them or none: a name that is taken is refused before anything is written."""
    for name in files:
        if (folder / name).exists():
            raise UsageError("file already exists", place=name, remedy="choose another path")
    for name, content in files.items():
        path = folder / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            (folder / DATA).mkdir(exist_ok=True)
        except OSError:
            raise NoInput("is no folder", place=str(folder), remedy="choose another path") from None
        write_new(path, content)
    for name in files:
        if name.endswith("sink.toml"):
            (folder / name).with_name("state").mkdir(exist_ok=True)


def _next(folder: Path, agencies: Sequence[Agency]) -> Mapping[str, Message]:
    """Two or three commands to copy, in the order in which they help."""
    there = f"cd {quote(str(folder))} && {called_as()}"
    found = {
        f"{there} up --once": message("Let the hub create what is missing"),
        f"{there} doctor": message("See whether everything is in order"),
    }
    if len(agencies) > 1:
        one, other = agencies[:2]
        asks = f"--agency {one.id} --agency-kind {one.kind} --recipient {other.id}:{other.kind}"
        found[f"{there} connect init {one.id}/source.toml --hub . {asks}"] = message(
            "Propose the configuration of the first source (it asks for folder or database)"
        )
    return found
