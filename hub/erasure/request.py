"""An erasure asked for at the hub: the same event that an agency's connector may publish, in the hub's own hand."""

import secrets

from hub.erasure.completion import who_is
from hub.erasure.erase import case_of
from hub.erasure.events import REQUESTED, named, say
from hub.errors import NoInput
from hub.parts import Parts
from hub.store import subjects


def request_erasure(parts: Parts, subject: str, norm: str, *, everywhere: bool = False) -> list[str]:
    """Publish the request and return its id (`everywhere`: one for each name that any agency has of this person).

    Raises NoInput when the hub knows nobody of this name. Nothing is erased yet when it returns: the hub's worker
    executes the request as soon as all consents are read.
    """
    with parts.store.transaction() as connection:
        if subject.split(":", 1)[0] not in parts.agencies or not subjects.cases_of_subject(
            connection, subject
        ):
            raise NoInput("the hub knows nobody of this name", place="subject", remedy="name it AGENCY:REF")
        names = who_is(connection, subject).same if everywhere else (subject,)
        cases = {name: case_of(connection, name) for name in names}
    return [_request(parts, name, case_ref, norm) for name, case_ref in cases.items()]


def _request(parts: Parts, subject: str, case_ref: str, norm: str) -> str:
    once = secrets.token_hex(16)
    event_id = named(parts.secret, REQUESTED, subject, once)
    say(
        parts,
        REQUESTED,
        subject,
        case_ref,
        {"norm": norm, "scope": None, "key_ids": None},
        record_ref=named(parts.secret, "record", subject, once),
        event_id=event_id,
        at=parts.clock.now(),
    )
    return event_id.hex()
