"""Which columns hold numbers of persons, as the configuration says it. Pure."""

from collections.abc import Iterator, Mapping

from connectors.pipeline.config.streams import EventMapping, Lookup, Stream
from connectors.pipeline.config.values import Value

Column = tuple[str, str]
"""A stream and a column of it."""


def person_columns(streams: Mapping[str, Stream], lookups: Mapping[str, Lookup]) -> frozenset[Column]:
    """The columns in which events find their persons, and those by which a lookup finds a person's rows."""
    found = {
        column
        for name, stream in streams.items()
        for event in stream.mapped
        for column in _of(name, event, lookups)
    }
    asked = {
        (name, by, lookups[lookup])
        for name, stream in streams.items()
        for lookup, by in (
            *((one.lookup, one.by) for one in stream.references),
            *((one.lookup, one.by) for one in stream.joined),
        )
        if lookup in lookups
    }
    while True:
        alike = [{(name, by), (lookup.stream, lookup.key)} for name, by, lookup in asked]
        more = {column for pair in alike if pair & found for column in pair} - found
        if not more:
            return frozenset(found)
        found |= more


def _of(name: str, event: EventMapping, lookups: Mapping[str, Lookup]) -> Iterator[Column]:
    if (subject := event.subject) is not None:
        if not subject.lookup:
            yield name, subject.by
        elif subject.lookup in lookups:
            yield lookups[subject.lookup].stream, subject.column
    named = [value for value in event.fields.values() if value.person]
    for value in (*named, *(value for fact, value in event.facts.items() if fact == "entrusted_by")):
        yield from _plain(name, value, lookups)


def _plain(name: str, value: Value, lookups: Mapping[str, Lookup]) -> Iterator[Column]:
    """The columns where the number stands as it is, and is no part of one."""
    changed = (value.join, value.pattern, value.codes, value.prefix, value.suffix, value.flags)
    if any(changed):
        return
    if value.joined is not None and value.joined.lookup in lookups:
        yield lookups[value.joined.lookup].stream, value.joined.column
    for column in value.columns if value.joined is None else ():
        yield name, column
