"""Publishing under a number that is saved before producing and never used again for other content (protocol rule 2).

A record whose content did not change is not published again; one that became wider is, under the next number; after
a crash between producing and saving, or when it is asked for again, the same event id and number come with the same
content.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from connectors.pipeline.config.connector import ConnectorConfig
from connectors.pipeline.gate.judge import Judged
from connectors.pipeline.mapping.mapped import MappedEvent
from connectors.pipeline.publish.reported import EMPTIED, Reported
from connectors.pipeline.publish.seal import encoded, envelope, key_ref
from connectors.pipeline.state.state import Published, State
from hub.domain.consent import NARROWING
from hub.domain.identifiers import Naming
from hub.errors import KeyServiceUnavailable
from hub.failpoints import fail_point
from hub.ports import EventLog, Key, KeyRef, KeyStore, Outgoing
from schemas import topics


@dataclass(frozen=True, slots=True)
class Publication:
    """One record ready to be sent, and what state says of it."""

    judged: Judged
    entry: Published
    topic: str
    record: Outgoing = field(repr=False)


@dataclass(frozen=True, slots=True)
class Prepared:
    """What to send; `unchanged`, `oversize` and `older` events are not sent."""

    publications: tuple[Publication, ...]
    unchanged: tuple[MappedEvent, ...]
    oversize: tuple[MappedEvent, ...]
    older: tuple[MappedEvent, ...]


_FAULTS = (ArithmeticError, LookupError, RecursionError, TypeError, ValueError)
"""What the content of one event may raise; anything else is no event's fault."""


class Unfit:
    """Events of one batch that cannot be judged or sealed because of what they say: each holds its own row, and no
    other."""

    def __init__(self) -> None:
        self.events: list[MappedEvent] = []

    @property
    def places(self) -> frozenset[str]:
        """The rows that are held."""
        return frozenset(event.place for event in self.events)

    @contextmanager
    def taking(self, event: MappedEvent) -> Iterator[None]:
        """Whatever this event raises is kept with its place, never with the exception's text, which may hold values."""
        try:
            yield
        except _FAULTS:
            self.events.append(event)


class Publisher:
    """One agency's way to its topics."""

    def __init__(
        self, config: ConnectorConfig, key: Naming, keys: KeyStore, log: EventLog, state: State
    ) -> None:
        self._agency, self._domain, self._limit = config.agency, config.legal_domain, config.max_event_bytes
        self._key, self._keys, self._log, self._state = key, keys, log, state
        self._reported = Reported(state.db)
        self._topics = {name: topics()[name].of(config.agency) for name in ("consents", "events")}

    def prepare(
        self,
        judged: Sequence[Judged],
        now: int,
        newest: Mapping[str, int],
        *,
        again: bool = False,
        anew: Collection[str] = (),
        unfit: Unfit,
    ) -> Prepared:
        """Seal what is new or wider and give it its number; raises KeyServiceUnavailable (nothing is saved then).

        `newest`: subject → the version of its key that the hub has named; an older one seals nothing.
        `again`: also what did not change, under the number that it has; `anew`: places of rows of which all is said
        under a new number. A row of which an event is `unfit` or too large is held whole.
        """
        refs = {key_ref(self._agency, one.event) for one in judged if one.kept}
        named = {ref: newest[ref.subject] for ref in refs if ref.kind == "box" and ref.subject in newest}
        keys = self._keys.sealing(refs, named)
        _require_newest(keys, named)
        before = dict(self._state.published(one.event.record_ref for one in judged))
        out: list[Publication] = []
        unchanged, oversize, older = [], [], []
        for one in judged:
            with unfit.taking(one.event):
                key = keys[key_ref(self._agency, one.event)] if one.kept else None
                last = before.get(one.event.record_ref)
                entry = self._numbered(one, key, last, now, again=again, anew=one.event.place in anew)
                if entry is None:
                    unchanged.append(one.event)
                elif entry.publication < 1:
                    older.append(one.event)
                else:
                    publication = self._publication(one, key, entry)
                    if len(publication.record.value) > self._limit:
                        oversize.append(one.event)
                        continue
                    before[one.event.record_ref] = entry
                    out.append(publication)
        held = unfit.places.union(event.place for event in oversize)
        out = [one for one in out if one.judged.event.place not in held or _narrows(one.judged)]
        return Prepared(tuple(out), tuple(unchanged), tuple(oversize), tuple(older))

    def narrowing(self, judged: Sequence[Judged], *, again: bool = False) -> list[Judged]:
        """Those of these events, of which the gate keeps nothing, that must leave all the same: what was published of
        the record is corrected, taken back, or has come on hold, and counts no longer as it stands in the hub. `again`:
        also where the hub was told so before."""
        before = self._state.published(one.event.record_ref for one in judged)
        emptied = [
            one
            for one in judged
            if (one.taken_back or one.event.schema.event_type in EMPTIED)
            and (last := before.get(one.event.record_ref))
            and (last.kept or last.waiting or not last.sent)
        ]
        others = (one for one in judged if not (one.event.control or one.taken_back))
        found = [(one, before.get(one.event.record_ref)) for one in others]
        return [
            *emptied,
            *(
                replace(one, kept=one.would)
                for one, last in found
                if last and (_is_overtaken(one, last) or (again and _said_so(one, last)))
            ),
        ]

    def send(self, publications: Sequence[Publication]) -> None:
        """Save the numbers and which rows say them, produce control data first, and return once all is acknowledged.

        Both are saved before anything leaves: in the next life a row may say otherwise, or be gone, and its record
        stands in the log all the same.
        """
        if not publications:
            return
        with self._state.transaction():
            self._state.save_published(publication.entry for publication in publications)
            self._note(publication.judged.event for publication in publications)
        fail_point("connector.before_publish")
        for topic in self._topics.values():
            records = [publication.record for publication in publications if publication.topic == topic]
            if records:
                self._log.append(topic, records)
        fail_point("connector.after_publish")

    def confirm(self, prepared: Prepared) -> None:
        """Inside the caller's transaction: this is in the log, and of what stood there unchanged these rows say it."""
        self._state.save_published(one.entry._replace(sent=True) for one in prepared.publications)
        self._note(prepared.unchanged)

    def _note(self, events: Iterable[MappedEvent]) -> None:
        self._reported.note(events, self._agency, self._state.key_hash)

    def _publication(self, judged: Judged, key: Key | None, entry: Published) -> Publication:
        judged, event = _under(judged, entry.source_version), judged.event
        sealed = envelope(
            self._agency,
            self._domain,
            judged,
            key,
            version=entry.source_version,
            publication=entry.publication,
            recorded_at=entry.recorded_at,
        )
        name = event.subject_ref if event.control else event.case_ref
        topic = self._topics["consents" if event.control else "events"]
        return Publication(judged, entry, topic, Outgoing(name.encode(), encoded(sealed)))

    def _numbered(
        self, judged: Judged, key: Key | None, last: Published | None, now: int, *, again: bool, anew: bool
    ) -> Published | None:
        """The entry to publish under; None when nothing is new or wider; number 0 when the source went back."""
        event = judged.event
        whole = self._key.row_hash(_canonical(judged, key).encode())
        entry = Published(
            record_ref=event.record_ref,
            subject_ref=event.subject_ref,
            source_version=event.source_version,
            publication=1,
            whole=whole,
            kept=judged.kept,
            ground=judged.ground,
            recorded_at=now,
            sent=False,
            waiting=judged.waiting,
        )
        if last is None:
            return entry
        same, narrow = last.whole == whole, judged.kept <= last.kept and judged.ground <= last.ground
        waits = judged.waiting == last.waiting
        if same and narrow and waits and last.sent and not again and not anew:
            return None
        told = (judged.kept, judged.ground) == (last.kept, last.ground)
        if same and waits and told and (again or not last.sent) and not (anew and last.sent):
            return last
        if event.source_version > last.source_version:
            return entry
        if event.source_version < last.source_version and not same:
            return entry._replace(publication=0)
        return entry._replace(source_version=last.source_version, publication=last.publication + 1)


def _narrows(judged: Judged) -> bool:
    return not judged.kept or judged.event.schema.event_type in NARROWING


def _require_newest(keys: Mapping[KeyRef, Key], named: Mapping[KeyRef, int]) -> None:
    if any(keys[ref].version < version for ref, version in named.items()):
        raise KeyServiceUnavailable(
            "a key is not the one that the hub has named",
            place="keys",
            remedy="it is asked for again in seconds",
        )


def _is_overtaken(judged: Judged, last: Published) -> bool:
    """Whether the hub would go on showing what counts no longer: an older version, or a record without its hold."""
    if not last.kept and not last.waiting:
        return False
    newer = judged.event.source_version > last.source_version
    return newer or not judged.waiting <= last.kept | last.waiting


def _said_so(judged: Judged, last: Published) -> bool:
    """Whether the last publication was such a correction, and no erasure has emptied it."""
    return bool(last.whole) and (judged.would, judged.waiting) == (last.kept, last.waiting)


def _under(judged: Judged, version: int) -> Judged:
    """The event as it was said under this version: one that happened when its row was written happened then."""
    event = judged.event
    if event.source_version == version or event.occurred_at != event.source_version:
        return judged
    return replace(judged, event=replace(event, occurred_at=version))


def _canonical(judged: Judged, key: Key | None) -> str:
    """All that a publication says, what the gate withheld included, apart from version, number and ground."""
    event = judged.event
    occurred_at = None if event.occurred_at == event.source_version else event.occurred_at
    facts: tuple[Any, ...] = (
        event.schema.fingerprint,
        occurred_at,
        event.valid_from,
        event.valid_to,
        event.purposes,
        event.entrusted_by,
        event.source_203,
        judged.objected,
        event.task_class,
        event.connection,
        event.merges_with,
        event.endangers_help,
        event.disputed,
        event.addressee,
        event.case_ref,
        key.version if key else 0,
    )
    return repr((sorted(_plain(event.payload).items()), sorted(event.categories.items()), facts))


def _plain(payload: Mapping[str, Any]) -> Mapping[str, str]:
    return {name: repr(value) for name, value in payload.items()}
