"""When a person's last legal ground has ended, the keys go (protocol rules 4 and 5, promise 1).

The last ground has ended when no consent with this sender counts any more and no record stands on an attested norm.
The agency's box key of the person is destroyed; a later grant starts a new one, and the connector publishes the present
state again.
"""

from collections.abc import Iterable

from sqlalchemy import Connection

from hub.adapters.store import subjects
from hub.ports import KeyRef
from hub.stages.knowledge import Knowledge, learn
from hub.stages.parts import Parts
from projections.joint_case.queries import has_norm_ground


def end_grounds(parts: Parts, keys: Iterable[str]) -> int:
    """Destroy the box keys of those of these subjects that have no ground left. Returns how many were destroyed.

    Decided under the epoch lock and destroyed there, so that a grant that arrives meanwhile waits and finds a new key.
    """
    with parts.store.transaction() as connection:
        known = learn(connection, parts.keys, parts.knowledge, keys, lock=True)
        ended = [key for key, knowledge in known.items() if _ended(connection, parts, key, knowledge)]
        for key in ended:
            controller, ref = key.split(":", 1)
            parts.keys.destroy(KeyRef("box", controller, ref))
    return len(ended)


def _ended(connection: Connection, parts: Parts, key: str, knowledge: Knowledge) -> bool:
    mine = [consent for consent in knowledge.consents if consent.sender == key.split(":", 1)[0]]
    if not mine or any(consent.in_force(parts.clock.now()) for consent in mine):
        return False
    return not has_norm_ground(connection, subjects.live_generation(connection, "joint_case"), key)
