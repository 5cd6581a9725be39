"""The invented names, streets and providers of Seestadt, kept as CSV beside this module."""

import csv
from collections import defaultdict
from dataclasses import dataclass
from functools import cache
from importlib.resources import files


def _rows(name: str) -> list[dict[str, str]]:
    text = files("hub.dev.simulate").joinpath("data", name).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


@dataclass(frozen=True, kw_only=True)
class Names:
    """Word lists to draw from. Keys: origin (`de`, `tr`, `bg`) and sex (`f`, `m`)."""

    surnames: dict[str, list[str]]
    given: dict[tuple[str, str], list[str]]
    places: list[tuple[str, str, str]]
    providers: dict[str, list[tuple[str, str]]]


@cache
def load_names() -> Names:
    """Read the lists once. They hold only characters of cp1252, as the youth office's export does."""
    surnames: dict[str, list[str]] = defaultdict(list)
    given: dict[tuple[str, str], list[str]] = defaultdict(list)
    providers: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for row in _rows("surnames.csv"):
        surnames[row["origin"]].append(row["surname"])
    for row in _rows("given_names.csv"):
        given[row["origin"], row["sex"]].append(row["given_name"])
    for row in _rows("providers.csv"):
        providers[row["kind"]].append((row["code"], row["name"]))
    places = [(row["district"], row["postcode"], row["street"]) for row in _rows("places.csv")]
    return Names(surnames=dict(surnames), given=dict(given), places=places, providers=dict(providers))
