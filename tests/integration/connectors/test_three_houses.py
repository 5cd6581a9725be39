"""Three houses that nobody wrote the program for: other names, codes, dialects and formats, connected by configuration
alone. The same family must come out of all three."""

import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from connectors.pipeline.config.connector import load_config
from connectors.pipeline.gate.judge import Judged
from connectors.tools.dry_run.offline import offline
from hub.domain.identifiers import AgencyKey

NOW, KEY = datetime(2026, 11, 20, 20, tzinfo=UTC), AgencyKey(b"k" * 32)
COMMON = """
[agency]
id = "jc-a"
kind = "jobcenter"
[connector]
kind = "KIND"
state = "state.sqlite"
pseudonyms = "pseudonyms.sqlite"
[[recipients]]
controller = "ja-a"
kind = "youth_welfare"
role = "ja_asd"
"""
PIPES = (
    COMMON.replace("KIND", "file_drop")
    + """
[settings]
folder = "drop"
complete = "trailer"
trailer = 'SATZENDE\\|(\\d+)'
encoding = "utf-16"
delimiter = "|"
skip = 1
[defaults]
date = "%d/%m/%Y"
open_end = ["31/12/9999"]
empty = ["NULL", "k.A."]
[codes.sex]
1 = "m"
2 = "f"
[codes.kind]
RB = "regelbedarf"
[streams.persons]
file = "pers*.txt"
key = "P"
derive = { P = { columns = ["HAUSHALT", "LFD"], join = "-" } }
[[streams.persons.events]]
type = "PersonRegistered"
subject = "P"
case = "HAUSHALT"
occurred_at = "@version"
[streams.persons.events.fields]
names = { columns = ["NACHN", "VORN"], join = ", " }
birth_date = "GEB"
sex = { column = "G", codes = "sex", otherwise = "u" }
interpreter = { column = "DOLM", true = ["X"], false = ["-"] }
[streams.payments]
file = "zahl*.txt"
key = ["P", "MON", "ART"]
derive = { P = { columns = ["HAUSHALT", "LFD"], join = "-" } }
[[streams.payments.events]]
type = "BenefitGranted"
when = [{ column = "STORNO", filled = false }]
subject = "P"
case = "HAUSHALT"
occurred_at = { column = "MON", date = "%Y%m" }
[streams.payments.events.fields]
kind = { column = "ART", codes = "kind" }
amount = { column = "CENT", factor = 0.01 }
month = { column = "MON", date = "%Y%m", out = "%Y-%m" }
"""
)
TREE = (
    COMMON.replace("KIND", "xml")
    + """
[settings]
folder = "drop"
complete = "rename"
encoding = "iso-8859-15"
namespaces = { s = "urn:sozial" }
[defaults]
decimal = ","
thousands = "."
true = ["ja"]
false = ["nein"]
[codes.sex]
W = "f"
M = "m"
[codes.kind]
"§ 20" = "regelbedarf"
[streams.persons]
file = "modul*.xml"
key = ["bg", "lfd"]
derive = { person = { columns = ["bg", "lfd"], join = "-" } }
[streams.persons.records]
path = "s:Lieferung/s:BG/s:Person"
ignored = ["s:Nation"]
[streams.persons.records.columns]
bg = "/s:Lieferung/s:BG/@Nr"
lfd = "@Lfd"
name = "s:Name"
geb = "s:Geboren"
sex = "s:Sex"
dolm = "s:Dolmetscher"
[[streams.persons.events]]
type = "PersonRegistered"
subject = "person"
case = "bg"
occurred_at = "@version"
[streams.persons.events.fields]
names = "name"
birth_date = "geb"
sex = { column = "sex", codes = "sex", default = "u" }
interpreter = "dolm"
[streams.payments]
file = "modul*.xml"
key = ["bg", "lfd", "monat"]
derive = { person = { columns = ["bg", "lfd"], join = "-" } }
[streams.payments.records]
path = "s:Lieferung/s:BG/s:Person/s:Zahlung"
[streams.payments.records.columns]
bg = "/s:Lieferung/s:BG/@Nr"
lfd = "/s:Lieferung/s:BG/s:Person/@Lfd"
monat = "@Monat"
art = "s:Art"
eur = "s:Betrag"
[[streams.payments.events]]
type = "BenefitGranted"
subject = "person"
case = "bg"
occurred_at = { column = "monat", date = "%Y-%m" }
[streams.payments.events.fields]
kind = { column = "art", pattern = "(§ [0-9]+)", codes = "kind" }
amount = "eur"
month = "monat"
"""
)
_TABLES = """
[settings]
url = "sqlite:///fach.sqlite"
[defaults]
date = "%Y%m%d"
true = ["1"]
false = ["0"]
[codes.sex]
f = "f"
m = "m"
[codes.kind]
20 = "regelbedarf"
[streams.persons]
query = "SELECT hh || '-' || n AS p, hh, nm, born, sx, ip, seq FROM person"
key = "p"
version = "seq"
[[streams.persons.events]]
type = "PersonRegistered"
subject = "p"
case = "hh"
occurred_at = { constant = "2026-11-01T00:00:00" }
[streams.persons.events.fields]
names = "nm"
birth_date = "born"
sex = { column = "sx", codes = "sex", default = "u" }
interpreter = "ip"
[streams.payments]
query = "SELECT hh || '-' || n AS p, hh, mon, kind, eur, seq FROM pay WHERE cancelled = 0"
key = ["p", "mon"]
version = "seq"
[[streams.payments.events]]
type = "BenefitGranted"
subject = "p"
case = "hh"
occurred_at = { column = "mon", date = "%Y-%m" }
[streams.payments.events.fields]
kind = { column = "kind", codes = "kind" }
amount = "eur"
month = "mon"
"""


def pipes(folder: Path) -> None:
    inbox = folder / "drop" / "inbox"
    inbox.mkdir(parents=True)
    persons = (
        "Export 7\nHAUSHALT|LFD|NACHN|VORN|GEB|G|DOLM|NATION\nH1|1|Öz|İpek|02/01/1990|2|X|163\n"
        "H1|2|Öz|Can|07/06/2015|9|-|163\nSATZENDE|2\n"
    )
    payments = (
        "Export 8\nHAUSHALT|LFD|MON|ART|CENT|STORNO\nH1|1|202611|RB|56300|NULL\n"
        "H1|1|202610|RB|56300|J\nSATZENDE|2\n"
    )
    (inbox / "pers1.txt").write_text(persons, encoding="utf-16")
    (inbox / "zahl1.txt").write_text(payments, encoding="utf-16")


def tree(folder: Path) -> None:
    inbox = folder / "drop" / "inbox"
    inbox.mkdir(parents=True)
    text = """<?xml version="1.0" encoding="ISO-8859-15"?>
<s:Lieferung xmlns:s="urn:sozial"><s:BG Nr="H1">
<s:Person Lfd="1"><s:Name>Öz, &#x130;pek</s:Name><s:Geboren>1990-01-02</s:Geboren><s:Sex>W</s:Sex>
<s:Dolmetscher>ja</s:Dolmetscher><s:Nation>163</s:Nation>
<s:Zahlung Monat="2026-11"><s:Art>Regelbedarf nach § 20 SGB II</s:Art><s:Betrag>563,00</s:Betrag></s:Zahlung></s:Person>
<s:Person Lfd="2"><s:Name>Öz, Can</s:Name><s:Geboren>2015-06-07</s:Geboren>
<s:Dolmetscher>nein</s:Dolmetscher></s:Person>
</s:BG></s:Lieferung>"""
    (inbox / "modul2.xml").write_text(text, encoding="iso-8859-15")


def tables(folder: Path) -> None:
    database = sqlite3.connect(folder / "fach.sqlite")
    database.execute("CREATE TABLE person (hh, n, nm, born, sx, ip, nation, seq INTEGER)")
    database.execute("INSERT INTO person VALUES ('H1', 1, 'Öz, İpek', '19900102', 'f', 1, '163', 5)")
    database.execute("INSERT INTO person VALUES ('H1', 2, 'Öz, Can', '20150607', NULL, 0, '163', 6)")
    database.execute("CREATE TABLE pay (hh, n, mon, kind, eur, cancelled, seq INTEGER)")
    database.execute("INSERT INTO pay VALUES ('H1', 1, '2026-11', 20, 563.0, 0, 7)")
    database.execute("INSERT INTO pay VALUES ('H1', 1, '2026-10', 20, 563.0, 1, 8)")
    database.commit()
    database.close()


HOUSES: dict[str, tuple[str, Callable[[Path], None]]] = {
    "pipes": (PIPES, pipes),
    "tree": (TREE, tree),
    "tables": (COMMON.replace("KIND", "sql") + _TABLES, tables),
}


def told(folder: Path, house: str) -> list[tuple[str, str, str, str]]:
    """What the mapping says of the family: event, person, case, payload."""
    config, write = HOUSES[house]
    (folder / "source.toml").write_text(config, encoding="utf-8")
    write(folder)
    with offline(load_config(folder / "source.toml"), KEY) as looking:
        found: list[Any] = list(looking.judged(NOW))
    assert [one for one in found if not isinstance(one, Judged)] == []
    events = [one.event for one in found]
    return sorted(
        (e.schema.event_type, e.subject_ref, e.case_ref, repr(sorted(e.payload.items()))) for e in events
    )


@pytest.mark.parametrize("house", sorted(HOUSES))
def test_the_same_family_comes_out_of_every_house(tmp_path: Path, house: str) -> None:
    ipek, can, case = KEY.person("H1-1"), KEY.person("H1-2"), KEY.case("H1")
    names = {event: (person, text) for event, person, _, text in told(tmp_path, house) if person == ipek}
    assert "('names', 'Öz, İpek')" in names["PersonRegistered"][1]
    assert names["BenefitGranted"][1] == (
        "[('amount', Decimal('563.00')), ('kind', 'regelbedarf'), ('month', '2026-11')]"
    )
    (tmp_path / "again").mkdir()
    everything = told(tmp_path / "again", house)
    assert [(event, person) for event, person, _, _ in everything] == sorted(
        [("BenefitGranted", ipek), ("PersonRegistered", ipek), ("PersonRegistered", can)]
    )
    assert {each[2] for each in everything} == {case}
    assert "('sex', 'u')" in next(text for _, person, _, text in everything if person == can)


def test_the_houses_agree_to_the_letter(tmp_path: Path) -> None:
    results = []
    for house in HOUSES:
        (tmp_path / house).mkdir()
        results.append(told(tmp_path / house, house))
    assert results[0] == results[1] == results[2]
