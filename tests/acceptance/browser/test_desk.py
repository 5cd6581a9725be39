"""The desk and the joint view in a real Chromium: by keyboard alone, in German and Turkish, no finding of axe."""

from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

MINUTE = 60_000  # milliseconds: within it a view must have opened
FOCUSED = "document.activeElement"
AXE = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    context = browser.new_context(base_url=address, viewport={"width": 1280, "height": 900})
    context.set_default_timeout(MINUTE)
    opened = context.new_page()
    failures: list[str] = []
    opened.on("pageerror", lambda error: failures.append(str(error)))
    opened.on("console", lambda line: failures.append(line.text) if line.type == "error" else None)
    yield opened
    context.close()
    assert failures == [], "no script may fail, and nothing may be blocked"


def tab_to(page: Page, wanted: str, *, steps: int = 250) -> None:
    """Press Tab until what is focused fits the CSS selector, or holds the text."""
    for _ in range(steps):
        page.keyboard.press("Tab")
        found = page.evaluate(
            f"wanted => {{ const one = {FOCUSED}; return wanted.startsWith('text=')"
            " ? one.innerText.includes(wanted.slice(5)) && one !== document.body && one.tagName !== 'MAIN'"
            " : one.matches(wanted) }",
            wanted,
        )
        if found:
            return
    raise AssertionError(f"no way by keyboard to {wanted}")


def focus_is_seen(page: Page) -> bool:
    style = page.evaluate(
        f"getComputedStyle({FOCUSED}).outlineStyle + getComputedStyle({FOCUSED}).outlineWidth"
    )
    return "none" not in style and "0px" not in style


def without_findings(page: Page) -> None:
    found = Axe().run(page, options=AXE)
    told = [
        f"{one['id']}: {node['html'][:160]}" for one in found.response["violations"] for node in one["nodes"]
    ]
    assert told == []
    assert found.response["passes"], "axe looked at something"


def choose_family(page: Page, note: str) -> None:
    """By keyboard to the jobcenter's family with this note, from the list of the desk."""
    page.goto("/desk")
    without_findings(page)
    place = page.locator("section").first.locator("li", has_text=note).locator("a")
    target = place.get_attribute("href")
    tab_to(page, f'a[href="{target}"]')
    assert focus_is_seen(page)
    page.keyboard.press("Enter")
    page.wait_for_url(f"**{target}")


def tick(page: Page, selector: str) -> None:
    tab_to(page, selector)
    assert focus_is_seen(page)
    page.keyboard.press("Space")


def sign_for_everybody(page: Page) -> None:
    boxes = page.locator('input[name="sign"]')
    for value in [box.get_attribute("value") for box in boxes.all()]:
        tick(page, f'input[name="sign"][value="{value}"]')


def test_a_family_signs_and_takes_back_in_german_by_keyboard_alone(page: Page) -> None:
    choose_family(page, "Nicht eingewilligt")
    expect(page.locator("html")).to_have_attribute("lang", "de")
    sight = page.locator("#sicht")
    expect(sight).not_to_contain_text("Kooperationsplan")
    tick(page, 'input[value="jc-seestadt>ja-seestadt=EG"]')
    expect(sight).to_contain_text("Kooperationsplan")
    expect(page.locator("#neu")).to_have_text("Die Anzeige rechts ist auf dem neuesten Stand.")
    assert page.evaluate(f"{FOCUSED}.value") == "jc-seestadt>ja-seestadt=EG", "the focus stays where it was"
    without_findings(page)
    page.keyboard.press("Space")
    expect(sight).not_to_contain_text("Kooperationsplan")
    page.keyboard.press("Space")
    expect(sight).to_contain_text("Kooperationsplan")
    sign_for_everybody(page)
    tab_to(page, "button.primary")
    page.keyboard.press("Enter")
    page.wait_for_url("**/stand?**")
    expect(page.get_by_text("Das sieht Jugendamt Seestadt jetzt von Ihnen")).to_be_visible(timeout=MINUTE)
    expect(page.locator("main")).to_contain_text("Kooperationsplan")
    without_findings(page)
    tab_to(page, "text=Ihre Kopie zum Mitnehmen")
    page.keyboard.press("Enter")
    page.wait_for_url("**/kopie/**")
    without_findings(page)
    page.go_back()
    tab_to(page, "text=Etwas zurücknehmen")
    page.keyboard.press("Enter")
    page.wait_for_url("**/widerruf?**")
    without_findings(page)
    tab_to(page, "button.primary")
    page.keyboard.press("Enter")
    page.wait_for_url("**/stand?**")
    expect(page.locator("main")).to_contain_text("Gelöscht am", timeout=MINUTE)
    expect(page.locator("main")).to_contain_text("Jugendamt Seestadt sieht jetzt nichts von Ihnen.")
    without_findings(page)


def test_a_family_decides_in_turkish(page: Page) -> None:
    choose_family(page, "Acht Personen")
    tab_to(page, "text=Türkçe")
    page.keyboard.press("Enter")
    page.wait_for_url("**lang=tr")
    expect(page.locator("html")).to_have_attribute("lang", "tr")
    expect(page.get_by_role("heading", name="Neye evet diyorsunuz?")).to_be_visible()
    tick(page, 'input[value="jc-seestadt>ja-seestadt=EG"]')
    expect(page.locator("#neu")).to_have_text("Sağdaki gösterim güncel.")
    without_findings(page)
    sign_for_everybody(page)
    tab_to(page, "button.primary")
    page.keyboard.press("Enter")
    page.wait_for_url("**/stand?**")
    expect(page.get_by_text("Jugendamt Seestadt şimdi sizin hakkınızda bunları görüyor")).to_be_visible(
        timeout=MINUTE
    )
    without_findings(page)


def test_without_a_script_the_button_beside_it_does_the_same(browser: Browser, address: str) -> None:
    context = browser.new_context(base_url=address, java_script_enabled=False)
    page = context.new_page()
    page.goto("/desk")
    page.locator("section").first.locator("li", has_text="Nur mündlich eingewilligt").locator("a").click()
    page.locator('input[value="jc-seestadt>ja-seestadt=LS"]').check()
    page.get_by_role("button", name="Zeigen, was sich ändert").click()
    expect(page.locator("#sicht")).to_contain_text("Leistungen eines Monats")
    expect(page.locator('input[value="jc-seestadt>ja-seestadt=LS"]')).to_be_checked()
    context.close()


def test_it_fits_a_narrow_screen_and_large_letters(browser: Browser, address: str) -> None:
    context = browser.new_context(base_url=address, viewport={"width": 320, "height": 640})
    page = context.new_page()
    page.goto("/desk")
    page.locator("section").first.locator("a").first.click()
    page.wait_for_url("**/desk/jc-seestadt/**")
    assert page.evaluate("document.documentElement.scrollWidth") <= 320, "nothing is cut off (WCAG 1.4.10)"
    context.close()


def test_the_joint_view_by_keyboard_and_without_findings(page: Page) -> None:
    page.goto("/")
    without_findings(page)
    tab_to(page, 'button[value="jc-seestadt.jc_case_manager"]')
    assert focus_is_seen(page)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="2. Familie – Jobcenter Seestadt")).to_be_visible()
    without_findings(page)
    tab_to(page, 'a[href^="/fall/"]')
    page.keyboard.press("Enter")
    page.wait_for_url("**/fall/**")
    expect(page.get_by_role("heading", name="Gemeinsame Sicht")).to_be_visible()
    expect(page.locator("main")).to_contain_text("Zur Familie können weitere Personen gehören.")
    without_findings(page)
    tab_to(page, "text=Andere Rolle oder Familie wählen")
