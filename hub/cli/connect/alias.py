"""`hub connect alias`: a person with a new number stays the same person, because the agency says so. Nothing leaves."""

import sys
import tomllib
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from connectors.pipeline.config.aliases import HEADER, Aliases, load_aliases, with_alias
from connectors.pipeline.config.connector import ConnectorConfig, load_config
from connectors.pipeline.publish.keyring import agency_keys
from connectors.pipeline.publish.pseudonyms import Pseudonyms
from connectors.pipeline.run.pipeline import looking_names
from connectors.pipeline.state.renumbering import refuse_spoken_of
from connectors.pipeline.state.sqlite_files import held_folder, replace_file
from connectors.pipeline.state.state import State
from hub.cli.connect.key import Configs, KeyFile, shared_file
from hub.cli.language import AgencyTyper, message, verbatim
from hub.cli.messages import print_message_table, print_messages, prompt, warn_of
from hub.cli.output import AsJson, print_json
from hub.domain.identifiers import AgencyKeys
from hub.errors import ConfigurationError, NoInput

app = AgencyTyper(help="Neue Nummern: wer wer bleibt. Bleibt im Haus.")


@app.command()
def add(
    config: Configs,
    new: Annotated[
        str | None, typer.Argument(metavar="NEU", help="die neue Nummer der Person; ohne sie wird gefragt")
    ] = None,
    old: Annotated[str | None, typer.Argument(metavar="ALT", help="die Nummer, die sie vorher hatte")] = None,
    key_file: KeyFile = None,
    as_json: AsJson = False,
) -> None:
    """Wer NEU heißt, bleibt ALT. Rufen Sie es auf, bevor etwas unter der neuen Nummer hinausging. Gefragt und nicht auf
    der Befehlszeile genannt, stehen die Nummern in keinem Verlauf und in keiner Prozessliste."""
    file = _alias_file(config)
    new = prompt(message("New number"), err=True) if new is None else new
    old = prompt(message("Number before"), err=True) if old is None else old
    with held_folder(file.resolve().parent):
        if not file.exists():
            replace_file(file, f"{HEADER}\n".encode(), like=config[0])
        configs = [load_config(one) for one in config]
        keys = agency_keys(shared_file(configs, key_file, write=False))
        content, aliases = with_alias(file.read_bytes(), new, old, file.name)
        for one in configs:
            _refuse_spoken_of(one, keys, new.strip())
        replace_file(file, content, like=file)
    if config[0].stat().st_mode & 0o007:
        warn_of(
            message(
                "{} is readable by fewer than {}: give it the connectors' group", file.name, config[0].name
            )
        )
    known = any(_is_known(one, keys, aliases.of(new.strip())) for one in configs)
    if not known:
        warn_of(message("nobody is known by the old number yet: check the number"))
    if as_json:
        print_json({"aliases": len(aliases.first), "old_is_known": known})
    else:
        print_messages(
            [
                message("Entered in {} ({} numbers).", file.name, len(aliases.first)),
                message("Restart the connectors now."),
            ]
        )


@app.command("list")
def show_all(config: Configs, as_json: AsJson = False) -> None:
    """Wie viele Nummern umgeschrieben sind; welche, nur auf einem Bildschirm in Ihrem Haus."""
    file = _alias_file(config)
    aliases = load_aliases(file) if file.exists() else Aliases()
    if as_json:
        print_json({"aliases": len(aliases.first), "persons": len(set(aliases.first.values()))})
    elif sys.stdout.isatty():
        rows = [(verbatim(new), verbatim(first)) for new, first in sorted(aliases.first.items())]
        print_message_table(message("{} numbers", len(rows)), (message("new"), message("first")), rows)
    else:
        print_messages([message("{} numbers; the numbers themselves on a screen only.", len(aliases.first))])


def _alias_file(paths: Sequence[Path]) -> Path:
    """The one file that these configurations name, there or not; raises NoInput or ConfigurationError."""
    named = {_named(one) for one in paths}
    if len(named) != 1:
        raise ConfigurationError(
            "is not the same in all configurations",
            place="config.connector.aliases",
            remedy="name one file in all",
        )
    found = named.pop()
    if found is None:
        raise ConfigurationError(
            "names no file",
            place="config.connector.aliases",
            remedy='write aliases = "aliases.csv" into [connector]',
        )
    return found


def _named(path: Path) -> Path | None:
    """Read apart: a configuration whose file of aliases is still missing cannot be loaded."""
    try:
        name = tomllib.loads(path.read_text(encoding="utf-8")).get("connector", {}).get("aliases")
    except OSError:
        raise NoInput(
            "cannot be read", place=path.name, remedy="name an existing configuration file"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, AttributeError):
        raise ConfigurationError("is no TOML", place=path.name, remedy="correct the file") from None
    return (path.parent / name).resolve() if isinstance(name, str) and name else None


def _refuse_spoken_of(config: ConnectorConfig, keys: AgencyKeys, number: str) -> None:
    if not config.state.exists():
        return
    with (
        closing(State(config.state, lambda _: b"", alone=False)) as state,
        looking_names(config, keys) as named,
    ):
        refuse_spoken_of([number], named, state)


def _is_known(config: ConnectorConfig, keys: AgencyKeys, number: str) -> bool:
    if not config.pseudonyms.exists():
        return False
    with closing(Pseudonyms(config.pseudonyms)) as table:
        return any(table.stands(key.person(number)) for key in keys)
