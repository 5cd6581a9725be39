"""The same records once more, byte by byte, as a connector publishes them that died before it saved its state."""

from collections.abc import Iterator, Sequence

from hub.domain.envelope import Envelope
from hub.ports import EventLog, Outgoing, Record
from hub.rehearse.scene import Scene
from schemas import decode_single, topics


def redeliver(scene: Scene, names: Sequence[str]) -> None:
    """Append every publication of the records (and consents) that the story calls so; what never left stays away."""
    for agency, office in scene.offices.items():
        wanted = {ref for name in names for ref in office.refs(name)}
        for kind in ("consents", "events") if wanted else ():
            topic = topics()[kind].of(agency)
            again = [
                Outgoing(record.key, record.value)
                for record in _records(scene.parts.log, topic)
                if _ref(record) in wanted
            ]
            scene.parts.log.append(topic, again)


def _records(log: EventLog, topic: str) -> Iterator[Record]:
    state = log.state([topic])[topic]
    following = dict(state.first)
    while batch := log.read(topic, following, 1000):
        yield from batch
        following.update({record.partition: record.offset + 1 for record in batch})


def _ref(record: Record) -> bytes:
    return Envelope(**decode_single(record.value)[1]).record_ref
