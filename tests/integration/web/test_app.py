"""The web side over a whole hub: what it shows, what it never shows, and where it may be reached."""

import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import insert
from starlette.testclient import TestClient

from hub.domain.clock import micros
from hub.domain.heartbeat import Heartbeat, encode, status_topic
from hub.errors import ConfigurationError, KeyServiceUnavailable
from hub.ports import Outgoing
from hub.store import tables
from hub.topology import topics_read
from hub.web.app import COOKIE, create_app
from hub.web.guard import HEADERS
from hub.web.serve import config
from hub.web.viewers import FamilyChoice, Sessions, Viewer, ViewerDirectory
from tests.support.world import CHILD, FAMILY, JA, JC, MOTHER, World

CANARY = "Kanarienvogel"
ALWAYS = "Zur Familie können weitere Personen gehören."


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World.at(tmp_path)
    made.shared()
    yield made
    made.close()


def directory(world: World) -> ViewerDirectory:
    roles = [(JC, "jc_case_manager"), (JC, "jc_benefits"), (JA, "ja_asd")]
    offices = {JC: world.jc, JA: world.ja}
    return ViewerDirectory(
        viewers=tuple(Viewer(key=f"{agency}.{role}", agency=agency, role=role) for agency, role in roles),
        families={
            agency: tuple(
                FamilyChoice(case_ref=office.case_key(case), label=f"Familie {case}")
                for case in (FAMILY, "empty")
            )
            for agency, office in offices.items()
        },
        simulated=True,
    )


def client(world: World, viewer: str = "", registry: CollectorRegistry | None = None) -> TestClient:
    app = create_app(world.parts, directory(world), registry or CollectorRegistry())
    browser = TestClient(app, base_url="http://127.0.0.1:8080", follow_redirects=False)
    if viewer:
        assert browser.post("/ansicht", data={"viewer": viewer}).status_code == 303
    return browser


def address(world: World, agency: str = JC, case: str = FAMILY) -> str:
    return f"/fall/{(world.jc if agency == JC else world.ja).case_key(case)}"


def test_each_office_sees_its_own_and_what_the_other_may_show(world: World) -> None:
    page = client(world, f"{JC}.jc_case_manager").get(address(world)).text
    assert "Sozialpädagogische Familienhilfe" in page  # shared by the youth office
    assert "Arbeitsgelegenheit" in page  # its own
    assert "Einwilligung (§" in page
    for sentence in (ALWAYS, "Dieser Zugriff wird protokolliert.", "Stand", "01.09.2026, 10:00 Uhr"):
        assert sentence in page
    assert "Nicht freigegeben für diese Rolle:" in page
    assert "Anvertraut" not in page
    assert "Arbeitsgelegenheit" in client(world, f"{JA}.ja_asd").get(address(world, JA)).text


def test_the_retrieval_is_logged(world: World) -> None:
    client(world, f"{JC}.jc_case_manager").get(address(world))
    assert [(row["recipient"], row["role"]) for row in world.rows("retrieval")] == [(JC, "jc_case_manager")]


def test_unknown_denied_empty_and_foreign_answer_with_the_same_bytes(world: World) -> None:
    browser = client(world, f"{JC}.jc_benefits")
    paths = [
        address(world),  # has data, and none of it for this role
        address(world, JC, "empty"),  # assigned, nothing there
        address(world, JC, "nobody's"),  # not assigned
        address(world, JA),  # the other office's pseudonym
        "/fall/f_unknown",
        "/fall/" + "x" * 500,
        "/fall/<b>",
    ]
    answers = [browser.get(path) for path in paths]
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    assert len({tuple(sorted(answer.headers.items())) for answer in answers}) == 1
    assert ALWAYS in answers[0].text
    shown = client(world, f"{JC}.jc_case_manager").get(address(world))
    assert shown.content != answers[0].content


def test_withdrawn_is_gone_at_the_next_look(world: World) -> None:
    browser = client(world, f"{JC}.jc_case_manager")
    assert "Familienhilfe" in browser.get(address(world)).text
    world.ja.withdraws("c2", CHILD)
    world.run()
    assert "Familienhilfe" not in browser.get(address(world)).text


def test_every_answer_carries_the_security_headers(world: World) -> None:
    browser = client(world, f"{JC}.jc_case_manager")
    paths = ("/", address(world), "/style.css", "/metrics", "/health/live", "/health/ready", "/nowhere")
    for path in paths:
        answer = browser.get(path)
        assert {name: answer.headers[name] for name in HEADERS} == HEADERS
    assert browser.get("/nowhere").status_code == 404
    assert browser.get("/", headers={"host": "evil.example"}).status_code == 400


def test_the_choice_is_kept_here_and_the_cookie_says_nothing(world: World) -> None:
    browser = client(world)
    answer = browser.post("/ansicht", data={"viewer": f"{JC}.jc_benefits"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert JC not in cookie
    chosen = browser.get("/").text
    assert "Familie empty" in chosen
    assert 'aria-current="true"' in chosen


@pytest.mark.parametrize("token", ["", "guessed"])
def test_without_a_choice_there_is_no_view(world: World, token: str) -> None:
    browser = client(world)
    if token:
        browser.cookies.set(COOKIE, token)
    answer = browser.get(address(world))
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert world.rows("retrieval") == []


def test_a_wrong_choice_or_a_huge_form_chooses_nobody(world: World) -> None:
    browser = client(world)
    assert "set-cookie" not in browser.post("/ansicht", data={"viewer": "root"}).headers
    assert browser.post("/ansicht", content=b"x" * 5000).status_code == 413


def test_sessions_are_bounded() -> None:
    sessions, viewer = Sessions(size=2), Viewer(key="k", agency="a", role="r")
    first, *others = [sessions.open(viewer) for _ in range(3)]
    assert [sessions.chosen(token) for token in (first, *others, None)] == [None, "k", "k", None]


def test_closed_while_consents_are_behind(world: World) -> None:
    browser = client(world, f"{JC}.jc_case_manager")
    world.wait(minutes=5)
    answer = browser.get(address(world))
    assert answer.status_code == 503
    assert "Die gemeinsame Sicht ist gerade nicht verfügbar" in answer.text
    assert "Familienhilfe" not in answer.text
    assert browser.get("/health/ready").status_code == 503
    assert "consents: not ready" in browser.get("/health/ready").text


def test_closed_until_consents_were_read_after_its_own_start(world: World) -> None:
    world.wait(seconds=5)
    browser = client(world, f"{JC}.jc_case_manager")
    assert browser.get(address(world)).status_code == 503
    world.run()
    assert browser.get(address(world)).status_code == 200


def test_nothing_is_shown_without_keys(world: World) -> None:
    gone = KeyServiceUnavailable("the key service does not answer")
    browser = client(world, f"{JC}.jc_case_manager")
    world.parts.knowledge.clear()
    with patch.object(type(world.parts.keys), "opening", side_effect=gone):
        answer, ready = browser.get(address(world)), browser.get("/health/ready")
    assert (answer.status_code, ready.status_code) == (503, 503)
    assert "keys: not ready" in ready.text
    assert "Familienhilfe" not in answer.text


def test_ready_and_live(world: World) -> None:
    browser = client(world)
    assert browser.get("/health/live").status_code == 200
    ready = browser.get("/health/ready")
    assert (ready.status_code, ready.text) == (200, "store: ok\nkeys: ok\nlog: ok\nconsents: ok\n")


def test_the_lag_of_every_topic_that_a_stage_reads_is_measured(world: World) -> None:
    text = client(world).get("/metrics").text
    for topic in topics_read(world.parts.agencies):
        assert f'hub_consumer_lag_records{{partition="0",topic="{topic}"}} 0.0' in text
    world.jc.put("receipts", Outgoing(b"k", b"anything"))
    assert f'topic="agency.{JC}.receipts"}} 1.0' in client(world).get("/metrics").text


def test_lag_and_what_waits_are_measured(world: World) -> None:
    browser = client(world)
    assert 'hub_consumer_lag_records{partition="0",topic="marks"} 0.0' in browser.get("/metrics").text
    world.help(key="another")
    world.wait(seconds=30)
    row = {
        "stage": "admit",
        "topic": f"agency.{JC}.events",
        "partition": 0,
        "offset": 7,
        "lane": "l",
        "reason": "unsealed",
        "at": 1,
        "released": False,
    }
    with world.parts.store.transaction() as connection:
        connection.execute(insert(tables.quarantine).values(row))
        connection.execute(insert(tables.dirty).values(case_key="c", number=1, since=5_000_000, urgent=False))
    text = browser.get("/metrics").text
    lags = [
        float(line.split()[1]) for line in text.splitlines() if line.startswith("hub_consumer_lag_records{")
    ]
    assert sorted(lags)[-2:] == [1.0, 1.0]
    assert f'hub_quarantine_records{{agency="{JC}",reason="unsealed"}} 1.0' in text
    assert 'hub_oldest_unapplied_timestamp_seconds{stage="disclose"} 5.0' in text
    assert 'hub_oldest_unapplied_timestamp_seconds{stage="admit"} ' in text
    assert f'hub_consent_state_age_seconds{{agency="{JA}"}} 30.0' in text


def test_connectors_are_told_of(world: World) -> None:
    browser = client(world)
    at = micros(world.parts.clock.now())
    beat = Heartbeat(agency=JC, connector="source", kind="sql", role="source", state="running", at=at)
    world.parts.log.append(status_topic(JC), [Outgoing(b"source", encode(beat))])
    series = f'hub_connector_status{{agency="{JC}",source="source",state='
    assert f'{series}"running"}} 1.0' in browser.get("/metrics").text
    world.wait(seconds=301)
    text = browser.get("/metrics").text
    assert f'{series}"running"}} 0.0' in text
    assert f'{series}"silent"}} 1.0' in text


def test_metrics_answer_when_the_log_does_not(world: World) -> None:
    browser = client(world)
    with patch.object(type(world.parts.log), "state", side_effect=KeyServiceUnavailable("away")):
        text = browser.get("/metrics").text
    assert "hub_build_info" in text
    assert "hub_consumer_lag_records{" not in text


def test_a_name_is_on_the_page_and_nowhere_else(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    world.jc.grants("c3", MOTHER, ["ID"])
    world.jc.say("PersonRegistered", MOTHER, {"names": f"{CANARY}, Erna"}, consents=["c3"])
    world.run()
    registry = CollectorRegistry()
    browser = client(world, f"{JA}.ja_asd", registry)
    answers = [browser.get(path) for path in ("/", address(world, JA), "/nowhere/" + CANARY)]
    with patch("hub.web.app.present", side_effect=KeyError(CANARY)):
        failed = browser.get(address(world, JA))
    assert f"Erna {CANARY}" in answers[1].text
    assert (failed.status_code, failed.headers["Referrer-Policy"]) == (500, "no-referrer")
    ours = "".join(record.getMessage() for record in caplog.records if not record.name.startswith("httpx"))
    assert CANARY not in failed.text + answers[2].text + browser.get("/metrics").text + ours
    assert world.ja.case_key(FAMILY) not in ours + browser.get("/metrics").text
    assert "route=/fall/{case_ref}" in ours
    assert not [one for one in answers if CANARY in str(one.headers)]


def test_content_is_escaped(world: World) -> None:
    world.measure(key="bold", provider="<b>Träger</b>")
    world.run()
    page = client(world, f"{JA}.ja_asd").get(address(world, JA)).text
    assert "&lt;b&gt;Träger" in page
    assert "<b>" not in page


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "::1", "localhost", "10.0.0.1", ""])  # noqa: S104  refused here
def test_only_loopback(world: World, host: str) -> None:
    with pytest.raises(ConfigurationError, match=r"bind 127\.0\.0\.1"):
        config(world.parts, directory(world), host=host, registry=CollectorRegistry())


def test_only_simulated_people(world: World) -> None:
    real = replace(directory(world), simulated=False)
    with pytest.raises(ConfigurationError, match="simulated"):
        config(world.parts, real, registry=CollectorRegistry())


def test_the_server_keeps_no_access_log(world: World) -> None:
    made = config(world.parts, directory(world), registry=CollectorRegistry())
    assert (made.host, made.access_log, made.server_header) == ("127.0.0.1", False, False)
