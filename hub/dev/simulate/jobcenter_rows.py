"""What the jobcenter's system holds of a family, in its own tables, columns and codes. Pure."""

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta

from hub.dev.simulate.changes import OPEN_END, Row, serial
from hub.dev.simulate.consent_rows import JOBCENTER_LANGUAGE
from hub.dev.simulate.names import load_names
from hub.dev.simulate.staff import JOBCENTER_STAFF, by_letter, jobcenter_manager
from hub.dev.simulate.world import Family, Home, Person

NATIONALITY = {"de": "000", "tr": "163", "bg": "125"}
TABLE_ROWS = Iterator[tuple[str, Row]]


def person(p: Person) -> Row:
    return {
        "KDNR": p.jobcenter_id,
        "NACHNAME": p.surname,
        "VORNAME": p.given_name,
        "GEBDAT": p.birth_date,
        "GESCHLECHT": {"f": "W", "m": "M"}[p.sex],
        "STAATSANG": NATIONALITY[p.origin],
        "STRASSE": p.address.street,
        "HAUSNR": p.address.house_number,
        "PLZ": p.address.postcode,
        "ORT": p.address.town,
        "SOZIALRAUM": p.address.district,
        "TELEFON": p.phone,
        "EMAIL": f"p{p.number}@post.invalid" if p.role != "child" else None,
        "SPRACHE": JOBCENTER_LANGUAGE[p.origin],
        "DOLMETSCHER": p.origin == "bg" and p.role != "child",
        "EINSICHTSFAEHIG": p.capable,
    }


def household(family: Family, home: Home, start: date) -> Row:
    begin = (start - timedelta(days=200 + 3 * (family.number % 90))).replace(day=1)
    return {
        "BG_NR": home.bg_number,
        "KDNR_VERTRETER": home.in_jobcenter[0].jobcenter_id,
        "STATUS": "10",
        "BEGINN": begin,
        "ENDE": OPEN_END,
        "BEWILLIGT_VON": start.replace(month=1, day=1),
        "BEWILLIGT_BIS": start.replace(month=12, day=31),
        "VORLAEUFIG": family.number % 7 == 3,
        "ENDGRUND": None,
    }


def member(family: Family, home: Home, p: Person, n: int, start: date, *, until: date = OPEN_END) -> Row:
    grown = p.age_on(start) >= 15
    role = "10" if n == 0 else "11" if p.role != "child" else "21" if grown else "20"
    return {
        "MITGLIED_ID": serial(family.number, 0, 10 * (home.number % 2) + n),
        "BG_NR": home.bg_number,
        "KDNR": p.jobcenter_id,
        "ROLLE": role,
        "VON": max(p.birth_date, (start - timedelta(days=200 + 3 * (family.number % 90))).replace(day=1)),
        "BIS": until,
    }


def staff() -> TABLE_ROWS:
    """The directory: who answers for which letters. It holds no client data."""
    for n, w in enumerate(JOBCENTER_STAFF, start=1):
        yield (
            "T_SACHBEARBEITER",
            {
                "SB_ID": w.id,
                "NAME": w.surname,
                "VORNAME": w.given_name,
                "FUNKTION": w.function,
                "TELEFON": w.phone,
                "EMAIL": w.email,
                "SPRACHEN": w.languages,
            },
        )
        yield (
            "T_ZUSTAENDIGKEIT",
            {
                "ZUST_ID": n,
                "SB_ID": w.id,
                "FUNKTION": w.function,
                "BUCHSTABE_VON": w.scope[0],
                "BUCHSTABE_BIS": w.scope[-1],
                "GUELTIG_VON": date(2026, 1, 1),
                "GUELTIG_BIS": OPEN_END,
            },
        )


def assignment(
    family: Family, home: Home, p: Person, n: int, worker: str, *, since: date, index: int = 0
) -> Row:
    function = next(w.function for w in JOBCENTER_STAFF if w.id == worker)
    return {
        "FALLZUST_ID": serial(family.number, index, n),
        "BG_NR": home.bg_number,
        "KDNR": p.jobcenter_id,
        "SB_ID": worker,
        "FUNKTION": function,
        "VON": since,
        "BIS": OPEN_END,
    }


def measure(family: Family, home: Home, start: date, n: int = 0, index: int = 0, **changed: object) -> Row:
    providers = load_names().providers["measure"]
    code, name = providers[family.number % len(providers)]
    row: dict[str, object] = {
        "MASSNAHME_ID": serial(family.number, index, n),
        "KDNR": home.in_jobcenter[0].jobcenter_id,
        "BG_NR": home.bg_number,
        "NORM": family.model.measure or "1645",
        "TRAEGER_NR": code,
        "TRAEGER_NAME": name,
        "BEGINN": start - timedelta(days=21 + family.number % 40) if index == 0 else start,
        "ENDE": start + timedelta(days=120),
        "STATUS": "2",
        "ERGEBNIS": None,
        "BEMERKUNG": 'Kundin nannte Gründe; siehe "Vermerk"',
    }
    return row | changed  # type: ignore[return-value]


def appointment(
    family: Family, home: Home, day: date, kind: str, *, index: int, n: int, **changed: object
) -> Row:
    row: dict[str, object] = {
        "TERMIN_ID": serial(family.number, index, n),
        "KDNR": home.in_jobcenter[0].jobcenter_id,
        "BG_NR": home.bg_number,
        "ART": kind,
        "BEGINN": datetime.combine(day, time(9 + family.number % 6, 30)),
        "ORT": "Jobcenter Seestadt, Raum 204" if kind == "BER" else "Familienzentrum Hafen",
        "TEILNEHMER": ("FM", "ASD", "FAMILIE") if kind == "DG" else ("FM", "FAMILIE"),
        "STATUS": "G",
        "VEREINBARUNG_NR": None,
        "SB_ID": jobcenter_manager(home),
    }
    return row | changed  # type: ignore[return-value]


def plan(family: Family, home: Home, start: date, version: int = 1) -> Row:
    goals = ("AUSBILDUNG", "ARBEIT", "SPRACHE_B1", "KINDERBETREUUNG")
    return {
        "KOOPPLAN_ID": serial(family.number, 0, 0),
        "KDNR": home.in_jobcenter[0].jobcenter_id,
        "BG_NR": home.bg_number,
        "FASSUNG": version,
        "ZIEL_CODE": goals[family.number % 4],
        "SCHRITTE": ("BERATUNG", "KITAPLATZ", "BEWERBUNG")[: 1 + version],
        "VEREINBART_AM": start - timedelta(days=30),
        "NAECHSTE_PRUEFUNG": start + timedelta(days=60 * version),
        "BEMERKUNG": "Freitext: möchte wieder in der Küche arbeiten",
    }


def sanction(family: Family, home: Home, start: date, lifted: date | None = None) -> Row:
    return {
        "MINDERUNG_ID": serial(family.number, 0, 0),
        "KDNR": home.in_jobcenter[0].jobcenter_id,
        "BG_NR": home.bg_number,
        "NORM": "32" if family.number % 2 else "31A",
        "PROZENT": 10,
        "VON": start.replace(day=1),
        "BIS": start.replace(day=1) + timedelta(days=29),
        "AUFGEHOBEN_AM": lifted,
    }


def pairing(family: Family, home: Home, p: Person, n: int, start: date) -> Row:
    return {
        "PAARUNG_ID": serial(family.number, 0, 10 * (home.number % 2) + n),
        "BG_NR": home.bg_number,
        "KDNR": p.jobcenter_id,
        "CODE": home.pairing_code,
        "MITGLIED_NR": n + 1,
        "ERFASST_AM": start - timedelta(days=10),
    }


def objection(family: Family, home: Home, start: date) -> Row:
    """Somebody objects to passing on what a doctor reported (§ 76(2) SGB X)."""
    return {
        "WIDERSPRUCH_ID": serial(family.number, 0, 0),
        "KDNR": home.in_jobcenter[0].jobcenter_id,
        "NORM": "§ 76 SGB X",
        "UMFANG": "GESUNDHEIT",
        "ERHOBEN_AM": start - timedelta(days=5),
    }


def opening(family: Family, start: date) -> TABLE_ROWS:
    """Everything the jobcenter has on file about a family when the story begins, consents apart."""
    if not family.model.jobcenter:
        return
    seen: set[int] = set()
    for home in family.homes:
        for p in home.in_jobcenter:
            if p.number not in seen:
                seen.add(p.number)
                yield "T_PERSON", person(p)
        yield from _household_rows(family, home, start)
    yield from _case_rows(family, family.homes[0], start)


def _household_rows(family: Family, home: Home, start: date) -> TABLE_ROWS:
    since = start - timedelta(days=90)
    yield "T_BG", household(family, home, start)
    at = 20 * (home.number % 2)
    for n, p in enumerate(home.in_jobcenter):
        yield "T_BG_MITGLIED", member(family, home, p, n, start)
        yield (
            "T_FALLZUSTAENDIGKEIT",
            assignment(family, home, p, at + n + 1, jobcenter_manager(home), since=since),
        )
    head = home.in_jobcenter[0]
    yield (
        "T_FALLZUSTAENDIGKEIT",
        assignment(family, home, head, at, by_letter(head.surname, "LST"), since=since),
    )
    if home.pairing_code:
        for n, p in enumerate(home.in_both):
            yield "T_PAARUNGSCODE", pairing(family, home, p, n, start)


def _case_rows(family: Family, home: Home, start: date) -> TABLE_ROWS:
    if family.model.measure:
        yield "T_MASSNAHME", measure(family, home, start)
        yield "T_KOOPPLAN", plan(family, home, start)
    if family.number % 3 == 0 or family.joint:
        yield "T_TERMIN", appointment(family, home, start + timedelta(days=8), "BER", index=0, n=0)
    if family.joint and family.number % 2 == 0:
        yield "T_TERMIN", appointment(family, home, start + timedelta(days=14), "DG", index=0, n=1)
    if family.model.sanction:
        yield "T_MINDERUNG", sanction(family, home, start)
    if family.model.kind == "special":
        yield "T_WIDERSPRUCH", objection(family, home, start)
