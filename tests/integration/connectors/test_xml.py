"""XML of a monthly export: joined by the keys that its modules share, streamed, and refused whole when unsound."""

import re
import tracemalloc
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import connectors.sources.xml as kind
from connectors.contract import Incident, Row
from connectors.pipeline.config.connector import load_config
from connectors.pipeline.mapping.lookups import RowTranslator
from connectors.pipeline.state.state import State
from connectors.sources.xml.tree import CHUNK
from connectors.tools.dry_run.checking import examine
from connectors.tools.dry_run.preview import preview
from hub.domain.identifiers import AgencyKey
from hub.errors import ConfigurationError
from tests.support.delivery import one_delivery

KEY, NOW = AgencyKey(b"k" * 32), datetime(2026, 11, 20, 20, tzinfo=UTC)
XML = """<?xml version="1.0" encoding="{encoding}"?>
<x:Export xmlns:x="urn:export" Traeger="12345">
  <x:BG Nummer="00001BG0000001"><x:Person lfd="1"><x:Name>Ährenfeld</x:Name><x:Geb>1990-01-02</x:Geb></x:Person>
    <x:Person lfd="2"><x:Name>Öz &amp; Co</x:Name><x:Geb>2015-06-07</x:Geb></x:Person></x:BG>
  <x:BG Nummer="00001BG0000002"><x:Person lfd="1"><x:Name>Neu</x:Name><x:Geb>2000-02-03</x:Geb></x:Person></x:BG>
</x:Export>
"""
CONFIG = """
[agency]
id = "jc-a"
kind = "jobcenter"
[connector]
kind = "xml"
state = "state.sqlite"
pseudonyms = "pseudonyms.sqlite"
[settings]
folder = "drop"
complete = "rename"
encoding = "{encoding}"
vanish_limit = 1.0
namespaces = {{ x = "urn:export" }}
[streams.people]
file = "*.xml"
key = "person"
derive = {{ person = {{ columns = ["traeger", "bg", "lfd"], join = "/" }} }}
[streams.people.records]
path = "x:Export/x:BG/x:Person"
columns = {{ bg = "/x:Export/x:BG/@Nummer", traeger = "/x:Export/@Traeger", lfd = "@lfd", geb = "x:Geb" }}
ignored = ["x:Name"]
[[streams.people.events]]
type = "SubjectRecorded"
subject = "person"
case = "bg"
occurred_at = "@version"
[streams.people.events.fields]
birth_date = "geb"
"""


class House:
    """A drop folder and an XML source over it."""

    def __init__(self, folder: Path, encoding: str = "utf-8", change: Callable[[str], str] = str) -> None:
        (folder / "drop" / "inbox").mkdir(parents=True)
        (folder / "source.toml").write_text(change(CONFIG.format(encoding=encoding)), encoding="utf-8")
        config = load_config(folder / "source.toml")
        self.folder = folder
        self.state = State(folder / "state.sqlite", lambda key: KEY.row_hash(key.encode()))
        try:
            self.source = kind.build(config, self.state, KEY)
        except ConfigurationError:
            self.state.close()
            raise

    def put(self, text: str | bytes, name: str = "export.xml", encoding: str = "utf-8") -> None:
        data = text if isinstance(text, bytes) else text.encode(encoding)
        (self.folder / "drop" / "inbox" / name).write_bytes(data)

    def step(self) -> tuple[list[Row], list[Incident]]:
        return one_delivery(self.source, self.state, NOW)


@pytest.fixture
def built(tmp_path: Path) -> Iterator[Callable[..., House]]:
    houses: list[House] = []

    def build(*arguments: Any, **more: Any) -> House:
        houses.append(House(tmp_path, *arguments, **more))
        return houses[-1]

    yield build
    for house in houses:
        house.state.close()


Build = Callable[..., House]


@pytest.mark.parametrize("encoding", ["utf-8", "iso-8859-15"])
def test_records_take_the_keys_of_what_they_lie_in(built: Build, encoding: str) -> None:
    house = built(encoding)
    house.put(XML.format(encoding=encoding), encoding=encoding)
    rows, incidents = house.step()
    assert not incidents
    assert [(row.key, row.values["geb"]) for row in rows] == [
        ("12345/00001BG0000001/1", "1990-01-02"),
        ("12345/00001BG0000001/2", "2015-06-07"),
        ("12345/00001BG0000002/1", "2000-02-03"),
    ]
    assert rows[0].place.startswith("export.xml:3")


def test_only_what_changed_comes_again(built: Build) -> None:
    house = built()
    house.put(XML.format(encoding="utf-8"))
    house.step()
    house.put(XML.format(encoding="utf-8").replace("2000-02-03", "2000-02-04"), "export2.xml")
    assert [row.key for row in house.step()[0]] == ["12345/00001BG0000002/1"]
    assert [row.key for row in house.source.subjects(["12345/00001BG0000001/2"])] == [
        "12345/00001BG0000001/2"
    ]


HOUSE = """<x:Export xmlns:x="urn:export" Traeger="1"><x:BG Nummer="b"><x:Person lfd="1"><x:Geb>1990-01-02</x:Geb>
{custodians}</x:Person></x:BG></x:Export>"""


def with_custodians(toml: str) -> str:
    toml = toml.replace('geb = "x:Geb"', 'geb = "x:Geb", who = "x:Inhaber/@Ref", name = "x:Name"')
    more = 'type = "CustodyChanged"\nsubject = "person"\ncase = "bg"\noccurred_at = "@version"\n'
    fields = "fields = { custodians = { column = 'who', person = true }, part = 'name' }\n"
    return f"{toml}[[streams.people.events]]\n{more}{fields}"


def test_what_is_there_several_times_is_a_list(built: Build) -> None:
    house = built(change=with_custodians)
    three = '<x:Inhaber Ref="P-1"/>\n<x:Inhaber Ref=""/>\n<x:Inhaber Ref="P-3"/><x:Name>A <b/>B</x:Name>'
    house.put(HOUSE.format(custodians=three))
    (row,) = house.step()[0]
    assert (row.values["who"], row.values["name"]) == (["P-1", "", "P-3"], "A B")


@pytest.mark.parametrize(
    ("custodians", "column"),
    [
        ('<x:Inhaber Ref="P-1,2"/><x:Inhaber Ref="P-3"/>', "who"),
        ('<x:Inhaber Ref="P-1"/><x:Name><b>A</b></x:Name>', "name"),
    ],
)
def test_a_record_that_cannot_be_told_is_held_alone(built: Build, custodians: str, column: str) -> None:
    house = built(change=with_custodians)
    other = '<x:Person lfd="2"><x:Geb>1990-01-02</x:Geb><x:Inhaber Ref="P-9"/><x:Name>B</x:Name></x:Person>'
    house.put(HOUSE.format(custodians=custodians).replace("</x:BG>", f"{other}</x:BG>"))
    rows, incidents = house.step()
    events, held = RowTranslator(load_config(house.folder / "source.toml"), KEY).events(rows)
    assert {(one.reason, one.column) for one in held} == {("wrong_shape", column)}
    assert ({event.row_key for event in events}, incidents) == ({"1/b/2"}, [])


@pytest.mark.parametrize("before", range(CHUNK - 8, CHUNK + 1))
def test_a_text_across_two_pieces_of_the_file_is_one_text(built: Build, before: int) -> None:
    house = built(change=lambda toml: toml.replace("/x:Export/x:BG/@Nummer", "/x:Export/x:BG/x:Nr"))
    start = '<x:Export xmlns:x="urn:export" Traeger="1"><x:BG><x:Nr>'
    person = '<x:Person lfd="1"><x:Geb>1990-01-02</x:Geb></x:Person>'
    house.put(f"<!--{' ' * (before - len(start) - 7)}-->{start}00001BG7</x:Nr>{person}</x:BG></x:Export>")
    assert [row.values["bg"] for row in house.step()[0]] == ["00001BG7"]


def test_an_empty_element_has_nothing_of_the_one_before(built: Build) -> None:
    house = built(change=lambda toml: toml.replace("/x:Export/x:BG/@Nummer", "/x:Export/x:BG/x:Nr"))
    person = '<x:Person lfd="{}"><x:Geb>1990-01-02</x:Geb></x:Person>'
    body = f"<x:BG><x:Nr>7</x:Nr>{person.format(1)}<x:Nr/>{person.format(2)}</x:BG>"
    house.put(f'<x:Export xmlns:x="urn:export" Traeger="1">{body}</x:Export>')
    assert [row.values["bg"] for row in house.step()[0]] == ["7", ""]


def test_two_streams_of_one_file_are_one_delivery(built: Build) -> None:
    def second(toml: str) -> str:
        return toml + toml[toml.index("[streams.people]") :].replace("people", "again")

    house = built(change=second)
    house.put(XML.format(encoding="utf-8"))
    assert len(house.step()[0]) == 3
    assert [path.name[13:] for path in (house.folder / "drop" / "done").iterdir()] == ["export.xml"]
    assert house.step() == ([], [])


BOMB = '<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
FOREIGN = '<!DOCTYPE a [<!ENTITY f SYSTEM "file:///etc/hostname">]>'


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (XML.format(encoding="utf-8").replace("<x:Export", f"{BOMB}<x:Export"), "forbidden_xml"),
        (XML.format(encoding="utf-8").replace("<x:Export", f"{FOREIGN}<x:Export"), "forbidden_xml"),
        (XML.format(encoding="utf-8").replace("<x:Export", "<!DOCTYPE a><x:Export"), "forbidden_xml"),
        ("<a>" * 100 + "</a>" * 100, "too_large"),
        ("<a " + " ".join(f'a{n}="1"' for n in range(300)) + "/>", "too_large"),
        (XML.format(encoding="iso-8859-1"), "wrong_encoding"),
        (XML.format(encoding="utf-8").encode("iso-8859-15"), "wrong_encoding"),
        ("<a><b></a>", "unreadable_xml"),
        ("", "truncated"),
    ],
)
def test_what_is_not_sound_is_refused_whole(built: Build, content: str | bytes, reason: str) -> None:
    house = built()
    house.put(content)
    rows, incidents = house.step()
    assert rows == []
    assert [one.reason for one in incidents] == [reason]
    assert incidents[0].place.startswith("export.xml")


def test_a_record_that_is_too_large_is_refused(built: Build) -> None:
    house = built(
        change=lambda toml: toml.replace(
            "[streams.people]", "limits = { record_bytes = 1000 }\n[streams.people]", 1
        )
    )
    house.put(XML.format(encoding="utf-8").replace("Neu", "N" * 2000))
    assert [one.reason for one in house.step()[1]] == ["too_large"]


def test_cut_at_every_byte_it_is_refused(built: Build) -> None:
    house = built()
    whole = XML.format(encoding="utf-8").encode()
    for cut in range(len(whole) - 2):
        house.put(whole[:cut], f"cut{cut}.xml")
    rows, incidents = house.step()
    assert rows == []
    named = {one.place.split(":")[0] for one in incidents}
    assert named == {f"cut{cut}.xml" for cut in range(len(whole) - 2)}


def test_many_records_need_little_memory(built: Build) -> None:
    house = built()
    person = "<x:Person lfd='{0}'><x:Name>" + "n" * 200 + "</x:Name><x:Geb>1990-01-02</x:Geb></x:Person>"
    people = "".join(person.format(number) for number in range(20_000))
    house.put(f"<x:Export xmlns:x='urn:export' Traeger='1'><x:BG Nummer='b'>{people}</x:BG></x:Export>")
    del people
    tracemalloc.start()
    incidents = list(house.source.refresh(NOW))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert incidents == []
    assert peak < 4_000_000


@pytest.mark.parametrize(
    "change",
    [
        lambda toml: toml.replace('geb = "x:Geb"', 'geb = "y:Geb"'),
        lambda toml: toml.replace(', geb = "x:Geb"', ""),
    ],
)
def test_a_path_that_is_missing_or_unknown_is_a_fault_of_the_configuration(
    built: Build, change: Callable[[str], str]
) -> None:
    with pytest.raises(ConfigurationError):
        built(change=change)


def reasons(house: House) -> list[tuple[str, str]]:
    """Reason and remedy of what was refused."""
    rows, incidents = house.step()
    assert rows == []
    return [(one.reason, one.remedy) for one in incidents]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            lambda text: text.replace("urn:export", "urn:export:2"),
            "{urn:export:2}Export found, agreed was x:Export",
        ),
        (lambda text: text.replace("x:Export", "x:Lieferung"), "x:Lieferung found, agreed was x:Export"),
        (lambda text: text.replace("x:BG", "x:Haushalt"), "x:Export/x:Haushalt"),
        (lambda text: text.replace("x:Person", "x:Kunde"), "x:Export/x:BG/x:Kunde"),
        (lambda text: text.replace("x:Geb>", "x:Geburtsdatum>"), "column geb is nowhere"),
        (lambda text: text.replace(" Traeger=", " Traegernummer="), "column traeger"),
    ],
    ids=["namespace", "root", "container", "record", "column", "attribute above"],
)
def test_another_name_is_told_and_not_read_as_empty(
    built: Build, change: Callable[[str], str], told: str
) -> None:
    house = built()
    house.put(change(XML.format(encoding="utf-8")))
    ((reason, remedy),) = reasons(house)
    assert reason in {"header_drift", "column_missing"}
    assert told in remedy or reason == "column_missing"


@pytest.mark.parametrize("lacking", [' lfd="2"', ' Nummer="00001BG0000002"'])
def test_every_record_has_the_parts_of_its_key(built: Build, lacking: str) -> None:
    house = built()
    house.put(XML.format(encoding="utf-8").replace(lacking, ""))
    assert [reason for reason, _ in reasons(house)] == ["column_missing"]


def test_a_required_member_is_in_every_record(built: Build) -> None:
    more = 'geb = "x:Geb" }\nrequired = ["lfd", "geb"]'
    house = built(change=lambda toml: toml.replace('geb = "x:Geb" }', more))
    house.put(XML.format(encoding="utf-8").replace("<x:Geb>2015-06-07</x:Geb>", ""))
    assert [reason for reason, _ in reasons(house)] == ["column_missing"]


def test_a_column_that_may_be_nowhere(built: Build) -> None:
    house = built(change=lambda toml: toml.replace('geb = "x:Geb" }', 'geb = "x:Geb" }\noptional = ["geb"]'))
    house.put(re.sub("<x:Geb>[^<]*</x:Geb>", "", XML.format(encoding="utf-8")))
    assert [row.values["geb"] for row in house.step()[0]] == ["", "", ""]


def test_a_name_that_nobody_agreed_on_stops_the_first_delivery_and_any_other(built: Build) -> None:
    """A renamed column, or one that protects, looks like that; names of another namespace too."""
    house = built()
    text = XML.format(encoding="utf-8")
    news = {
        "/x:Export/x:BG/x:Person/x:Sperre": text.replace("<x:Name>Neu", "<x:Sperre>ja</x:Sperre><x:Name>Neu"),
        "/x:Export/x:BG/x:Person/@gesperrt": text.replace(
            'lfd="1"><x:Name>Neu', 'lfd="1" gesperrt="ja"><x:Name>Neu'
        ),
        "/x:Export/x:BG/x:Person/text()": text.replace("<x:Name>Neu", "gesperrt<x:Name>Neu"),
        "/x:Export/x:Nachtrag": text.replace("</x:Export>", "<x:Nachtrag/></x:Export>"),
    }
    for number, new in enumerate(news.values()):
        house.put(new, f"next{number}.xml")
    found = reasons(house)
    assert [reason for reason, _ in found] == ["header_drift"] * 4
    assert all(name in remedy for name, (_, remedy) in zip(news, found, strict=True))
    house.put(text, "plain.xml")
    assert len(house.step()[0]) == 3
    house.put(news["/x:Export/x:Nachtrag"].replace("2000-02-03", "2000-03-01"), "later.xml")
    assert house.step()[0] == []


@pytest.mark.parametrize(
    "listed", ["*", "/x:Export/x:BG/x:Person/x:Sperre", "x:Sperre"], ids=["all", "as told", "from the record"]
)
def test_a_name_that_is_listed_is_passed_over(built: Build, listed: str) -> None:
    house = built(change=lambda toml: toml.replace('["x:Name"]', f'["x:Name", "{listed}"]'))
    text = XML.format(encoding="utf-8")
    house.put(text.replace("<x:Name>Neu", "<x:Sperre a='1'>ja</x:Sperre><x:Name>Neu"))
    assert len(house.step()[0]) == 3


def test_streams_of_one_file_agree_on_its_names_together(built: Build) -> None:
    def second(toml: str) -> str:
        again = toml[toml.index("[streams.people]") :].replace("people", "again")
        return toml + again.replace('ignored = ["x:Name"]', "")

    house = built(change=second)
    house.put(XML.format(encoding="utf-8"))
    assert house.step()[1] == []


def test_check_and_preview_say_which_names_nobody_agreed_on(built: Build) -> None:
    house = built(change=lambda toml: toml.replace('ignored = ["x:Name"]', ""))
    house.put(XML.format(encoding="utf-8"))
    config = load_config(house.folder / "source.toml")
    (seen,) = preview(config, KEY, NOW).faults
    (told,) = examine(config, KEY, NOW).incidents
    for one in (seen, told):
        assert one.reason == "header_drift"
        assert "/x:Export/x:BG/x:Person/x:Name" in one.remedy
    assert len(reasons(house)) == 1


def test_text_is_kept_as_it_is(built: Build) -> None:
    """But for what stands around it, as at every source."""
    house = built(change=with_custodians)
    house.put(HOUSE.format(custodians="<x:Inhaber Ref='P'/><x:Name>\n Ida  von\tHeide </x:Name>"))
    assert [row.values["name"] for row in house.step()[0]] == ["Ida  von\tHeide"]


def test_a_key_that_stands_behind_the_records_counts(built: Build) -> None:
    house = built(change=lambda toml: toml.replace("/x:Export/x:BG/@Nummer", "/x:Export/x:BG/x:Nr"))
    people = "".join(f'<x:Person lfd="{n}"><x:Geb>1990-01-02</x:Geb></x:Person>' for n in (1, 2))
    body = "".join(f"<x:BG>{people}<x:Nr>{number}</x:Nr></x:BG>" for number in (7, 8))
    house.put(f'<x:Export xmlns:x="urn:export" Traeger="1">{body}</x:Export>')
    rows, incidents = house.step()
    assert incidents == []
    assert [(row.values["bg"], row.values["lfd"]) for row in rows] == [
        ("7", "1"),
        ("7", "2"),
        ("8", "1"),
        ("8", "2"),
    ]


def test_text_beside_and_within_inner_elements_is_not_lost(built: Build) -> None:
    house = built(change=with_custodians)
    house.put(HOUSE.format(custodians="<x:Inhaber Ref='P'/><x:Name>Ida <i>von</i> <b>der</b> Heide</x:Name>"))
    assert [row.values["name"] for row in house.step()[0]] == ["Ida von der Heide"]
    house.put(
        HOUSE.format(custodians="<x:Inhaber Ref='P'/><x:Name><v>Ida</v><n>Heide</n></x:Name>"), "two.xml"
    )
    (row,) = house.step()[0]
    assert getattr(row.values["name"], "reason", "") == "wrong_shape"


@pytest.mark.parametrize(
    ("written", "ignored", "read"),
    [
        ("<x:Name art='Alias'>Ida</x:Name>", "x:Name/@art", "Ida"),
        ("<x:Name art='Alias'/>", "x:Name/@art", ""),
        ("<x:Name>Ida <x:I art='de'>von</x:I> Heide</x:Name>", "x:Name/x:I/@art", "Ida von Heide"),
        ("<x:Name>Ida <x:I art='de'>von</x:I> Heide</x:Name>", "*", "Ida von Heide"),
        ("<x:Name>Ida <x:Notiz>geheim</x:Notiz>Heide</x:Name>", "x:Name/x:Notiz", "Ida Heide"),
    ],
)
def test_what_is_not_read_belongs_to_no_text_around_it(
    built: Build, written: str, ignored: str, read: str
) -> None:
    house = built(change=lambda toml: with_custodians(toml).replace('["x:Name"]', f'["{ignored}"]'))
    house.put(HOUSE.format(custodians=f"<x:Inhaber Ref='P'/>{written}"))
    assert [row.values["name"] for row in house.step()[0]] == [read]


def test_an_attribute_within_a_text_is_told_as_any_other_name(built: Build) -> None:
    house = built(change=lambda toml: with_custodians(toml).replace('["x:Name"]', "[]"))
    house.put(HOUSE.format(custodians="<x:Inhaber Ref='P'/><x:Name>Ida <x:I art='de'>von</x:I></x:Name>"))
    ((reason, remedy),) = reasons(house)
    assert reason == "header_drift"
    assert "x:Name/x:I/@art" in remedy


def test_records_on_one_line_are_two_records(built: Build) -> None:
    house = built()
    text = XML.format(encoding="utf-8").replace("\n", "")
    house.put(text)
    rows, incidents = house.step()
    assert incidents == []
    assert [row.place for row in rows] == ["export.xml:1", "export.xml:1.2", "export.xml:1.3"]
    house.put(text.replace("2015-06-07", "2015-06-08"), "second.xml")
    assert [row.values["geb"] for row in house.step()[0]] == ["2015-06-08"]
    house.put(text.replace('lfd="2"', 'lfd="1"'), "third.xml")
    rows, _ = house.step()
    waiting = {row.place: row.fault.reason for row in rows if row.fault}
    assert waiting == {"third.xml:1": "duplicate_key", "third.xml:1.2": "duplicate_key"}


@pytest.mark.parametrize(
    "start", ["<x:Export a='", "<!--", "<x:Export xmlns:x='urn:export'><x:BG b='", "<?p "]
)
def test_a_token_that_does_not_end_is_refused_early(built: Build, start: str) -> None:
    house = built(
        change=lambda toml: toml.replace(
            "[streams.people]", "limits = { record_bytes = 1000 }\n[streams.people]", 1
        )
    )
    house.put(start + "a" * 4_000_000)
    tracemalloc.start()
    found = reasons(house)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [reason for reason, _ in found] == ["too_large"]
    assert peak < 2_000_000


@pytest.mark.parametrize(
    ("encoding", "data"),
    [
        ("iso-8859-1", XML.format(encoding="iso-8859-1").replace("Öz", "„Öz“").encode("cp1252")),
        ("iso-8859-15", XML.format(encoding="iso-8859-15").replace("Öz", "Öz – Ö").encode("cp1252")),
        ("iso-8859-1", XML.format(encoding="iso-8859-1").encode()),
        ("cp1252", XML.format(encoding="cp1252").encode()),
    ],
    ids=["cp1252 as latin-1", "cp1252 as latin-9", "UTF-8 as latin-1", "UTF-8 as cp1252"],
)
def test_bytes_that_contradict_what_was_agreed(built: Build, encoding: str, data: bytes) -> None:
    house = built(encoding)
    house.put(data)
    ((reason, remedy),) = reasons(house)
    assert (reason, "byte" in remedy) == ("wrong_encoding", True)
