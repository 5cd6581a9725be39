"""Abuse case 12: two worlds that differ only in what is hidden from an agency are the same world to that agency."""

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from starlette.testclient import TestClient

from hub.failpoints import observed
from hub.stages import consents
from hub.web.app import create_app
from tests.abuse import hidden
from tests.abuse.controls import VEILS, Veil, in_the_hubs_order, switched_off
from tests.abuse.observer import WORKER, Observer, Seen, directory
from tests.support.world import CHILD, FAMILY, JA, JC, MOTHER, World


def witnessed(folder: Path, agency: str, hide: hidden.Hide | None) -> list[Seen]:
    """All that the agency could see, at every moment of the story."""
    folder.mkdir()
    world = World.at(folder, more=[hidden.PROVIDER])
    observer, seen = Observer(world, agency), list[Seen]()
    hidden.tell(world, lambda: seen.append(observer.look()), hide)
    observer.close()
    world.close()
    return seen


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> list[Seen]:
    """The world without anything hidden."""
    return witnessed(tmp_path_factory.mktemp("plain") / "w", JA, None)


def differences(one: list[Seen], other: list[Seen]) -> list[tuple[int, str, Any, Any]]:
    """(moment, where, what the first has, what the second has)"""
    return [
        (
            moment,
            where,
            [x for x in a[where] if x not in b[where]],
            [x for x in b[where] if x not in a[where]],
        )
        for moment, (a, b) in enumerate(zip(one, other, strict=True))
        for where in a
        if a[where] != b[where]
    ]


@pytest.mark.parametrize("name", sorted(hidden.ALL))
def test_nothing_tells_that_it_exists(folder: Path, plain: list[Seen], name: str) -> None:
    assert differences(plain, witnessed(folder / "w", JA, hidden.ALL[name])) == []


@pytest.mark.parametrize("veil", VEILS, ids=lambda veil: veil.name)
def test_without_its_control_it_is_told(folder: Path, veil: Veil) -> None:
    with switched_off(veil.without):
        plain = witnessed(folder / "plain", JA, None)
        assert differences(plain, witnessed(folder / "hidden", JA, veil.hide)) != []


def interrupted(folder: Path, between: Callable[[World], None]) -> Seen:
    """What the agency sees of a story in which something happens while a view is on its way."""
    folder.mkdir()
    world = World.at(folder)
    world.shared()
    for office in (world.jc, world.ja):
        office.born("hidden", date(1985, 1, 1))
        office.pairs("hidden", 3)
    world.jc.grants("h1", "hidden", ["LM"])
    world.run()
    world.measure(key="more")
    happened = iter([True])

    def reach(name: str) -> None:
        if name == "disclose.between" and next(happened, False):
            between(world)

    with observed(reach):
        world.run()
    assert not next(happened, False)
    observer = Observer(world, JA)
    seen = observer.look()
    observer.close()
    world.close()
    return seen


def withdrawn_meanwhile(world: World) -> None:
    world.jc.withdraws("h1", "hidden")
    topic = f"agency.{JC}.consents"
    consents.take_consents(world.parts, world.parts.log.state([topic])[topic].topic_id, world.records(topic))


def test_a_hidden_withdrawal_while_a_view_is_on_its_way_leaves_no_gap_in_its_numbers(folder: Path) -> None:
    quiet = interrupted(folder / "quiet", lambda world: None)
    assert differences([quiet], [interrupted(folder / "busy", withdrawn_meanwhile)]) == []


def test_without_putting_back_there_is_a_gap(folder: Path) -> None:
    with switched_off({"hub.stages.disclose.views.put_back": lambda *args: None}):
        quiet = interrupted(folder / "quiet", lambda world: None)
        assert differences([quiet], [interrupted(folder / "busy", withdrawn_meanwhile)]) != []


def own_persons_in_order(folder: Path, *, known_there: bool) -> tuple[list[str], Seen]:
    """Eight persons of the jobcenter on its own page and in the youth office's view of one more; the youth office
    may know them too."""
    folder.mkdir()
    world = World.at(folder)
    world.shared()
    for number in range(8):
        name = f"person {number}"
        world.jc.born(name, date(1980, 1, 1))
        world.jc.pairs(name, 10 + number)
        world.jc.grants(f"o{number}", name, ["EG"])
        world.measure([f"o{number}"], person=name, key=name)
        if known_there:
            world.ja.pairs(name, 10 + number)
    world.run()
    observer = Observer(world, JC)
    seen = observer.look()
    order = [part.person for part in world.open(JC, "jc_case_manager").redacted.parts]
    observer.close()
    world.close()
    return order, {name: seen[name] for name in seen if name.startswith("page")}


def test_the_order_of_ones_own_persons_does_not_tell_whom_the_other_office_knows(folder: Path) -> None:
    names, alone = own_persons_in_order(folder / "alone", known_there=False)
    others, known = own_persons_in_order(folder / "known", known_there=True)
    assert set(names) != set(others)
    assert len(names) == len(others) == 10
    assert alone == known
    with switched_off({"hub.views.opening.in_own_order": in_the_hubs_order}):
        assert alone != own_persons_in_order(folder / "off", known_there=True)[1]


def of_worker(seen: Seen, worker: str) -> Seen:
    """What is left when the vendor shows the coordinators' views to the worker they name."""
    rows = [row for row in seen["fallbruecke_sicht"] if row["fachkraft"] in ("", worker)]
    boxes = [(view[1]["version"], view[2:]) for view in seen["views"] if view[1]["worker"] == worker]
    return {"rows": rows, "views": boxes, "page": seen["page coordinator"]}


def another_family_member_names_another_coordinator(world: World, moment: int) -> None:
    """Of whom the other coordinator sees much, and ours nothing."""
    if moment == 0:
        world.jc.grants("h0", CHILD, ["EG"], by=[MOTHER], payload={"recipient_workers": ["w-other"]})
    world.measure(["h0"], person=CHILD, key=f"h{moment}")


def test_a_coordinator_sees_the_same_whatever_another_coordinator_sees(
    folder: Path, plain: list[Seen]
) -> None:
    seen = witnessed(folder / "w", JA, another_family_member_names_another_coordinator)
    mine = [of_worker(one, WORKER) for one in plain]
    assert any(one["views"] for one in mine)
    assert "w-other" in {view[1]["worker"] for view in seen[-1]["views"]}
    coordinators = [
        {**one, "rows": [row for row in one["rows"] if row["rolle"] == "coordinator"]}
        for one in (*mine, *(of_worker(one, WORKER) for one in seen))
    ]
    assert coordinators[: len(mine)] == coordinators[len(mine) :]


def test_unknown_denied_and_empty_answer_with_the_same_bytes(folder: Path) -> None:
    world = World.at(folder)
    world.shared()
    app = create_app(world.parts, directory(world, JA), CollectorRegistry())
    names = [
        world.ja.case_key("nobody"),
        world.jc.case_key(FAMILY),
        world.ja.case_key("denied"),
        "f_%00",
        "x" * 65,
    ]
    world.ja.grants("d1", "somebody", ["HS"], family="denied")
    world.ja.say("HelpStarted", "somebody", {"paragraph": "31"}, consents=["d1"], family="denied")
    world.run()
    with TestClient(app, base_url="http://127.0.0.1:8080", follow_redirects=False) as browser:
        browser.post("/ansicht", data={"viewer": "ja_asd"})
        answers = [browser.get(f"/fall/{name}") for name in names]
        allowed = browser.get(f"/fall/{world.ja.case_key(FAMILY)}")
    world.close()
    assert len({(a.status_code, tuple(a.headers.raw), a.content) for a in answers}) == 1
    assert allowed.content != answers[0].content


def test_the_story_is_worth_comparing(plain: list[Seen]) -> None:
    """Views come, grow, are renewed and go, for more than one role; pages show somebody."""
    roles = {view[1]["role"] for view in plain[-1]["views"]}
    assert {"ja_asd", "coordinator"} <= roles
    assert any(view[1]["removed"] for view in plain[-1]["views"])
    assert len(plain[-1]["views"]) > 2 * len(roles)
    assert plain[-1]["register"]
    assert b"mother fam" in plain[1]["page ja_asd"][0][2]
