"""One matter, two offices: a referral that bounces and is sent again, an application that waits for a paper."""

import json
from typing import Any

from hub.rehearse.answer import Answer
from hub.rehearse.parse import parse_story
from hub.rehearse.run import rehearsals
from tests.rehearse.test_work import AGENCIES, CONSENTS, FAMILIES, PERSONS, step, view

JC, JA = ("jc-a", "jc_case_manager"), ("ja-a", "ja_asd")


def at(day: int) -> str:
    return f"2026-09-{day:02}T08:00:00Z"


def seen(who: tuple[str, str], day: int, **models: Any) -> dict[str, Any]:
    return view(*who, at(day)) | {"expect": {"models": models}}


def both(day: int, **models: Any) -> list[dict[str, Any]]:
    return [seen(who, day, **models) for who in (JC, JA)]


def played(*steps: dict[str, Any]) -> list[Answer]:
    story = {"agencies": AGENCIES, "persons": PERSONS, "families": FAMILIES, "steps": [*CONSENTS, *steps]}
    with rehearsals() as play:
        return list(play(parse_story(json.dumps(story).encode())).answers)


def test_a_referral_bounces_twice_and_both_offices_see_one_owner() -> None:
    sent = {"subject": "mother", "addressee": "ja-a", "reason_code": "schulden", "answer_due": "2026-09-20"}
    again = {
        "at": at(5),
        "do": "refer",
        "by": "jc-a",
        "ref": "r1",
        "family": "fam",
        "subject": "mother",
        "addressee": "ja-a",
        "reason_code": "schulden",
    }
    found = played(
        step("refer", "jc-a", "r1", at(2), **sent),
        *both(
            2,
            matters=[
                {
                    "ref": "r1",
                    "title": "Schuldnerberatung",
                    "owner_now": "ja_asd",
                    "state": "sent",
                    "waiting_since": at(2),
                    "due": "2026-09-20",
                    "about": "mother",
                    "kind": "referral",
                }
            ],
        ),
        step("answer", "ja-a", "r1", at(3), step="accepted"),
        *both(3, matters=[{"owner_now": "ja_asd", "state": "accepted", "waiting_since": at(2)}]),
        step("answer", "ja-a", "r1", at(4), step="declined"),
        *both(4, matters=[{"owner_now": None, "state": "declined", "waiting_since": None}], hints=[]),
        again,
        *both(5, matters=[{"owner_now": "ja_asd", "state": "resubmitted", "waiting_since": at(5)}]),
        step("answer", "ja-a", "r1", at(6), step="queried", missing=["ausweis"]),
        *both(
            6,
            matters=[
                {
                    "owner_now": "jc_case_manager",
                    "missing": ["ausweis"],
                    "trail": [
                        {"at": at(2), "step": "sent", "by": "jc_case_manager"},
                        {"at": at(3), "step": "accepted", "by": "ja_asd"},
                        {"at": at(4), "step": "declined", "by": "ja_asd"},
                        {"at": at(5), "step": "resubmitted", "by": "jc_case_manager"},
                        {"at": at(6), "step": "queried", "by": "ja_asd"},
                    ],
                }
            ],
            hints=[{"code": "bounced_twice", "about": "mother", "rests_on": ["r1"]}],
        ),
    )
    assert [one.differs for one in found] == [()] * 10


def test_an_application_waits_where_its_paper_is_missing() -> None:
    stamp = {"project": "Chancen für Familien", "worker": "Frau Sand", "phone": "1"}
    applied = {"subject": "child", "addressee": "jc-a", "benefit": "but", "stamp": stamp}
    query = {"missing": ["schulbescheinigung", "ausweis"]}
    found = played(
        step("apply", "ja-a", "p1", at(2), **applied),
        step("query", "jc-a", "p1", at(3), **query),
        *both(3, matters=[{"owner_now": "ja_asd", "title": "Bildung und Teilhabe", "stamp": stamp, **query}]),
        step("document", "ja-a", "p1", at(4), document="schulbescheinigung"),
        *both(4, matters=[{"owner_now": "jc_case_manager", "waiting_since": at(4), "missing": ["ausweis"]}]),
        step("decide", "jc-a", "p1", at(5), result="granted"),
        *both(
            5, matters=[{"owner_now": None, "state": "decided", "result": "granted", "kind": "application"}]
        ),
        {"at": at(6), "do": "rebuild"},
        *both(6, matters=[{"owner_now": None, "state": "decided", "result": "granted"}]),
    )
    assert [one.differs for one in found] == [()] * 8
