"""A proposal as a commented configuration file that loads as it stands. Pure."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from textwrap import wrap
from typing import Any

from connectors.pipeline.config.protecting import protects
from connectors.pipeline.config.streams import ANSWERING
from connectors.pipeline.config.tables import CIRCUMSTANCES
from connectors.tools.propose.coded import Coded, Decision
from connectors.tools.propose.profile import DOUBTFUL, NEGATIVE, Column, Table, most
from connectors.tools.propose.propose import PERSON_OF_CASE, Event, Papers, Proposal, Stream
from connectors.tools.propose.xml_records import Record
from schemas import event_schema


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """What only the people know: who they are, for whom something may leave, and where it is read.

    `recipients`: (controller, kind, role). `settings` belong to the kind of source; `requests`: of an interface, how
    each table is asked for; `records`: of XML, where each table's records stand.
    `hub`: kek_file, database_url and path of an embedded hub on the same machine.
    """

    agency: str
    agency_kind: str
    kind: str
    recipients: Sequence[tuple[str, str, str]]
    settings: Mapping[str, Any]
    requests: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    records: Mapping[str, Record] = field(default_factory=dict)
    hub: Mapping[str, str] = field(default_factory=dict)

    @property
    def agencies(self) -> Mapping[str, str]:
        """Controller → kind: every agency that a consent may name."""
        return {self.agency: self.agency_kind} | {one: kind for one, kind, _ in self.recipients}


def config_text(
    house: House, tables: Sequence[Table], proposal: Proposal, refused: Mapping[str, str] | None = None
) -> str:
    """The file. `refused`: stream → why its first reading stood still; such a stream stays a comment."""
    idle = _idle(house, proposal, refused or {})
    parts = [_head(house), _settings(house), _recipients(house), _defaults(tables)]
    parts += [_circumstances(proposal)] if house.agency_kind in ANSWERING else []
    parts += [_codes(one) for one in proposal.codes]
    lookup = proposal.members is not None and proposal.members[0] in _read(proposal, idle)
    parts += [_lookup(proposal)] if lookup else []
    if (papers := proposal.papers) and papers.stream in _read(proposal, idle):
        parts += [_of_consents(papers)]
    if house.records:
        read = [house.records[one.source] for one in proposal.streams if one.name not in idle]
        house = replace(house, requests={name: one.request(read) for name, one in house.records.items()})
    parts += [_stream(house, stream, proposal, idle.get(stream.name, "")) for stream in proposal.streams]
    parts += (
        [_rest("Nicht erkannt, wird nicht gelesen:", proposal.unrecognised)] if proposal.unrecognised else []
    )
    parts += [_rest(_KEYLESS, proposal.keyless)] if proposal.keyless else []
    return "\n\n".join("\n".join(part) for part in parts) + "\n"


def _read(proposal: Proposal, idle: Mapping[str, str]) -> set[str]:
    """The streams that are no comment."""
    return {stream.name for stream in proposal.streams} - idle.keys()


def _idle(house: House, proposal: Proposal, refused: Mapping[str, str]) -> Mapping[str, str]:
    """Stream → why it stays a comment until somebody has completed it."""
    idle = dict(refused)
    for stream in proposal.streams:
        if house.kind == "sql" and not stream.version:
            idle.setdefault(stream.name, _UNVERSIONED)
        if stream.within and (house.kind not in _DERIVING or len(stream.within) < _BOTH):
            idle.setdefault(stream.name, _WITHIN)
        if all(event.undecided for event in stream.events):
            idle.setdefault(stream.name, _UNDECIDED)
    read = _read(proposal, idle)
    for stream in proposal.streams:
        whole = all(event.case or event.by for event in stream.events)
        if proposal.members and proposal.members[0] not in read and not whole:
            idle.setdefault(
                stream.name, f"Der Fall steht in {proposal.members[0]}, und das wird nicht gelesen."
            )
        if proposal.papers and proposal.papers.stream not in read and any(one.by for one in stream.events):
            idle.setdefault(
                stream.name, f"Die Person steht in {proposal.papers.stream}, und das wird nicht gelesen."
            )
    return idle


def _head(house: House) -> Iterator[str]:
    yield "#:schema connector.schema.json"
    yield f"# Quelle von {house.agency}: ein Vorschlag von `hub connect init`. Bitte Zeile für Zeile lesen."
    yield "# Danach: hub connect preview DIESE_DATEI zeigt, was das Haus verlassen würde, und sendet nichts."
    yield "#"
    yield "# Nicht zugeordnete Spalten werden nie gesendet. Ein Code ohne Eintrag in [codes] hält den Datensatz an."
    yield ""
    yield from ("[agency]", f"id = {_s(house.agency)}", f"kind = {_s(house.agency_kind)}", "")
    yield from ("[connector]", f"kind = {_s(house.kind)}", 'state = "state/source.sqlite"')
    yield from ('pseudonyms = "state/pseudonyms.sqlite"', "")
    yield from ("[keys]", 'agency_key_file = "agency.key"  # Ihr eigenes Geheimnis; Kopie in den Tresor')
    if house.hub:
        yield from (f"{name} = {_s(house.hub[name])}" for name in ("kek_file", "database_url"))
        yield from ("", "[log]", f"path = {_s(house.hub['path'])}")
        return
    yield '# kek_file = "controller.kek"      # vom Betreiber des Hubs; erst für `hub connect run` nötig'
    yield '# database_url = ""                # Schlüsseldatenbank des Hubs; erst für `hub connect run` nötig'
    yield ""
    yield from ("[log]", '# bootstrap = "kafka.example:9092"  # Broker; erst für `hub connect run` nötig')


def _settings(house: House) -> Iterator[str]:
    yield "[settings]"
    for name, value in house.settings.items():
        yield f"{name} = {_s(value)}"


def _recipients(house: House) -> Iterator[str]:
    yield "# Nur für diese Rollen darf überhaupt etwas das Haus verlassen."
    for controller, kind, role in house.recipients:
        yield from (
            "[[recipients]]",
            f"controller = {_s(controller)}",
            f"kind = {_s(kind)}",
            f"role = {_s(role)}",
        )


def _defaults(tables: Sequence[Table]) -> Iterator[str]:
    """How the export writes things, by what was found most."""
    columns = [column for table in tables for column in table.columns.values()]
    yield "# So schreibt dieses Haus. Aus einer Stichprobe gelesen; einzelne Werte können abweichen."
    yield "[defaults]"
    if doubtful := sorted({column.name for column in columns if column.written == DOUBTFUL}):
        yield f"# {', '.join(doubtful)}: Die Stichprobe sagt nicht, ob Tag oder Monat vorn steht. Fragen Sie nach, und"
        yield '# schreiben Sie date = "%d/%m/%Y" (Tag vorn) oder "%m/%d/%Y" (Monat vorn); bis dahin wartet alles.'
    yield f"date = {_s(_written(columns, 'date', '%Y-%m-%d'))}"
    yield f"timestamp = {_s(_written(columns, 'time', '%Y-%m-%d %H:%M:%S'))}"
    decimal = _written(columns, "decimal", ".")
    yield f"decimal = {_s(decimal)}"
    yield f"thousands = {_s('.' if decimal == ',' else '')}"
    flags = {value for column in columns if column.shape == "flag" for value in column.values}
    if flags:
        yield f"true = {_s(sorted(flags - NEGATIVE) or ['1'])}"
        yield f"false = {_s(sorted(flags & NEGATIVE) or ['0'])}"
    ends = sorted({end for column in columns for end in column.open_ends})
    yield f"open_end = {_s(ends)}"
    if nothing := sorted({sign for column in columns for sign in column.nothing}):
        yield f"empty = {_s(nothing)}"
    yield 'zone = "Europe/Berlin"'


def _written(columns: Iterable[Column], shape: str, otherwise: str) -> str:
    told = (column.written for column in columns if column.shape == shape and column.written != DOUBTFUL)
    return most(told, otherwise)


_CLOSED = ("address", "contact")
"""Fields that are not proposed beside a column that looks like a block."""
_MEANING = {
    "entrusted_by": "wer es anvertraut hat (§ 65 SGB VIII)",
    "source_203": "stammt von einer Berufsgeheimnisträgerin (§ 203 StGB)",
    "objected_76": "Widerspruch (§ 76 SGB X)",
    "task_class": "Hilfe oder andere Aufgabe (§ 2 SGB VIII)",
    "connection": "wann beide verbunden wurden (§ 63 Abs. 2 SGB VIII)",
    "endangers_help": "Weitergabe gefährdet die Hilfe (§ 64 Abs. 2 SGB VIII)",
    "disputed": "Richtigkeit bestritten (§ 84 SGB X)",
}


def _circumstances(proposal: Proposal) -> Iterator[str]:
    """What each event must answer; an answer for the whole house is a person's to give."""
    answered = [{*event.facts} for stream in proposal.streams for event in stream.events if event.facts]
    yield "# Umstände, die eine Weitergabe begrenzen. Jedes Ereignis nennt je Umstand eine Spalte, oder hier steht"
    yield '# "none": Das Verfahren hält ihn nirgends fest. Unbeantwortet ist er in `hub connect check` ein FAIL.'
    yield "[circumstances]"
    for name in CIRCUMSTANCES:
        partly = (
            "; bei einigen Ereignissen als Spalte erkannt" if any(name in one for one in answered) else ""
        )
        yield f'# {name} = "none"  # {_MEANING[name]}{partly}'


def _codes(coded: Coded) -> Iterator[str]:
    yield f"[codes.{_key(coded.name)}]"
    for code, ours in coded.known.items():
        yield f"{_s(code)} = {_s(ours)}"
    if not coded.known and not coded.unknown:
        yield "# Zu viele oder zu lange Wörter für die Stichprobe: bitte ergänzen, sonst wird der Datensatz angehalten"
    for code in coded.unknown:
        yield f'# {_s(code)} = ""  # unbekannt: bitte ergänzen, sonst wird der Datensatz angehalten'


def _lookup(proposal: Proposal) -> Iterator[str]:
    stream, person, case = proposal.members or ("", "", "")
    yield "# Was eine Zeile selbst nicht trägt: die Fälle einer Person."
    yield from ("[lookups.cases]", f"stream = {_s(stream)}", f"key = {_s(person)}", f"columns = {_s([case])}")


def _of_consents(papers: Papers) -> Iterator[str]:
    yield "# Ein Widerruf nennt nur die Nummer der Einwilligung: Person und Fall stehen dort."
    yield from ("[lookups.consents]", f"stream = {_s(papers.stream)}", f"key = {_s(papers.number)}")
    yield f"columns = {_s([papers.person, papers.case])}"


_KEYLESS = "Ohne Schlüssel (keine drei Spalten unterscheiden alle Zeilen), wird nicht gelesen; nötig ist eine Nummer:"
_DERIVING = frozenset({"snapshot_csv", "file_drop", "rest", "xml"})


_UNDECIDED = "Die Stichprobe sagt nicht, welche Zeilen ein solches Ereignis sind (siehe when)."
_UNVERSIONED = "Keine Spalte mit Änderungszeit oder steigender Nummer erkannt: bitte als version eintragen."
_WITHIN = (
    "Personennummern gelten hier nur innerhalb eines Falls. Gebraucht wird eine Spalte, die eine Person im ganzen "
    "Haus benennt."
)
_BOTH = 2  # columns that name a person where numbers count within a case


def _stream(house: House, stream: Stream, proposal: Proposal, idle: str) -> Iterator[str]:
    lines = _active(house, stream, proposal)
    if not idle:
        yield from lines
        return
    yield from (f"# {line}" for line in wrap(f"Ruht: {idle}", 110))
    yield from (f"# {line}" if line else "#" for line in lines)


def _active(house: House, stream: Stream, proposal: Proposal) -> Iterator[str]:
    name = _key(stream.name)
    yield f"[streams.{name}]"
    if house.kind == "rest":
        yield f"request = {_s(house.requests[stream.source])}"
        yield "# nur Änderungen holen: in request auch version (Spalte) und since (Parameter) nennen"
    elif house.kind == "xml":
        request = house.requests[stream.source]
        yield f"file = {_s(request['file'])}"
        yield "# alle Spalten der Datensätze; zugeordnet wird unten. optional: darf in einer ganzen Datei fehlen"
        yield f"records = {_s(request['records'])}"
    else:
        yield f"{'table' if house.kind == 'sql' else 'file'} = {_s(stream.source)}"
    yield f"key = {_s(list(stream.key))}"
    if stream.within:
        yield "# Personennummern gelten nur innerhalb eines Falls: Fall und Nummer zusammen benennen die Person."
        both = _s({"columns": list(stream.within), "join": "/"})
        yield f"derive = {{ {PERSON_OF_CASE} = {both} }}"
    if house.kind == "sql":
        yield f"version = {_s(stream.version or 'BITTE_EINTRAGEN')}  # Änderungszeit oder steigende Nummer"
    if stream.deleted:
        gone = _s({"column": stream.deleted, "in": [stream.deleted_as or "J"]})
        sure = "" if stream.deleted_as else "# "
        yield f"{sure}gone = {gone}  # so gekennzeichnete Zeilen zählen als gelöscht: stimmt das?"
    if stream.blocks:
        yield f"# {', '.join(stream.blocks)}: sieht nach einer Sperre aus (§§ 51, 52 BMG). Anschrift und Kontakt sind"
        yield "# deshalb nicht zugeordnet. `hub connect check` sagt FAIL, bis die Spalte zugeordnet ist oder in"
        yield "# unrelated steht."
    if stream.unused:
        yield f"# nicht zugeordnet, wird nie gesendet: {', '.join(stream.unused)}"
    for event in stream.events:
        yield ""
        lines = _event(house, name, event, proposal, stream.blocks)
        idle = event.undecided and not all(one.undecided for one in stream.events)
        yield from (f"# {line}" for line in lines) if idle else lines


def _event(
    house: House, stream: str, event: Event, proposal: Proposal, blocks: Sequence[str]
) -> Iterator[str]:
    schema = event_schema(event.type)
    yield f"[[streams.{stream}.events]]"
    yield f"type = {_s(event.type)}"
    if event.filled:
        yield f"when = [{{ column = {_s(event.filled)}, filled = true }}]"
    if event.decided:
        yield from _when(event.decided)
    yield from _places(event, proposal)
    for name, value in (*event.times.items(), *event.facts.items()):
        yield f"{name} = {_s(value)}"
    for name in event.doubts.keys() - schema.fields.keys():
        yield f'# {name} = ""  # {event.doubts[name]}: bitte nachfragen'
    yield f"[streams.{stream}.events.fields]"
    for name, spec in schema.fields.items():
        if name in event.values:
            yield f"{name} = {_value(event.values[name])}"
        elif name in event.doubts:
            yield f'# {name} = ""  # {spec.category}; {event.doubts[name]}: bitte nachfragen'
        elif name == "sender":
            yield f"sender = {{ constant = {_s(house.agency)} }}  # keine Spalte erkannt: das eigene Amt?"
        elif name not in ("subject", "child"):
            why = f"nicht neben {', '.join(blocks)}" if blocks and name in _CLOSED else "keine Spalte erkannt"
            yield f'# {name} = ""  # {spec.category}; {why}'


def _when(decided: Decision) -> Iterator[str]:
    """The condition, and a question for each word that nobody recognised: its rows are held until it is answered."""
    if decided.unknown or not decided.among:
        words = ", ".join(map(_s, decided.unknown)) or "kein Wort in der Stichprobe"
        told = (
            f"{decided.column} entscheidet, welche Zeilen gemeint sind. In in oder in known gehört: {words}"
        )
        yield from (f"# {line}" for line in wrap(told, 110))
    condition = {"column": decided.column, "in": decided.among, "known": decided.known or ("",)}
    yield f"when = [{_s(condition)}]"


def _places(event: Event, proposal: Proposal) -> Iterator[str]:
    """Where its subject and case stand."""
    if event.by and (papers := proposal.papers):
        for name, column in (("subject", papers.person), ("case", papers.case)):
            yield f'{name} = {{ lookup = "consents", by = {_s(event.by)}, column = {_s(column)} }}'
        yield "# gilt für die ganze Einwilligung; ein Teil: fields.scope, siehe docs/reference/connector-toml.md"
        return
    if event.subject:
        yield f"subject = {_s(event.subject)}"
    if event.case:
        yield f"case = {_s(event.case)}"
    elif proposal.members:
        column = _s(proposal.members[2])
        yield f'case = {{ lookup = "cases", by = {_s(event.subject)}, column = {column} }}'


def _value(value: Any) -> str:
    if isinstance(value, list):
        return f'{{ columns = {_s(value)}, join = " " }}' if len(value) > 1 else _s(value[0])
    return _s(value)


def _rest(why: str, tables: Sequence[Table]) -> Iterator[str]:
    yield f"# {why}"
    for table in tables:
        yield f"#   {table.name}: {', '.join(table.columns)}"
        if blocks := [name for name in table.columns if protects(name)]:
            yield f"#     ! {', '.join(blocks)}: sieht nach Schutz aus. Gilt es für Personen, die hier gelesen werden?"


def _s(value: Any) -> str:
    """A TOML value."""
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_key(name)} = {_s(one)}" for name, one in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_s(one) for one in value) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    return json.dumps(value, ensure_ascii=False)


def _key(name: str) -> str:
    bare = name.isascii() and name.replace("_", "").replace("-", "").isalnum()
    return name if bare else _s(name)
