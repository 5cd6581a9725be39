"""What binds a box of a view to its place, for the hub that seals it and the sink and auditor that open it. Pure."""

from collections.abc import Mapping
from typing import Any

from hub.domain.seal import place


def bound(schema: bytes, view: Mapping[str, Any], part: Mapping[str, Any], key_version: int) -> bytes:
    """The associated data of one box. A piece of a long view is bound to its number and to the version as well, so that
    no two versions are mixed."""
    where = place("view", schema, view["view_id"], part["subject_ref"], part["sender"], key_version)
    if "part_count" not in view:
        return where
    numbers = (view["generation"], view["version"], view["part"], view["part_count"])
    return b"|".join((where, *(b"%d" % number for number in numbers)))
