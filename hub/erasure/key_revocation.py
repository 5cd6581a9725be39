"""When a person's last legal ground has ended, the keys go (protocol rules 4 and 5, promise 1).

The last ground has ended when no consent with this sender counts any more and no record stands on an attested norm.
The agency's box key of the person is destroyed, and the dark rows go right after it; a later grant starts a new key,
and the connector publishes the present state again.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import chain

from sqlalchemy import Connection

from hub.erasure.purge import destroy_keys, newest_box, purge
from hub.isolation import isolated
from hub.parts import Parts
from hub.store import erasures, subjects
from hub.subjects.consent_barrier import is_open
from hub.subjects.knowledge import Knowledge
from hub.subjects.learning import learn
from projections.joint_case.queries import has_norm_ground

_STAGE = "grounds_end"


def end_grounds(parts: Parts) -> int:
    """Destroy the keys of those marked persons who have no ground left, under all their names: a consent may have been
    signed at one agency for the data of another. Returns how many had none. A person of whom this cannot be said waits
    alone.

    Nothing is decided while consents are behind: a restored hub that reads them anew meets a withdrawal before the
    later grant whose key is in use. Nothing is shown meanwhile, and the marks stay until the next round.

    Decided under the epoch lock and destroyed there, so that a grant that arrives meanwhile waits and finds a new key.
    """
    if not is_open(parts):
        return 0
    with parts.store.transaction() as connection:
        marked = subjects.endings(connection)
    return sum(
        isolated(parts, _STAGE, marked, partial(_end, parts), lambda mark: mark[0], lambda mark: mark[1])
    )


def _end(parts: Parts, marked: Sequence[tuple[str, int]]) -> int:
    with parts.store.transaction() as connection:
        same = subjects.aliases(
            connection, set(subjects.persons(connection, [key for key, _ in marked]).values())
        )
        known = learn(connection, parts.keys, parts.knowledge, chain.from_iterable(same.values()), lock=True)
        ended = [key for key, knowledge in known.items() if _ended(connection, parts, key, knowledge)]
        versions = {key: _destroy(parts, key, known[key].person, same) for key in ended}
        erasures.mark_gone(connection, "box", versions)
        subjects.clear_endings(connection, marked)
    purge(parts, versions)
    return len(ended)


def _destroy(parts: Parts, key: str, person: str, same: Mapping[str, Sequence[str]]) -> int:
    """The newest version of the boxes' key that is gone now."""
    return newest_box(destroy_keys(parts, key, (person,), same.get(person, ())))


def _ended(connection: Connection, parts: Parts, key: str, knowledge: Knowledge) -> bool:
    now = parts.clock.now()
    mine = [consent for consent in knowledge.consents_at(now) if consent.sender == key.split(":", 1)[0]]
    if not mine or any(consent.lets_anything(now) for consent in mine):
        return False
    return not has_norm_ground(connection, subjects.live_generation(connection, "joint_case"), key)
