"""Things that a joint case may hold and one agency must not be able to notice: each is a twin world's only difference.

Every one is told in three moments of a story: before anything is shown, while it is shown, and at its end.
"""

from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal

from hub.domain.agencies import Agency, default_agency
from tests.support.world import CHILD, FAMILY, MOTHER, NOW, Office, World

PROVIDER: Agency = default_agency("tr-a", "provider", undertaking=True)
HIDDEN = "hidden"
Hide = Callable[[World, int], None]
_GROWN, _NEARLY_15 = date(1985, 9, 1), NOW.date().replace(year=2011) + timedelta(days=1)


def _third(world: World, born: date = _GROWN) -> None:
    """A third person whom both offices know."""
    for office in (world.jc, world.ja):
        office.born(HIDDEN, born)
        office.pairs(HIDDEN, 3)


def a_record_without_release(world: World, moment: int) -> None:
    if moment == 0:
        _third(world)
        world.jc.grants("h1", HIDDEN, ["LM"])
    world.measure(["h1"], person=HIDDEN, key=f"h{moment}")


def a_person_of_one_office(world: World, moment: int) -> None:
    if moment == 0:
        world.jc.born(HIDDEN, _GROWN)
        world.jc.grants("h1", HIDDEN, ["EG", "ID"])
    world.measure(["h1"], person=HIDDEN, key=f"h{moment}")


def a_consent_that_ends_soon(world: World, moment: int) -> None:
    if moment == 0:
        _third(world)
    until = world.clock.now() + timedelta(hours=3)
    world.jc.grants(f"h{moment}", HIDDEN, ["LM"], until=until)


def consents_that_come_and_go(world: World, moment: int) -> None:
    if moment == 0:
        _third(world)
    world.jc.grants(f"h{moment}", HIDDEN, ["LM"])
    world.run()
    world.jc.withdraws(f"h{moment}", HIDDEN)


def a_birthday(world: World, moment: int) -> None:
    if moment == 0:
        _third(world, _NEARLY_15)
        world.jc.grants("h1", HIDDEN, ["EG"], by=[CHILD])
        world.measure(["h1"], person=HIDDEN, key="h")


def a_held_record(world: World, moment: int) -> None:
    if moment == 0:
        _third(world)
    world.measure(["unknown"], person=HIDDEN, key=f"h{moment}")


def a_broken_box(world: World, moment: int) -> None:
    envelope = world.jc.draft("MeasureStarted", HIDDEN, {"norm": "16d"}, key=f"h{moment}", consents=["h1"])
    boxes = {category: box[:-1] + bytes([box[-1] ^ 1]) for category, box in envelope.boxes.items()}
    world.jc.send(envelope._replace(boxes=boxes, case_ref=world.jc.key.case("elsewhere")))


def another_coordinator(world: World, moment: int) -> None:
    """Everybody's consents were asked for the worker's name: one more name, and the view was nobody's."""
    if moment == 0:
        _third(world)
    payload = {"recipient_workers": [f"somebody else {moment}"]}
    world.jc.grants(f"h{moment}", HIDDEN, ["LM"], payload=payload)
    world.measure([f"h{moment}"], person=HIDDEN, key=f"h{moment}")


def something_confided(world: World, moment: int) -> None:
    """The mother of whom much is shown confided more, to one named worker of whom the observer is none."""
    until = world.clock.now() + timedelta(hours=4)
    payload = {"recipient_workers": ["confidant"]}
    world.jc.grants(f"h{moment}", MOTHER, ["A65"], until=until, payload=payload)
    facts = {"entrusted_by": world.jc.ref(MOTHER)}
    world.measure([f"h{moment}"], key=f"h{moment}", provider="confided", **facts)


def something_confided_without_release(world: World, moment: int) -> None:
    world.measure(["c1"], key=f"h{moment}", entrusted_by=world.jc.ref(MOTHER))


def a_special_category(world: World, moment: int) -> None:
    """§ 21(2) SGB II is pregnancy: the whole line is G9, and the consent there is does not name it."""
    payload = {"kind": "21(2)", "month": "2026-09"}
    world.jc.say("BenefitGranted", MOTHER, payload, key=f"h{moment}", consents=["c1"])


def a_special_category_for_somebody_else(world: World, moment: int) -> None:
    """Released, explicitly and for a short time, to a provider."""
    until = world.clock.now() + timedelta(hours=5)
    payload = {"explicit_special": True}
    world.jc.grants(f"h{moment}", MOTHER, ["G9"], to=[PROVIDER.id], until=until, payload=payload)
    world.jc.say(
        "BenefitGranted",
        MOTHER,
        {"kind": "21(2)", "month": "2026-09"},
        key=f"h{moment}",
        consents=[f"h{moment}"],
    )


def a_sanction(world: World, moment: int) -> None:
    """Of a person who is shown; the consent does not reach it."""
    world.jc.say("SanctionImposed", MOTHER, {"norm": "32", "percent": 10}, key=f"h{moment}", consents=["c1"])


def a_line_that_tells_of_health(world: World, moment: int) -> None:
    """A line of the month whose total is shown, by a code that may tell of a birth (§ 24(3) SGB II)."""
    payload = {"kind": "24(3)", "month": "2026-09", "amount": Decimal(120)}
    world.jc.say("BenefitGranted", MOTHER, payload, key=f"h{moment}", consents=["c1"])


def an_acknowledgement_without_its_start(world: World, moment: int) -> None:
    """The agreement stayed at home: what was said of it later is told to nobody."""
    payload = {"agreement_ref": "a-hidden", "owner": "person", "how": "phone"}
    world.jc.say("AgreementAcknowledged", MOTHER, payload, key=f"h{moment}", consents=["c1"])


def free_text(world: World, moment: int) -> None:
    payload = {"what": f"something about the father {moment}"}
    world.jc.say("AgreementMade", MOTHER, payload, key=f"h{moment}", consents=["c1"])


def a_third_office(world: World, moment: int) -> None:
    """A provider knows the mother too, and gets something of her that others do not."""
    provider = Office(world.parts, PROVIDER.id)
    if moment == 0:
        for office in (world.jc, provider):
            office.pairs(MOTHER, 1, code="PROV-IDER")
        provider.born(MOTHER, date(1990, 1, 1))
    world.jc.grants(
        f"h{moment}", MOTHER, ["EG"], to=[PROVIDER.id], until=world.clock.now() + timedelta(hours=6)
    )
    world.measure([f"h{moment}"], key=f"h{moment}")


ALL: dict[str, Hide] = {
    hide.__name__: hide
    for hide in (
        a_record_without_release,
        a_person_of_one_office,
        a_consent_that_ends_soon,
        consents_that_come_and_go,
        a_birthday,
        a_held_record,
        a_broken_box,
        another_coordinator,
        something_confided,
        something_confided_without_release,
        a_special_category,
        a_special_category_for_somebody_else,
        a_sanction,
        a_third_office,
        a_line_that_tells_of_health,
        an_acknowledgement_without_its_start,
        free_text,
    )
}


def tell(world: World, observer_looks: Callable[[], None], hide: Hide | None) -> None:
    """The story that is seen, with something hidden in it or not."""

    def hidden(moment: int) -> None:
        if hide is not None:
            hide(world, moment)
        world.run()
        observer_looks()

    world.know_family()
    hidden(0)
    named = {"recipient_workers": ["w-co"]}
    world.jc.grants("c1", MOTHER, ["EG", "LS", "LB", "VB", "ID"])
    world.jc.grants("c3", MOTHER, ["EG", "ID"], payload=named)
    world.ja.grants("c2", CHILD, ["HS", "ID"], by=[MOTHER])
    world.jc.say("PersonRegistered", MOTHER, {"names": f"{MOTHER} {FAMILY}"}, consents=["c1"])
    world.ja.say("PersonRegistered", CHILD, {"names": f"{CHILD} {FAMILY}"}, consents=["c2"])
    world.measure(["c1", "c3"])
    world.jc.say(
        "BenefitGranted",
        MOTHER,
        {"kind": "20", "month": "2026-09", "amount": Decimal(563)},
        key="b",
        consents=["c1"],
    )
    world.jc.say(
        "AgreementMade", MOTHER, {"agreement_ref": "a-1", "owner": "person"}, key="a", consents=["c1"]
    )
    world.help()
    hidden(1)
    world.wait(hours=2)
    world.measure(["c1", "c3"], key="more")
    world.run()
    observer_looks()
    world.wait(hours=13)
    hidden(2)
    world.ja.withdraws("c2", CHILD)
    world.jc.withdraws("c3", MOTHER)
    world.run()
    observer_looks()
    world.wait(hours=30)
    world.run()
    observer_looks()
