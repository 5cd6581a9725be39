"""When a person's last legal ground has ended, the keys go (protocol rules 4 and 5, promise 1).

The last ground has ended when no consent with this sender counts any more and no record stands on an attested norm.
The agency's box key of the person is destroyed; a later grant starts a new one, and the connector publishes the present
state again.
"""

from collections.abc import Iterable, Iterator
from itertools import chain

from sqlalchemy import Connection

from hub.adapters.store import subjects
from hub.ports import KeyRef
from hub.stages.knowledge import Knowledge
from hub.stages.learning import learn
from hub.stages.parts import Parts
from hub.stages.view_record import subject_at
from projections.joint_case.queries import has_norm_ground


def end_grounds(parts: Parts) -> int:
    """Destroy the keys of those marked persons who have no ground left, under all their names: a consent may have been
    signed at one agency for the data of another. Returns how many had none.

    Decided under the epoch lock and destroyed there, so that a grant that arrives meanwhile waits and finds a new key.
    """
    with parts.store.transaction() as connection:
        marked = subjects.endings(connection)
        if not marked:
            return 0
        same = subjects.aliases(
            connection, set(subjects.persons(connection, [key for key, _ in marked]).values())
        )
        known = learn(connection, parts.keys, parts.knowledge, chain.from_iterable(same.values()), lock=True)
        ended = [key for key, knowledge in known.items() if _ended(connection, parts, key, knowledge)]
        for key in ended:
            person = known[key].person
            for ref in _refs(parts, key, person, same.get(person, ())):
                parts.keys.destroy(ref)
        subjects.clear_endings(connection, marked)
    return len(ended)


def _refs(parts: Parts, key: str, person: str, same: Iterable[str]) -> Iterator[KeyRef]:
    """The key of the boxes, and those under which others were shown what was in them."""
    sender, subject = key.split(":", 1)
    yield KeyRef("box", sender, subject)
    for recipient in sorted(parts.agencies.keys() - {sender}):
        yield KeyRef("view", recipient, subject_at(parts.secret, recipient, person, same), sender)


def _ended(connection: Connection, parts: Parts, key: str, knowledge: Knowledge) -> bool:
    now = parts.clock.now()
    mine = [consent for consent in knowledge.consents_at(now) if consent.sender == key.split(":", 1)[0]]
    if not mine or any(consent.in_force(now) for consent in mine):
        return False
    return not has_norm_ground(connection, subjects.live_generation(connection, "joint_case"), key)
