"""The abuse cases as stories: each is an attack on a fresh hub, and an AssertionError says that it succeeded.

The numbers are those of the privacy page. `tests/abuse/controls.py` switches off what stops each of them.
"""

import base64
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import delete

from hub.adapters.keys.sql import SqlKeyStore
from hub.domain.seal import key_version, open_box, place
from hub.errors import ConfigurationError, KeysAreOlder
from hub.failpoints import observed
from hub.operations.recover import resume
from hub.policy.facts import Recipient
from hub.ports import Erased, Key, KeyRef
from hub.stages import consents
from hub.store.tables import position
from hub.views.opening import open_view
from hub.views.record import VIEW
from projections.consent_register.tables import consent_row
from tests.support.world import CHILD, FAMILY, JA, JC, MASTER, MOTHER, World

CANARY = "Kanarienvogel"
Case = Callable[[World], None]


def shown(world: World) -> list[int]:
    """How many parts each view has that was ever sent to the youth office's social service."""
    return [len(view.parts) for view in world.views(JA, "ja_asd")]


def taken(world: World, agency: str = JC) -> None:
    """The consents worker takes what is there, and nobody else runs."""
    topic = f"agency.{agency}.consents"
    consents.take_consents(world.parts, world.parts.log.state([topic])[topic].topic_id, world.records(topic))


# --- 2 curious insider ----------------------------------------------------------------------------------------------


def a_worker_opens_a_family_that_is_not_theirs(world: World) -> None:
    world.shared()
    curious = Recipient(
        controller=JA, kind="youth_welfare", role="ja_asd", worker="w9", assigned=False, undertaking=False
    )
    opened = open_view(world.parts, world.ja.case_key(FAMILY), curious, "joint_case_management")
    assert opened.redacted.parts == ()
    assert [row["worker"] for row in world.rows("retrieval")] == ["w9"]


# --- 3 stale consent race -------------------------------------------------------------------------------------------


def a_view_is_on_its_way_when_the_consent_is_withdrawn(world: World) -> None:
    world.know_family()
    world.jc.grants("c1", MOTHER, ["EG"])
    world.measure()

    still = iter([True])

    def withdraw(name: str) -> None:
        if name == "disclose.between" and next(still, False):
            world.jc.withdraws("c1", MOTHER)
            taken(world)

    with observed(withdraw):
        world.run()
    assert sum(shown(world)) == 0


def what_was_known_of_a_person_is_out_of_date(world: World) -> None:
    """A worker's memory was filled before the withdrawal; another worker took it."""
    world.shared()
    world.jc.grants("c9", MOTHER, ["LM"])  # another ground: the key stays, and only the decision is between
    world.run()
    world.wait(minutes=1)
    world.jc.withdraws("c1", MOTHER)
    taken(world)
    assert [part.sender for part in world.open(JA, "ja_asd").redacted.parts] == [JA]


# --- 4 replay after withdrawal --------------------------------------------------------------------------------------


def everything_is_read_again_after_a_withdrawal(world: World) -> None:
    """The stages' positions are lost, and the connector sends all once more; another consent keeps the key alive."""
    world.shared()
    world.jc.grants("c9", MOTHER, ["LM"])
    world.wait(minutes=1)
    world.jc.withdraws("c1", MOTHER)
    world.run()
    before = len(world.views(JA, "ja_asd"))
    for number in range(len(world.jc.sent)):
        world.jc.repeat(number)
    with world.parts.store.transaction() as connection:
        connection.execute(delete(position))
    world.measure(key="more")
    world.run()
    assert shown(world)[-1] == 0
    assert sum(shown(world)[before:]) == 0


def the_withdrawal_itself_is_lost(world: World) -> None:
    """Somebody takes the withdrawal out of the register and has the consents read again without it."""
    world.shared()
    world.wait(minutes=1)
    world.jc.withdraws("c1", MOTHER)
    world.run()
    before = len(world.views(JA, "ja_asd"))
    with world.parts.store.transaction() as connection:
        connection.execute(delete(consent_row).where(consent_row.c.event_type == "ConsentWithdrawn"))
    world.parts.knowledge.clear()
    world.jc.grants("c9", MOTHER, ["LM"])  # raises the epochs: everything is looked at again
    world.run()
    assert shown(world)[before:] == []


# --- 7 and 8 what is set aside, said and printed --------------------------------------------------------------------


def a_canary_flies_through_every_failure(world: World) -> None:
    """Content where none belongs, in every way that a stage refuses; then everything that machinery keeps is read."""
    world.shared()
    topic = f"agency.{JC}.events"
    good = world.jc.draft("MeasureStarted", MOTHER, {"norm": "16d", "provider": CANARY}, consents=["c1"])
    raw = orjson.dumps({"provider": CANARY})
    world.jc.send(good, kind="events", key="undecodable", value=raw)
    for key, change in {
        "controller": {"controller_id": CANARY},
        "type": {"event_type": CANARY},
        "field": {"fields": {**good.fields, CANARY: "EG"}},
        "name": {"consents": [f"{CANARY}\n"]},
        "box": {"boxes": {"EG": raw}},
        "key": {"case_ref": CANARY},
    }.items():
        world.jc.send(good._replace(**change), kind="events", key=f"{CANARY} {key}")  # type: ignore[arg-type]
    world.jc.send(good, kind="consents", key=CANARY)
    world.parts.log.append(f"agency.{JC}.receipts", [world.jc.sent[-1][1]])
    world.run()
    assert len(world.rows("quarantine")) >= 6
    kept = ("quarantine", "parked", "held", "decision", "dirty", "ending")
    found = {
        name: str([{k: v for k, v in row.items() if k != "value"} for row in world.rows(name)])
        for name in kept
    }
    found["outcomes"] = str(world.outcomes)
    assert [where for where, said in found.items() if CANARY in said] == []
    assert CANARY in str(world.records(topic)[-1].key)


def everything_that_is_opened_is_printed(world: World) -> None:
    """A traceback or a log prints what is at hand: the values through which opened content passes show none of it."""
    world.know_family()
    world.jc.grants("c1", MOTHER, ["EG"], by=[MOTHER])
    world.measure(provider=CANARY)
    world.run()
    opened = world.open(JA, "ja_asd")
    assert opened.file is not None
    assert CANARY in str(opened.redacted.parts[0].entries[0].fields)
    assert CANARY not in repr(opened)
    assert "1990" not in repr([replace(one, verdicts={}) for one in opened.file.known.values()])


# --- 9 backup resurrects, 10 key loss -------------------------------------------------------------------------------


def a_backup_brings_a_key_back(world: World) -> None:
    """Store, log and keys are put back as they were before the withdrawal; the ledger was kept apart."""
    world.shared()
    backup = world.data / "backup"
    backup.mkdir()
    _copy(world.data, backup)
    world.wait(minutes=1)
    world.jc.withdraws("c1", MOTHER)
    world.run()
    world.close()
    _copy(backup, world.data)
    assert _starts(world) is False
    keys = SqlKeyStore(
        f"sqlite:///{world.data}/keys.sqlite", base64.b64decode(MASTER), journal=world.data / "ledger"
    )
    keys.replay(())
    keys.close()
    again = World.at(world.data, now=world.clock.now())
    resume(again.parts)
    before = len(shown(again))
    again.wait(hours=1)
    again.run()
    opened = [part.sender for part in again.open(JA, "ja_asd").redacted.parts]
    after, mine = shown(again)[before:], (KeyRef("box", JC, again.jc.ref(MOTHER)), 1)
    key = again.parts.keys.opening([mine])[mine]
    again.close()
    assert isinstance(key, Erased)
    assert opened == [JA]
    assert sum(after) == 0


def the_hub_starts_with_another_key(world: World) -> None:
    """The right key is lost or mixed up: nothing starts, instead of sealing under a key that opens nothing."""
    world.shared()
    world.close()
    assert _starts(world, kek=base64.b64encode(bytes(32)).decode()) is False
    again = World.at(world.data, now=world.clock.now())
    assert len(again.open(JA, "ja_asd").redacted.parts) == 2
    again.close()


# --- 11 cross-tenant bleed ------------------------------------------------------------------------------------------


def a_box_is_moved_to_another_record(world: World) -> None:
    """Same person, same category, same key: only what the box is bound to tells."""
    world.know_family()
    world.jc.grants("c1", MOTHER, ["EG"])
    one = world.jc.draft("MeasureStarted", MOTHER, {"norm": "16d"}, key="one", consents=["c1"])
    other = world.jc.draft("MeasureStarted", MOTHER, {"norm": CANARY}, key="other", consents=["c1"])
    world.jc.send(one._replace(boxes=other.boxes))
    world.run()
    assert sum(shown(world)) == 0
    assert [row["reason"] for row in world.rows("quarantine")] == ["unsealed"]


def one_tenant_opens_what_is_anothers(world: World) -> None:
    """Every view with every view key of the other agency, and with the box keys of every person."""
    world.shared()
    views = {agency: world.views(agency) for agency in (JC, JA)}
    refs = {
        KeyRef("view", view["recipient"], part["subject_ref"], part["sender"])
        for of in views.values()
        for one in of
        for view in (one.view,)
        for part in view["parts"]
    }
    refs |= {
        KeyRef("box", office.id, office.ref(n)) for office in (world.jc, world.ja) for n in (MOTHER, CHILD)
    }
    opened = 0
    for of in views.values():
        for view in (one.view for one in of):
            for part in view["parts"]:
                own = KeyRef("view", view["recipient"], part["subject_ref"], part["sender"])
                opened += _opens(world, view, part, own)
                assert not any(_opens(world, view, part, ref) for ref in refs - {own})
    assert opened > 0


def _opens(world: World, view: Mapping[str, Any], part: Mapping[str, Any], ref: KeyRef) -> bool:
    version = key_version(part["box"])
    key = world.parts.keys.opening([(ref, version)])[ref, version]
    where = place("view", VIEW.fingerprint, view["view_id"], part["subject_ref"], part["sender"], version)
    try:
        return isinstance(key, Key) and bool(open_box(key.cipher, part["box"], where))
    except Exception:  # noqa: BLE001  it does not open
        return False


# --- what the cases share -------------------------------------------------------------------------------------------


def _starts(world: World, **settings: Any) -> bool | None:
    """Whether a hub starts on these files; None when it fails without saying what to do about it."""
    try:
        World.at(world.data, now=world.clock.now(), **settings).close()
    except (ConfigurationError, KeysAreOlder):
        return False
    except Exception:  # noqa: BLE001  whatever it stumbles over
        return None
    return True


def _copy(source: Path, target: Path) -> None:
    """Every database of a hub, with its write-ahead log."""
    for old in target.glob("*.sqlite*"):
        old.unlink()
    for file in source.glob("*.sqlite*"):
        shutil.copy(file, target / file.name)


@contextmanager
def fresh(folder: Path) -> Iterator[World]:
    """A hub for one attack."""
    world = World.at(folder)
    yield world
    world.close()


CASES: dict[str, tuple[int, Case]] = {
    case.__name__: (number, case)
    for number, case in (
        (2, a_worker_opens_a_family_that_is_not_theirs),
        (3, a_view_is_on_its_way_when_the_consent_is_withdrawn),
        (3, what_was_known_of_a_person_is_out_of_date),
        (4, everything_is_read_again_after_a_withdrawal),
        (4, the_withdrawal_itself_is_lost),
        (7, a_canary_flies_through_every_failure),
        (8, everything_that_is_opened_is_printed),
        (9, a_backup_brings_a_key_back),
        (10, the_hub_starts_with_another_key),
        (11, a_box_is_moved_to_another_record),
        (11, one_tenant_opens_what_is_anothers),
    )
}
