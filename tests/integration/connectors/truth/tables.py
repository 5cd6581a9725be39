"""Random tables of an agency and what is true of them: for each cell how an export may write it, and what it means."""

import random
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Literal

Form = Literal["text", "json", "typed"]
HELD: Any = "held"
COLUMNS = ("id", "teil", "nr", "akte", "name", "geb", "betrag", "vorl", "sprachen", "ab", "bezug")
NOBODY = "99999"
"""An id that no row has."""
SIGNS = "abcßäöüÄÖÜéç'-. ,"
WIDE = SIGNS + "łşğЖ中"
LANGUAGES = ("de", "tr", "uk", "ar-x", "ku")
FIRST = date(1905, 1, 1)


@dataclass(frozen=True)
class Cell:
    """`told`: as a typed source holds it; `text`, `json`: as others write it; `means`: HELD where it cannot be read."""

    told: Any
    text: str
    json: Any
    means: Any


@dataclass
class Row:
    """One row; `key` names it whatever happens to it."""

    key: tuple[str, str]
    cells: dict[str, Cell] = field(default_factory=dict)

    def means(self, contact: Any) -> Any:
        """Event type → payload, or HELD; `contact`: the name in the row to which this one refers."""
        said = {name: cell.means for name, cell in self.cells.items()} | {"bezug": contact}
        if HELD in [each for each in said.values() if isinstance(each, str)]:
            return HELD
        person = {"names": said["name"], "birth_date": said["geb"], "languages": said["sprachen"]}
        person["contact"] = said["bezug"]
        benefit = {"amount": said["betrag"], "provisional": said["vorl"]}
        return said["nr"], said["akte"], _there(person), _there(benefit)


def _there(payload: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in payload.items() if value is not None}


class Tables:
    """One agency's table over several deliveries. `wide`: its encoding has every character."""

    def __init__(self, seed: int, *, wide: bool) -> None:
        self.random, self.wide = random.Random(seed), wide  # noqa: S311  a test's own
        self.rows: dict[tuple[str, str], Row] = {}
        self.away: dict[tuple[str, str], Row] = {}
        self._next = 0
        for _ in range(self.random.randint(1, 9)):
            self._arrives()

    @property
    def truth(self) -> dict[tuple[str, str], Any]:
        """What every row means, or HELD; a row that refers to one that is not there is held."""
        found: dict[Any, Any] = {row.key[0]: row.cells["name"].means for row in self.rows.values()}
        found[None] = None
        return {key: row.means(found.get(row.cells["bezug"].means, HELD)) for key, row in self.rows.items()}

    @property
    def dangling(self) -> set[tuple[str, str]]:
        """Rows that are held for nothing but what they refer to."""
        held = {key for key, means in self.truth.items() if means is HELD}
        return {key for key in held if self.rows[key].means(None) is not HELD}

    def change(self) -> None:
        """The next delivery: rows change, go wrong, are corrected, vanish and return; one at least is always there."""
        for row in list(self.rows.values()):
            fate = self.random.random()
            if fate < 0.15 and len(self.rows) > 1:
                self.away[row.key] = self.rows.pop(row.key)
            elif fate < 0.45:
                name = self.random.choice(COLUMNS[2:])
                row.cells[name] = self._cell(name)
            elif fate < 0.6:
                row.cells |= {
                    name: self._cell(name) for name, cell in row.cells.items() if cell.means is HELD
                }
        for key in list(self.away):
            if self.random.random() < 0.4:
                self.rows[key] = self.away.pop(key)
        if self.random.random() < 0.4:
            self._arrives()

    def _arrives(self) -> None:
        self._next += 1
        row = Row((f"{self._next:05d}", self.random.choice(("A", "B"))))
        row.cells = {"id": _plain(row.key[0]), "teil": _plain(row.key[1])}
        row.cells |= {name: self._cell(name) for name in COLUMNS[2:]}
        self.rows[row.key] = row

    def _cell(self, name: str) -> Cell:
        make: Any = getattr(self, f"_{name}")
        cell: Cell = make()
        return cell

    def _nr(self) -> Cell:
        number = self.random.choice(
            (f"00{self.random.randint(1, 99)}", f"K{self.random.randint(1, 9)}", "4711")
        )
        strange = self.random.random()
        if strange < 0.06:
            return _bad(
                self.random.choice(("1,23E+11", "4711.0", "['P1']", "nan", "#WERT!", "b'4711'", "47\x0111"))
            )
        if strange < 0.16 and self.wide:
            written = self.random.choice(
                (f"{number[0]}\u200b{number[1:]}", f"\ufeff{number}", f"\u00a0{number} ")
            )
            return Cell(written, written, written, number)
        if strange < 0.22:
            written = self.random.choice((f'="{number}"', f"'{number}", f"  {number} "))
            return Cell(written, written, written, number)
        return _plain(number)

    def _akte(self) -> Cell:
        return _bad("12.0") if self.random.random() < 0.03 else _plain(f"F-{self.random.randint(1, 9)}/26")

    def _name(self) -> Cell:
        chance = self.random.random()
        if chance < 0.1:
            return Cell(None, "", None, None)
        if chance < 0.14:
            return _bad("Mül\x7fler")
        signs = WIDE if self.wide else SIGNS
        text = re.sub(" +", " ", "".join(self.random.choices(signs, k=self.random.randint(1, 30))))
        return Cell(text, text, text, text.strip() or None)

    def _geb(self) -> Cell:
        chance = self.random.random()
        if chance < 0.1:
            return Cell(None, "", None, None)
        if chance < 0.15:
            return Cell(date(9999, 12, 31), "31.12.9999", "31.12.9999", None)
        if chance < 0.22:
            day = self.random.choice((date(1, 1, 1), date(2031, 5, 5), date(1599, 1, 1)))
            return Cell(day, f"{day:%d.%m.}{day.year:04d}", f"{day:%d.%m.}{day.year:04d}", HELD)
        if chance < 0.28:
            text = self.random.choice(
                ("1.4.1990", "04/1990", "30.02.1990", "1990-04-01", "01.04.90", "24.13.1990")
            )
            return Cell(date(1, 1, 1), text, text, HELD)
        day = FIRST + timedelta(days=self.random.randint(0, 44_000))
        return Cell(day, f"{day:%d.%m.%Y}", f"{day:%d.%m.%Y}", day)

    def _betrag(self) -> Cell:
        chance = self.random.random()
        if chance < 0.1:
            return Cell(None, "", None, None)
        if chance < 0.16:
            return Cell(
                Decimal("12.345"), self.random.choice(("12.50", "1e5", "NaN", "1.23,4", "--5")), "x", HELD
            )
        amount = Decimal(self.random.randint(-1_000_000, 9_999_999)) / 100
        whole, cents = divmod(abs(int(amount * 100)), 100)
        grouped = f"{whole:,}".replace(",", ".") if self.random.random() < 0.5 else str(whole)
        text = f"{'-' if amount < 0 else ''}{grouped},{cents:02d}"
        return Cell(amount, text, text, amount)

    def _vorl(self) -> Cell:
        code = self.random.choices(("J", "N", "", "j?"), (5, 5, 1, 0.4))[0]
        return Cell(code or None, code, code or None, {"J": True, "N": False, "": None}.get(code, HELD))

    def _sprachen(self) -> Cell:
        some = self.random.sample(LANGUAGES, self.random.randint(0, 3))
        text = ",".join(some)
        return Cell(text or None, text, some or None, some or None)

    def _bezug(self) -> Cell:
        there = [key[0] for key in self.rows]
        number = self.random.choices((None, NOBODY, self.random.choice(there or [None])), (5, 1, 5))[0]
        return Cell(number, number or "", number, number)

    def _ab(self) -> Cell:
        if self.random.random() < 0.04:
            return Cell(None, "", None, HELD)
        day = date(2026, 1, 1) + timedelta(days=self.random.randint(0, 300))
        return Cell(day, f"{day:%d.%m.%Y}", f"{day:%d.%m.%Y}", day)


def _plain(text: str) -> Cell:
    return Cell(text, text, text, text)


def _bad(text: str) -> Cell:
    return Cell(text, text, text, HELD)
