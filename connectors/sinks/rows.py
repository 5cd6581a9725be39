"""A view → the rows of the staging table. Pure, apart from the keys and pseudonyms it is given."""

from collections.abc import Iterator, Mapping
from typing import Any

import orjson
from cryptography.exceptions import InvalidTag

from connectors.runtime.pseudonyms import Local
from hub.domain.seal import key_version, open_box, place
from hub.ports import Erased, Fenced, Key, KeyRef
from schemas import record_schema

View = Mapping[str, Any]
Answers = Mapping[tuple[KeyRef, int], Key | Erased | Fenced]


def wanted_keys(view: View) -> set[tuple[KeyRef, int]]:
    """The keys that this view's parts are sealed with."""
    return {(_ref(view, part), key_version(part["box"])) for part in view["parts"]}


def rows(view: View, keys: Answers, local: Mapping[str, Local]) -> Iterator[dict[str, Any]]:
    """One row per field; of a part whose key is destroyed nothing is shown."""
    for part in view["parts"]:
        key = keys.get((_ref(view, part), key_version(part["box"])))
        content = _opened(view, part, key) if isinstance(key, Key) else None
        if content is not None:
            yield from _part_rows(view, part, content, local)


def refs(view: View) -> set[str]:
    """Every pseudonym in it."""
    return {view["case_ref"], *(part["subject_ref"] for part in view["parts"])}


def _ref(view: View, part: Mapping[str, Any]) -> KeyRef:
    return KeyRef("view", view["recipient"], part["subject_ref"], part["sender"])


def _opened(view: View, part: Mapping[str, Any], key: Key) -> Mapping[str, Any] | None:
    fingerprint = record_schema("view").fingerprint
    bound = place("view", fingerprint, view["view_id"], part["subject_ref"], part["sender"], key.version)
    try:
        found = orjson.loads(open_box(key.cipher, part["box"], bound))
    except (InvalidTag, orjson.JSONDecodeError):
        return None
    return found if isinstance(found, dict) else None


def _part_rows(
    view: View, part: Mapping[str, Any], content: Mapping[str, Any], local: Mapping[str, Local]
) -> Iterator[dict[str, Any]]:
    common = {
        "fall": _local(local, view["case_ref"]), "fall_ref": view["case_ref"], "rolle": view["role"],
        "fachkraft": view["worker"] or "", "person": _local(local, part["subject_ref"]),
        "person_ref": part["subject_ref"], "absender": part["sender"], "stand": view["as_of"],
        "gilt_bis": view["not_after"],
    }  # fmt: skip
    for entry in content.get("entries", ()):
        head = {
            "ereignis": entry["type"],
            "eintrag": str(entry["id"]),
            "zeitpunkt": str(entry["occurred_at"]),
        }
        for name, value in entry["fields"].items():
            marked = name in entry.get("marked", ())
            yield common | head | {"feld": name, "wert": _text(value), "bestritten": marked}
    for category in content.get("withheld", ()):
        head = {"ereignis": "", "eintrag": "", "zeitpunkt": "", "bestritten": False}
        yield common | head | {"feld": category, "wert": None}


def _local(local: Mapping[str, Local], ref: str) -> str | None:
    found = local.get(ref)
    return found.local_id if found else None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()
