"""Whether a mapped event stays within `schemas.limits`. Pure.

Checked before anything is judged, sealed or sent, so an event that some later table, index or record could not take is
held with its row at the agency, where it can be corrected.
"""

from collections.abc import Iterable, Iterator

from connectors.pipeline.mapping.mapped import MappedEvent
from hub.domain.clock import micros
from hub.errors import DataError
from schemas import limits

_FIRST, _LAST = micros(limits.FIRST_MAPPED), micros(limits.LAST_MAPPED)
_LONG = 1 << 63


def within_limits(event: MappedEvent) -> MappedEvent:
    """The same event; raises DataError `beyond_limits` whose place is the field, never its value."""
    if found := limits.payload_problem(event.payload):
        raise _beyond(*found)
    for place, kind, names in _names(event):
        for name in names:
            if problem := limits.name_problem(name, kind):
                raise _beyond(place, problem)
    for place, at in _times(event):
        if at is not None and not _FIRST <= at < _LAST:
            raise _beyond(place, f"lies outside of the years {_years()}")
    if not 0 <= event.source_version < _LONG:
        raise _beyond("version", "is no number of 64 bits")
    return event


def _names(event: MappedEvent) -> Iterator[tuple[str, str, Iterable[str]]]:
    """Where it stands, the kind of its limit, and the identifiers there."""
    yield "subject", "local id", (event.subject_id,)
    yield "case", "local id", (event.case_id,)
    yield "person", "local id", event.mentioned.values()
    for place, text in (
        ("norm", event.norm), ("task_norm", event.task_norm), ("attested_by", event.attested_by),
        ("entrusted_by", event.entrusted_by), ("task_class", event.task_class), ("merges_with", event.merges_with),
        ("addressee", event.addressee),
    ):  # fmt: skip
        yield place, limits.ENVELOPE[place], () if text is None else (text,)
    for place, texts in (
        ("purposes", event.purposes), ("consents", event.named or ()), ("disputed", event.disputed)
    ):  # fmt: skip
        yield place, limits.ENVELOPE[place], texts


def _times(event: MappedEvent) -> Iterator[tuple[str, int | None]]:
    yield "occurred_at", event.occurred_at
    yield "valid_from", event.valid_from
    yield "valid_to", event.valid_to
    for name in event.schema.fields:
        if event.schema.fields[name].kind == "timestamp-micros" and name in event.payload:
            yield name, micros(event.payload[name])


def _years() -> str:
    return f"{limits.FIRST_MAPPED.year} to {limits.LAST_MAPPED.year - 1}"


def _beyond(place: str, problem: str) -> DataError:
    return DataError(
        problem,
        reason="beyond_limits",
        place=place,
        remedy=f"it {problem}: correct the record, or its mapping",
    )
