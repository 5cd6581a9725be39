"""`hub connect key`: a new agency key without new identities, and what the keys name. Never a key itself."""

import secrets
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from connectors.pipeline.config.connector import ConnectorConfig, load_config
from connectors.pipeline.publish.key_rotation import marked, named_by, refuse_forgotten
from connectors.pipeline.publish.key_rotation import rotate as rotate_keys
from connectors.pipeline.publish.keyring import SECRET_SIZE, agency_keys, fingerprints
from connectors.pipeline.publish.pseudonyms import Pseudonyms
from connectors.pipeline.run.pipeline import kind
from hub.cli.connect.checks import CREDENTIALS
from hub.cli.language import AgencyTyper, Message, message, verbatim
from hub.cli.messages import print_message_table, print_messages, warn_of
from hub.cli.output import AsJson, print_json
from hub.desk import spec as desk
from hub.desk.config import desk_settings
from hub.domain.identifiers import AgencyKey
from hub.errors import ConfigurationError

app = AgencyTyper(help="Der Schlüssel des Amts: wechseln, zeigen.")
Configs = Annotated[
    list[Path],
    typer.Option("--config", metavar="CONFIG", help="jede TOML-Datei dieses Amts: Quellen, Pult, Senken"),
]
KeyFile = Annotated[
    Path | None,
    typer.Option(
        "--key-file", help="die Schlüsseldatei selbst, wo die Anschlüsse eine Kopie von systemd bekommen"
    ),
]


@app.command()
def rotate(
    config: Configs,
    key_file: KeyFile = None,
    as_json: AsJson = False,
) -> None:
    """Neuer Schlüssel für alle, die neu dazukommen; wer bekannt ist, behält sein Pseudonym."""
    configs = _loaded(config)
    file, path = shared_file(configs, key_file), _shared_table(configs)
    sources = [one for one in configs if _is_source(one)]
    if not path.exists():
        refuse_forgotten(sources, None)
    with closing(Pseudonyms(path)) as table:
        before = fingerprints(agency_keys(file))
        refuse_forgotten(sources, table)
        keys = fingerprints(rotate_keys(file, table, lambda: AgencyKey(secrets.token_bytes(SECRET_SIZE))))
        known = sum(local is not None for _, local in table.all())
    said = {"fingerprint": keys[0], "keys": len(keys), "known": known, "file": file.name, "table": path.name}
    if as_json:
        print_json({**said, "finished": keys == before})
    else:
        print_messages(_sentences(said, finished=keys == before))


@app.command()
def show(config: Configs, key_file: KeyFile = None, as_json: AsJson = False) -> None:
    """Fingerabdruck und Alter jedes Schlüssels, und wie viele Pseudonyme er benennt. Ende 1, wenn die Tabelle nicht
    passt."""
    configs = _loaded(config)
    keys, path = agency_keys(shared_file(configs, key_file, write=False)), _shared_table(configs)
    if not path.exists():
        raise ConfigurationError(
            "has no table yet", place="config.connector.pseudonyms", remedy="run it once first"
        )
    with closing(Pseudonyms(path)) as table:
        found, gone = named_by(keys, table)
        fits = marked(table) in (fingerprints(keys), ())
    if as_json:
        print_json({"keys": [asdict(one) for one in found], "erased": gone, "fits": fits})
    else:
        rows = [
            (verbatim(one.fingerprint), verbatim(one.since or "–"), one.persons, one.cases) for one in found
        ]
        columns = (message("Key"), message("since (UTC)"), message("Persons"), message("Cases"))
        print_message_table(message("Keys, the newest first"), columns, rows)
        print_messages([message("{} pseudonyms stand for nobody any more (erased).", gone)] if gone else [])
    if not fits:
        warn_of(message("the table was made with other keys: see hub connect check"))
        raise typer.Exit(1)


def _sentences(said: Mapping[str, object], *, finished: bool) -> list[Message]:
    """Report of a rotation: its effects, its limits, the next step."""
    if finished:
        first = message("The interrupted rotation is complete; no further key was made.")
    else:
        first = message("New key {fingerprint}. {file} now holds {keys} keys, the newest first.", **said)
    return [
        first,
        message(
            "Known persons keep their pseudonym ({known} stand in {table}). Nobody becomes a second person.",
            **said,
        ),
        message(
            "Whoever has an old key can still reverse these pseudonyms; only those who come from now on are safe "
            "from it."
        ),
        message(
            "Back up now, both together: {file} AND {table}. Only the table knows who was named under an old key; "
            "without it the connectors do not start.",
            **said,
        ),
        message(
            "Restart now: every connector of this agency. One that holds the old keys stops before it gives a new name."
        ),
    ]


def _loaded(paths: Sequence[Path]) -> list[ConnectorConfig]:
    """These connectors, and the source whose records a desk among them shows."""
    named = [load_config(one) for one in paths]
    return named + [load_config(desk_settings(one).records) for one in named if one.kind == desk.kind]


def _is_source(config: ConnectorConfig) -> bool:
    return bool(kind(config).spec.role == "source")


def shared_file(configs: Sequence[ConnectorConfig], given: Path | None, *, write: bool = True) -> Path:
    """The one key file of these connectors; raises ConfigurationError."""
    named = {one.keys.agency_key_file for one in configs if _is_source(one)}
    found = {given.resolve()} if given else {path.resolve() for path in named if path}
    if len(found) != 1 or (None in named and not given):
        raise _differ("keys.agency_key_file", "name one key file in all of them, or --key-file")
    file = found.pop()
    if write and CREDENTIALS in file.parents:
        raise ConfigurationError(
            "is a copy that systemd lends",
            place="config.keys.agency_key_file",
            remedy="name the file itself: --key-file, as LoadCredential= says",
        )
    return file


def _shared_table(configs: Sequence[ConnectorConfig]) -> Path:
    """The one table of these connectors; raises ConfigurationError."""
    if len({one.agency for one in configs}) != 1:
        raise _differ("agency.id", "name the connectors of one agency")
    tables = {one.pseudonyms.resolve() for one in configs}
    if len(tables) != 1:
        raise _differ(
            "connector.pseudonyms", "let all connectors of the agency share one table before the key changes"
        )
    return tables.pop()


def _differ(name: str, remedy: str) -> ConfigurationError:
    return ConfigurationError("is not the same in all configurations", place=f"config.{name}", remedy=remedy)
