"""The configuration is checked as a whole, with the place of what is wrong, before anything is opened."""

import tomllib
from base64 import b64encode
from copy import deepcopy
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from connectors.pipeline.config.connector import load_config, parse_config
from connectors.sources.snapshot.config import csv_settings
from connectors.sources.sql.config import sql_settings
from hub.adapters.clocks import SystemClock
from hub.cli.connect.host import open_keys
from hub.errors import ConfigurationError, NoInput

EXAMPLES = Path(__file__).parents[3] / "hub" / "dev" / "simulate" / "connectors"
FILES = sorted(EXAMPLES.glob("*/source.toml"))


def example(name: str = "jobcenter") -> dict[str, Any]:
    return tomllib.loads((EXAMPLES / name / "source.toml").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "file", sorted(EXAMPLES.glob("*/*.toml")), ids=lambda file: f"{file.parent.name}/{file.name}"
)
def test_the_examples_are_valid(file: Path) -> None:
    config = load_config(file)
    assert config.agency
    assert config.legal_domain.startswith("SGB")


FIRST = "config.streams.personen.events[0]"
FOUND = {"lookup": "haushalte", "by": "KDNR", "column": "BG_NR"}


def looked_up(raw: dict[str, Any], **keys: Any) -> None:
    """A birth date that stands in another stream."""
    raw["streams"]["personen"]["events"][0]["fields"]["birth_date"] = FOUND | keys


def in_itself(raw: dict[str, Any]) -> None:
    raw["lookups"]["haushalte"] |= {"stream": "personen", "key": "KDNR"}
    looked_up(raw)


def named_by(raw: dict[str, Any], lookup: str, *, also: str = "", on_vanish: bool = False) -> None:
    """Persons named by another stream; `also`: a stream that is named by theirs."""
    streams = raw["streams"]
    streams["personen"]["key"] = [FOUND | {"lookup": lookup}, "KDNR"]
    if also:
        raw["lookups"]["personen"] = {"stream": "personen", "key": "KDNR", "columns": ["KDNR"]}
        streams[also]["key"] = [{"lookup": "personen", "by": "KDNR", "column": "KDNR"}]
    if on_vanish:
        streams["personen"]["on_vanish"] = streams["personen"]["events"][0]


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (lambda c: c.update(extra=1), "config"),
        (lambda c: c["connector"].update(batchs=7), "config.connector"),
        (lambda c: c["connector"].update(batch="viele"), "config.connector.batch"),
        (lambda c: c["connector"].update(batch=True), "config.connector.batch"),
        (lambda c: c["connector"].update(batch=0), "config.connector"),
        (lambda c: c["agency"].update(kind="police"), "config.agency.kind"),
        (lambda c: c["agency"].pop("id"), "config.agency.id"),
        (lambda c: c["log"].update(bootstrap="b:1"), "config.log"),
        (lambda c: c["keys"].update(cache_mb=0), "config.keys.cache_mb"),
        (lambda c: c["lookups"]["haushalte"].update(stream="weg"), "config.lookups.haushalte.stream"),
        (lambda c: c["lookups"].pop("haushalte"), "config.streams."),
        (lambda c: looked_up(c, lookup="weg"), f"{FIRST}.fields.birth_date"),
        (lambda c: looked_up(c, column="WEG"), f"{FIRST}.fields.birth_date"),
        (lambda c: looked_up(c, columns=["BG_NR"]), f"{FIRST}.fields.birth_date"),
        (lambda c: looked_up(c, join="-", codes="weg"), f"{FIRST}.fields.birth_date.codes"),
        (lambda c: looked_up(c, factor=2), f"{FIRST}.fields.birth_date.factor"),
        (in_itself, f"{FIRST}.fields.birth_date"),
        (lambda c: named_by(c, "weg"), "config.streams.personen.key[0]"),
        (lambda c: named_by(c, "haushalte", also="mitglieder"), "config.streams.personen.key[0]"),
        (lambda c: named_by(c, "haushalte", on_vanish=True), "config.streams.personen.on_vanish"),
        (lambda c: c["streams"]["personen"].update(key=[1]), "config.streams.personen.key[0]"),
        (lambda c: c["streams"]["personen"].pop("key"), "config.streams.personen.key"),
        (
            lambda c: c["streams"]["personen"]["events"][0].update(type="Geraten"),
            "config.streams.personen.events[0]",
        ),
        (
            lambda c: c["streams"]["personen"]["events"][0].update(type="DangerReported"),
            "config.streams.personen",
        ),
        (
            lambda c: c["streams"]["personen"]["events"][1]["fields"].update(shoe="X"),
            "config.streams.personen",
        ),
        (
            lambda c: c["streams"]["personen"]["events"][1].pop("occurred_at"),
            "config.streams.personen.events[1]",
        ),
        (
            lambda c: c["streams"]["einwilligungen"]["events"][0]["fields"].pop("sender"),
            "config.streams.einwilligungen.events[0].fields",
        ),
        (
            lambda c: c["streams"]["personen"]["events"][1].update(ground={"task_norm": "X"}),
            "config.streams.personen",
        ),
        (
            lambda c: c["streams"]["personen"]["events"][0]["fields"].update(birth_date="@version"),
            "config.streams.personen.events[0].fields.birth_date",
        ),
        (
            lambda c: c["streams"]["personen"]["events"][0].update(
                occurred_at={"columns": ["@version", "KDNR"]}
            ),
            "config.streams.personen.events[0].occurred_at",
        ),
        (
            lambda c: c["streams"]["personen"]["events"][0].update(
                disputed={"flags": {"birth_date": "@version"}}
            ),
            "config.streams.personen.events[0].disputed",
        ),
    ],
)
def test_every_mistake_names_its_place(change: Any, place: str) -> None:
    raw = deepcopy(example())
    change(raw)
    with pytest.raises(ConfigurationError) as error:
        parse_config(raw, EXAMPLES)
    assert error.value.place.startswith(place)
    assert error.value.remedy


@pytest.mark.parametrize(
    ("name", "change", "settings"),
    [
        ("jobcenter", lambda c: c["settings"].pop("url"), sql_settings),
        ("jobcenter", lambda c: c["settings"].update(url_env="NOT_SET_ANYWHERE"), sql_settings),
        ("jobcenter", lambda c: c["streams"]["personen"].update(query="SELECT 1"), sql_settings),
        ("jobcenter", lambda c: c["streams"]["personen"].pop("version"), sql_settings),
        ("jobcenter", lambda c: c["streams"]["personen"].update(versoin="X"), sql_settings),
        ("youth_office", lambda c: c["settings"].update(encoding="utf-9"), csv_settings),
        ("youth_office", lambda c: c["settings"].pop("encoding"), csv_settings),
        ("youth_office", lambda c: c["settings"].update(delimiter=";;"), csv_settings),
        ("youth_office", lambda c: c["settings"].update(vanish_limit=5), csv_settings),
        ("youth_office", lambda c: c["streams"]["hilfen"].pop("file"), csv_settings),
    ],
)
def test_the_kinds_check_their_own_settings(name: str, change: Any, settings: Any) -> None:
    raw = deepcopy(example(name))
    change(raw)
    config = parse_config(raw, EXAMPLES)
    with pytest.raises(ConfigurationError):
        settings(config)


def test_a_missing_file_and_a_broken_file(tmp_path: Path) -> None:
    with pytest.raises(NoInput):
        load_config(tmp_path / "none.toml")
    (tmp_path / "bad.toml").write_text("[agency", encoding="utf-8")
    with pytest.raises(ConfigurationError):
        load_config(tmp_path / "bad.toml")


def test_secrets_do_not_show() -> None:
    raw = example()
    raw["settings"]["url"] = "postgresql://user:geheim@host/db"
    raw["keys"]["database_url"] = "postgresql://user:geheim@host/keys"
    config = parse_config(raw, EXAMPLES)
    assert "geheim" not in repr(config)
    assert "geheim" not in repr(sql_settings(config))


def test_the_cache_of_opened_keys_is_as_large_as_the_file_says(tmp_path: Path) -> None:
    raw = example()
    assert parse_config(raw, tmp_path).keys.cache_mb == 64
    (tmp_path / "kek").write_bytes(b64encode(bytes(32)))
    keys = {"agency_key_file": "key", "kek_file": "kek", "database_url": "sqlite:///keys", "cache_mb": 0.5}
    small = parse_config(raw | {"keys": keys}, tmp_path)
    with patch("hub.cli.connect.host.KeyCache") as cache:
        open_keys(small, SystemClock()).close()
    cache.assert_called_once_with(size=2**19)
