"""A record that nobody can read is set aside with what follows it; others go on (protocol rules 15 and 16)."""

from datetime import timedelta

from sqlalchemy import select

from hub.parts import CASES
from hub.ports import Outgoing
from hub.store import tables
from projections.consent_register.tables import consent_row
from tests.support.publisher import START
from tests.support.stories import Families
from tests.support.workers import Rig

POISON = b"\xc3\x01 no such schema at all"


def quarantined(rig: Rig) -> dict[str, str]:
    """stage → reason of everything in quarantine."""
    q = tables.quarantine.c
    with rig.parts.store.transaction() as connection:
        return {row.stage: row.reason for row in connection.execute(select(q.stage, q.reason))}


def parked(rig: Rig) -> dict[str, int]:
    p = tables.parked.c
    with rig.parts.store.transaction() as connection:
        stages = [row.stage for row in connection.execute(select(p.stage))]
    return {stage: stages.count(stage) for stage in sorted(set(stages))}


def test_poison_on_every_topic(hub_rig: Rig) -> None:
    families = Families(hub_rig, 3)
    families.meet()
    families.go_on()
    worker = hub_rig.start("all")
    hub_rig.until(lambda: set(hub_rig.versions()) == families.told, "the healthy start")
    office, (consents, events, cases) = families.jobcenter, families.names

    office.raw("consents", office.person_key(consents), POISON)
    office.raw("events", office.case_key(events), POISON)
    office.raw("receipts", office.case_key(events), POISON)
    office.flush()
    hub_rig.parts.log.append(CASES, [Outgoing(office.case_key(cases).encode(), POISON)])
    hub_rig.until(lambda: len(quarantined(hub_rig)) == 4, "four records in quarantine")

    before = set(families.told)
    families.go_on()
    for name in families.names:
        office.person(name, name, at=START + timedelta(days=2))
    office.flush()
    families.say_more()
    hub_rig.until_quiet()
    assert quarantined(hub_rig).keys() == {"consents", "admit", "receipts", "project"}
    assert parked(hub_rig) == {"admit": 1, "consents": 1, "project": 1}
    w = consent_row.c.event_type == "ConsentWithdrawn"
    assert hub_rig.count(consent_row, w) == len(families.names), "a withdrawal waits behind nothing"
    arrived = set(hub_rig.versions()) - before
    assert len(arrived) == 1, "events of the two families with poison wait, those of the third go on"
    assert worker.process.poll() is None
