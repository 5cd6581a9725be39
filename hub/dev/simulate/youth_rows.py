"""What the youth office's export holds of a family, file by file. Pure."""

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from decimal import Decimal

from hub.dev.simulate.changes import OPEN_END, Row, serial
from hub.dev.simulate.consent_rows import YOUTH_LANGUAGE
from hub.dev.simulate.names import load_names
from hub.dev.simulate.staff import YOUTH_OFFICE_STAFF, Worker, youth_office_worker
from hub.dev.simulate.world import Family, Home, Person

FILE_ROWS = Iterator[tuple[str, Row]]


def person(p: Person, **changed: object) -> Row:
    row: dict[str, object] = {
        "personen_nr": p.youth_office_id,
        "nachname": p.surname,
        "vorname": p.given_name,
        "geburtsdatum": p.birth_date,
        "geschlecht": {"f": "w", "m": "m"}[p.sex],
        "strasse": p.address.street,
        "hausnummer": p.address.house_number,
        "plz": p.address.postcode,
        "ort": p.address.town,
        "sozialraum": p.address.district,
        "telefon": p.phone if p.role != "child" else None,
        "email": None,
        "sprache": YOUTH_LANGUAGE[p.origin],
        "dolmetscher": p.origin == "bg" and p.role != "child",
        "einsichtsfaehig": p.capable,
    }
    return row | changed  # type: ignore[return-value]


def file(family: Family, home: Home, start: date, ended: date = OPEN_END) -> Row:
    return {
        "aktenzeichen": home.case_number,
        "familienname": home.members[0].surname,
        "sozialraum": home.members[0].address.district,
        "beginn": start - timedelta(days=150 + family.number % 200),
        "ende": ended,
        "grund": None,
    }


def member(family: Family, home: Home, p: Person, n: int, start: date, *, until: date = OPEN_END) -> Row:
    role = {"mother": "mutter", "father": "vater", "partner": "partner", "child": "kind"}[p.role]
    return {
        "mitglied_nr": f"{serial(family.number, 0, 10 * (home.number % 2) + n):012d}",
        "aktenzeichen": home.case_number,
        "personen_nr": p.youth_office_id,
        "rolle": role,
        "im_haushalt": p in home.members,
        "von": max(p.birth_date, start - timedelta(days=150 + family.number % 200)),
        "bis": until,
    }


def custody(child: Person, holders: tuple[Person, ...], since: date | None = None) -> Row:
    known = tuple(str(p.youth_office_id) for p in holders if p.youth_office_id)
    return {
        "kind_nr": child.youth_office_id,
        "sorgeberechtigte": known,
        "umfang": "gemeinsam" if len(holders) > 1 else "allein",
        "seit": since or child.birth_date,
    }


def help_(family: Family, home: Home, start: date, **changed: object) -> Row:
    child = _young_person(home)
    providers = load_names().providers["help"]
    code, name = providers[family.number % len(providers)]
    row: dict[str, object] = {
        "hilfe_nr": f"{serial(family.number, 0, 0):012d}",
        "aktenzeichen": home.case_number,
        "personen_nr": child.youth_office_id,
        "paragraf": family.model.help,
        "traeger": name,
        "traegerart": code,
        "ort": "Seestadt",
        "fachleistungsstunden": Decimal(2 + family.number % 7) + Decimal("0.5"),
        "kosten_monat": Decimal(780 + 113 * (family.number % 20)) + Decimal("0.56"),
        "kostentraeger": "Kommune",
        "beginn": start - timedelta(days=60 + family.number % 60),
        "ende": OPEN_END,
        "endegrund": None,
        "gruende": ("13", "18") if family.number % 2 else ("15",),
        "aufgabe": "hilfe" if family.number % 8 != 3 else "andere",
        "verbunden_am": None if family.number % 8 != 3 else start - timedelta(days=3),
        "vertraulich_von": None,
        "quelle_203": family.model.source_203,
        "gefaehrdet_hilfe": False,
        "notiz": 'Vermerk; siehe "Gespräch"',
    }
    return row | changed  # type: ignore[return-value]


def _young_person(home: Home) -> Person:
    return next((p for p in home.in_youth_office if p.role == "child"), home.in_youth_office[0])


def help_plan(family: Family, home: Home, start: date, **changed: object) -> Row:
    goals = (
        "schule:regelmaessiger_besuch",
        "familie:tagesstruktur",
        "kinderbetreuung:kitaplatz",
        "arbeit:praktikum",
    )
    turn = family.number % 4
    row: dict[str, object] = {
        "hilfeplan_nr": f"{serial(family.number, 0, 0):012d}",
        "hilfe_nr": f"{serial(family.number, 0, 0):012d}",
        "aktenzeichen": home.case_number,
        "personen_nr": _young_person(home).youth_office_id,
        "ziele": (*goals[turn:], *goals[:turn])[:2],
        "gruende": ("13",),
        "gueltig_ab": start - timedelta(days=45),
        "ueberpruefung_am": start + timedelta(days=135),
        "vertraulich_von": None,
        "quelle_203": family.model.source_203,
        "gefaehrdet_hilfe": family.model.kind == "special",
    }
    return row | changed  # type: ignore[return-value]


def appointment(
    family: Family, home: Home, day: date, kind: str, *, index: int, n: int, **changed: object
) -> Row:
    row: dict[str, object] = {
        "termin_nr": f"{serial(family.number, index, n):012d}",
        "aktenzeichen": home.case_number,
        "personen_nr": _young_person(home).youth_office_id,
        "art": kind,
        "datum": day,
        "uhrzeit": f"{9 + family.number % 6:02d}:00",
        "ort": "Stadthaus, Zimmer 0.12",
        "teilnehmer": ("ASD", "FAMILIE", "TRAEGER") if kind == "HPG" else ("ASD", "FM", "FAMILIE"),
        "status": "geplant",
    }
    return row | changed  # type: ignore[return-value]


def responsibility(
    worker: Worker, number: str, since: date, home: Home | None = None, p: Person | None = None
) -> Row:
    """With a person: who works on the case. Without: the directory, by district."""
    return {
        "zustaendigkeit_nr": number,
        "aktenzeichen": home.case_number if home else None,
        "personen_nr": p.youth_office_id if p else None,
        "fachkraft_nr": worker.id,
        "funktion": worker.function,
        "bezirk": worker.scope,
        "nachname": worker.surname,
        "vorname": worker.given_name,
        "telefon": worker.phone,
        "email": worker.email,
        "sprachen": tuple(YOUTH_LANGUAGE[x] for x in worker.languages),
        "von": since,
        "bis": OPEN_END,
    }


def pairing(family: Family, home: Home, p: Person, n: int, start: date) -> Row:
    return {
        "paarung_nr": f"{serial(family.number, 0, 10 * (home.number % 2) + n):012d}",
        "aktenzeichen": home.case_number,
        "personen_nr": p.youth_office_id,
        "code": home.pairing_code,
        "mitglied_nr": n + 1,
        "erfasst_am": datetime.combine(start - timedelta(days=9), time(14)),
    }


def staff() -> FILE_ROWS:
    for n, worker in enumerate(YOUTH_OFFICE_STAFF, start=1):
        yield "zustaendigkeit", responsibility(worker, f"{n:012d}", date(2026, 1, 1))


def opening(family: Family, start: date) -> FILE_ROWS:
    """Everything the youth office has on file about a family when the story begins, consents apart."""
    if not family.model.youth_office:
        return
    seen: set[int] = set()
    for home in family.homes:
        for p in home.in_youth_office:
            if p.number not in seen:
                seen.add(p.number)
                yield "personen", person(p)
                if p.custodians and p.age_on(start) < 18:
                    yield "sorgerecht", custody(p, family.custodians_of(p))
        yield from _file_rows(family, home, start)
    yield from _case_rows(family, family.homes[0], start)


def _file_rows(family: Family, home: Home, start: date) -> FILE_ROWS:
    yield "familien", file(family, home, start)
    asd = youth_office_worker(home, "ASD")
    worker = next(w for w in YOUTH_OFFICE_STAFF if w.id == asd)
    for n, p in enumerate(home.in_youth_office):
        at = 20 * (home.number % 2) + n + 10
        yield "mitglieder", member(family, home, p, n, start)
        number = f"{serial(family.number, 0, at):012d}"
        yield "zustaendigkeit", responsibility(worker, number, start - timedelta(days=80), home, p)
    if home.pairing_code:
        for n, p in enumerate(home.in_both):
            yield "paarung", pairing(family, home, p, n, start)


def _case_rows(family: Family, home: Home, start: date) -> FILE_ROWS:
    yield "hilfen", help_(family, home, start)
    yield "hilfeplaene", help_plan(family, home, start)
    yield "termine", appointment(family, home, start + timedelta(days=10), "HPG", index=0, n=0)
    if family.model.entrusted:
        confided = {"hilfe_nr": f"{serial(family.number, 0, 1):012d}", "paragraf": "28"}
        yield (
            "hilfen",
            help_(family, home, start, vertraulich_von=home.members[0].youth_office_id, **confided),
        )
    if family.number % 4 == 0:
        cost_unit = YOUTH_OFFICE_STAFF[-1]
        number = f"{serial(family.number, 0, 60):012d}"
        since = start - timedelta(days=80)
        yield "zustaendigkeit", responsibility(cost_unit, number, since, home, _young_person(home))
