"""The desk in the browser without a script: table, signing, sight, taking back, and what it refuses."""

import re
from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry
from starlette.testclient import TestClient

from connectors.pipeline.publish.keyring import first_of
from hub.dev.demo import OFFICES, Demo, caller
from hub.dev.simulate.world import Family
from hub.web.app import Desks, create_app

JC, JA = "jc-seestadt", "ja-seestadt"
FOLDERS = {agency: folder for agency, folder, _ in OFFICES}
THERE, BACK = f"{JC}>{JA}", f"{JA}>{JC}"


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    made = Demo(tmp_path_factory.mktemp("desk"), 14, 1)
    made.run(lambda _: None)
    yield made
    made.close()


@pytest.fixture
def woken() -> list[bool]:
    return []


@pytest.fixture
def browser(demo: Demo, woken: list[bool]) -> TestClient:
    desks = Desks({agency: demo.desk(agency) for agency, _, _ in OFFICES}, lambda: woken.append(True))
    app = create_app(demo.parts, caller(demo), CollectorRegistry(), beat=0, desks=desks)
    return TestClient(app, base_url="http://127.0.0.1:8080", follow_redirects=False)


def kind(demo: Demo, name: str) -> Family:
    return next(family for family in demo.simulation.world.families if family.model.kind == name)


def path(demo: Demo, agency: str, name: str) -> str:
    home, key = kind(demo, name).homes[0], first_of(demo.own[FOLDERS[agency]])
    number = home.bg_number if agency == JC else home.case_number
    return f"/desk/{agency}/{key.case(str(number))}"


def signatures(page: str) -> list[str]:
    return re.findall(r'name="sign" value="([^"]+)"', page)


def test_the_table_speaks_the_familys_language_and_ticks_nothing_by_itself(
    demo: Demo, browser: TestClient
) -> None:
    where = path(demo, JC, "refused")
    pages = {one: browser.get(f"{where}?lang={one}").text for one in ("de", "de-plain", "tr", "bg")}
    assert "Was ist, wenn Sie Nein sagen?" in pages["de"]
    assert "Hayır derseniz ne olur?" in pages["tr"]
    assert "Какво става, ако кажете „не“?" in pages["bg"]
    assert "Und wenn Sie Nein sagen?" in pages["de-plain"]
    assert [re.findall(r'<html lang="(\w+)"', page) for page in pages.values()] == [
        ["de"],
        ["de"],
        ["tr"],
        ["bg"],
    ]
    for page in pages.values():
        boxes = re.findall(r'<input type="checkbox" name="open"[^>]*>', page)
        assert len(boxes) > 15
        assert not [box for box in boxes if "checked" in box]
        assert not [box for box in re.findall(r'name="sign"[^>]*>', page) if "checked" in box]


def test_the_sight_follows_the_ticks_and_records_nothing(
    demo: Demo, browser: TestClient, woken: list[bool]
) -> None:
    where = path(demo, JC, "refused")
    post = {"lang": "tr", "open": [f"{THERE}=EG", f"{BACK}=HS"], "purpose": "joint_case_management"}
    answer = browser.post(f"{where}/vorschau", data=post, headers={"X-Part": "sight"}).text
    assert "<html" not in answer
    assert "İşbirliği planı" in answer
    assert "temel ihtiyaç" not in answer
    assert "Gençlik dairesinin yardımları" in answer, "what would come back is said in words"
    assert "Bunlara evet demediniz" in answer
    everything = browser.post(f"{where}/vorschau", data={**post, "open": [f"{THERE}=LS"]}).text
    assert "<html" in everything
    assert "Bir ayın yardımları" in everything, "one total a month, never the lines"
    assert "temel ihtiyaç" not in everything
    assert f'value="{THERE.replace(">", "&gt;")}=LS" checked' in everything
    assert (demo.desk(JC).grants(), woken) == (([], []), [])


def test_a_category_that_was_not_offered_is_no_tick(demo: Demo, browser: TestClient) -> None:
    post = {
        "open": [f"{THERE}=HI", f"{THERE}=A65", f"{THERE}=K8a", "x=ID", "nonsense"],
        "purpose": "planning",
    }
    answer = browser.post(f"{path(demo, JC, 'single_parent')}/vorschau", data=post).text
    assert " checked" not in answer.split('class="sight"')[0].split('class="ask"')[1]


def test_signed_opens_shown_and_taken_back_with_a_receipt(
    demo: Demo, browser: TestClient, woken: list[bool]
) -> None:
    where = path(demo, JC, "refused")
    page = browser.get(where).text
    everybody = signatures(page)
    post = {"lang": "tr", "open": [f"{THERE}=EG", f"{THERE}=ID"], "purpose": "joint_case_management"}
    refused = browser.post(f"{where}/erteilen", data=post)
    assert (refused.status_code, woken) == (422, [])
    assert "Es ist noch keine Unterschrift angekreuzt." in refused.text
    signed = browser.post(
        f"{where}/erteilen", data={**post, "sign": everybody, "interpreter": "professional"}
    )
    assert (signed.status_code, woken) == (303, [True])
    before = browser.get(signed.headers["location"]).text
    assert 'http-equiv="refresh"' in before
    demo.settle()
    after = browser.get(signed.headers["location"]).text
    assert 'http-equiv="refresh"' not in after
    assert "Jugendamt Seestadt şimdi sizin hakkınızda bunları görüyor" in after
    assert "İşbirliği planı" in after
    people = re.findall(r"<details[^>]*>", after)
    assert people
    assert all('name="person"' in one and " open" not in one for one in people), (
        "one at a time, none at first"
    )
    copy = re.search(r'href="([^"]+/kopie/[^"]+)"', after)
    assert copy is not None
    assert "Dolmetsch" not in (said := browser.get(copy[1]).text)
    assert 'lang="tr"' in said
    assert "sha256:" in said

    taken = browser.post(f"{where}/widerrufen", data={"lang": "tr", "extent": "whole"})
    assert taken.status_code == 303
    demo.settle()
    ended = browser.get(taken.headers["location"]).text
    assert "tarihinde silindi" in ended
    assert "Jugendamt Seestadt şimdi sizin hakkınızda hiçbir şey görmüyor" in ended
    again = browser.post(f"{where}/widerrufen", data={"extent": "whole"})
    assert "Hier ist nichts mehr offen." in again.text


def test_only_a_part_is_taken_back(demo: Demo, browser: TestClient) -> None:
    where = path(demo, JC, "single_parent")
    nothing = browser.post(f"{where}/widerrufen", data={"extent": "part"})
    assert (nothing.status_code, "Es ist nichts angekreuzt." in nothing.text) == (422, True)
    taken = browser.post(f"{where}/widerrufen", data={"extent": "part", "category": "EG", "recipient": JA})
    demo.settle()
    page = browser.get(taken.headers["location"]).text
    assert "Weggenommen und durch weniger ersetzt" in page
    assert "Kooperationsplan" in page.split("Das sieht")[0]
    assert "Kooperationsplan" not in page.split("Das sieht")[1]


@pytest.mark.parametrize(
    "wrong", ["/desk/jc-seestadt/f_unknown", "/desk/nobody/f_x", "/desk/ja-seestadt/<b>"]
)
def test_no_other_family_is_at_this_desk(browser: TestClient, wrong: str) -> None:
    assert browser.get(wrong).status_code == 404


def test_another_familys_copy_is_not_given_out(demo: Demo, browser: TestClient) -> None:
    mine, other = path(demo, JC, "couple"), path(demo, JC, "twins")
    post = {
        "open": [f"{THERE}=ID"],
        "purpose": "joint_case_management",
        "sign": signatures(browser.get(mine).text),
    }
    done = browser.post(f"{mine}/erteilen", data=post)
    process = done.headers["location"].rpartition("=")[2]
    assert browser.get(f"{mine}/kopie/{process}").status_code == 200
    assert browser.get(f"{other}/kopie/{process}").status_code == 404


def test_a_form_from_elsewhere_or_too_large_is_refused(
    demo: Demo, browser: TestClient, woken: list[bool]
) -> None:
    where = path(demo, JC, "couple")
    post = {"extent": "whole"}
    for said in ({"Origin": "https://evil.example"}, {"Origin": "null", "Sec-Fetch-Site": "cross-site"}):
        assert browser.post(f"{where}/widerrufen", data=post, headers=said).status_code == 404
    assert browser.post(f"{where}/widerrufen", content=b"x" * 70_000).status_code == 404
    assert woken == []


def test_the_familys_look_is_logged_as_its_own(demo: Demo, browser: TestClient) -> None:
    from sqlalchemy import select

    from hub.store.tables import retrieval

    browser.get(f"{path(demo, JA, 'couple')}/stand")
    with demo.parts.store.transaction() as connection:
        last = connection.execute(
            select(retrieval.c.recipient, retrieval.c.role).order_by(retrieval.c.id.desc())
        ).first()
    assert last == (JA, "subject")


def test_a_desk_that_is_not_served_is_not_there(demo: Demo) -> None:
    app = create_app(demo.parts, caller(demo), CollectorRegistry(), beat=0)
    assert TestClient(app, base_url="http://127.0.0.1:8080").get("/desk").status_code == 404
