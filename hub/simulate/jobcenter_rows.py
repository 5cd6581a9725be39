"""What the jobcenter's system holds of a family, in its own tables, columns and codes. Pure."""

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from decimal import Decimal

from hub.simulate.changes import OPEN_END, Row, serial
from hub.simulate.consents import WORDS, Consent, Withdrawal
from hub.simulate.names import load_names
from hub.simulate.staff import JOBCENTER_STAFF, by_letter, jobcenter_manager
from hub.simulate.world import Family, Home, Person

LANGUAGE = {"de": "DEU", "tr": "TUR", "bg": "BUL"}
NATIONALITY = {"de": "000", "tr": "163", "bg": "125"}
CENT = Decimal("0.01")
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
        "SPRACHE": LANGUAGE[p.origin],
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
        yield "T_SACHBEARBEITER", {
            "SB_ID": w.id, "NAME": w.surname, "VORNAME": w.given_name, "FUNKTION": w.function,
            "TELEFON": w.phone, "EMAIL": w.email, "SPRACHEN": w.languages,
        }  # fmt: skip
        yield "T_ZUSTAENDIGKEIT", {
            "ZUST_ID": n, "SB_ID": w.id, "FUNKTION": w.function, "BUCHSTABE_VON": w.scope[0],
            "BUCHSTABE_BIS": w.scope[-1], "GUELTIG_VON": date(2026, 1, 1), "GUELTIG_BIS": OPEN_END,
        }  # fmt: skip


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


def consent(c: Consent) -> Row:
    return {
        "EINW_NR": consent_number(c),
        "KDNR": c.subject.jobcenter_id,
        "BG_NR": c.home.bg_number,
        "UNTERZEICHNER": tuple(str(p.jobcenter_id) for p in c.signers),
        "ABSENDER": c.sender,
        "EMPFAENGER": (c.recipient,),
        "EMPF_MITARBEITER": c.workers,
        "ZWECKE": tuple(WORDS[p].upper() for p in c.purposes),
        "KATEGORIEN": tuple(WORDS[k].upper() for k in c.categories),
        "FORM": {"written": "S", "electronic": "E", "oral": "M"}[c.form],
        "AUSDR_BESONDERE": c.explicit_special,
        "HINW_ZWECK": "purpose" in c.notices,
        "HINW_FOLGEN": "refusal" in c.notices,
        "HINW_WIDERRUF": "withdrawal" in c.notices,
        "TEXTFASSUNG": c.text_version,
        "NACHWEIS": c.proof_hash,
        "ERTEILT_AM": c.granted_at,
        "GUELTIG_BIS": c.valid_until,
        "SPRACHE": LANGUAGE[c.subject.origin],
    }


def consent_number(c: Consent) -> str:
    return f"E{c.number:08d}"


def withdrawal(w: Withdrawal) -> Row:
    return {
        "WIDERRUF_NR": f"W{w.consent.number:08d}",
        "EINW_NR": consent_number(w.consent),
        "WIDERRUFEN_AM": w.withdrawn_at,
        "UMFANG": "TEIL" if w.categories else "GESAMT",
        "KATEGORIEN": tuple(WORDS[k].upper() for k in w.categories),
        "ZWECKE": (),
        "EMPFAENGER": (),
        "GRUND": "01",
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


def payments(family: Family, month: date) -> Iterator[Row]:
    """Three lines per person and month, in advance: standard need, rent, one more (§§ 20-22, 28 SGB II)."""
    paid: set[int] = set()
    for home in family.homes:
        people = home.in_jobcenter
        for p in people:
            if p.number not in paid:
                paid.add(p.number)
                yield from _lines(family, home, p, len(people), month)


def _lines(family: Family, home: Home, p: Person, heads: int, month: date) -> Iterator[Row]:
    need = standard_need(p, home, month)
    rent = Decimal(412 + 95 * heads + family.number % 60) / heads
    extra_code, extra = _extra(family, p, need, heads, month)
    lines = (("0100", need), ("0200", rent), (extra_code, extra))
    for n, (code, amount) in enumerate(lines):
        yield {
            "LEISTUNG_ID": month.year * 10**11 + month.month * 10**9 + p.number * 4 + n,
            "BG_NR": home.bg_number,
            "KDNR": p.jobcenter_id,
            "MONAT": f"{month:%Y%m}",
            "LEISTUNGSART": code,
            "BETRAG": amount.quantize(CENT),
            "ZEITRAUM_VON": month.replace(month=1, day=1),
            "ZEITRAUM_BIS": month.replace(month=12, day=31),
            "VORLAEUFIG": family.number % 7 == 3,
        }


def standard_need(p: Person, home: Home, day: date) -> Decimal:
    """The Regelbedarf of 2026 by age and place in the household, in euros."""
    age = p.age_on(day)
    if p.role != "child":
        adults = sum(1 for other in home.in_jobcenter if other.role != "child")
        return Decimal(563 if adults == 1 else 506).quantize(CENT)
    steps = ((18, 451), (14, 471), (6, 390), (0, 357))
    return Decimal(next((amount for from_age, amount in steps if age >= from_age), 357)).quantize(CENT)


def _extra(family: Family, p: Person, need: Decimal, heads: int, day: date) -> tuple[str, Decimal]:
    if family.model.need and p.number == family.persons[0].number:
        share = {"0320": "0.17", "0330": "0.36", "0340": "0.35", "0350": "0.10"}[family.model.need]
        return family.model.need, need * Decimal(share)
    if p.role == "child" and 6 <= p.age_on(day) <= 17 and p.number % 2:
        return "0520", Decimal("59.80")
    return "0210", Decimal(38 + 22 * heads) / heads


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
