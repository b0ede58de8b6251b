"""The frame of every view: accessible, in two languages and themes, with a key, and when the server is away."""

import re
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.page.conftest import AWAY, Opener, file_of, near, running

from semelha.service.keys import KeyFile

VIEWS = ("identify", "gallery", "gallery/coffee%200", "review", "care", "map", "trust", "start")
LOOKS = (
    {"viewport": {"width": 1280, "height": 900}, "color_scheme": "light", "locale": "en-US"},
    {"viewport": {"width": 390, "height": 844}, "color_scheme": "dark", "locale": "pt-BR", "has_touch": True},
)
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa"]


def violations(page: Any) -> list[str]:
    """What axe-core finds against WCAG 2.2 AA."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    found = axe.run(page, options={"runOnly": {"type": "tag", "values": TAGS}}).response["violations"]
    return [f"{one['id']}: {one['help']}: {[node['html'] for node in one['nodes']][:3]}" for one in found]


@pytest.mark.parametrize("look", LOOKS, ids=["desktop", "phone"])
@pytest.mark.parametrize("view", VIEWS)
def test_every_view_opens_and_is_accessible(view: str, look: dict[str, Any], reading: str, open_page: Opener) -> None:
    page = open_page(reading, f"/#/parts/{view}", **look)
    page.locator("main h1").wait_for()
    page.wait_for_load_state("networkidle")
    assert violations(page) == []
    assert page.locator("nav a[aria-current=page]").count() == 1
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.get_by_role("button", name="theme" if look["locale"] == "en-US" else "tema").click()
    assert violations(page) == []


SPOKEN = """() => {
    const named = Array.from(document.querySelectorAll("[aria-label], [title], [placeholder]"));
    const texts = named.map((one) => `${one.ariaLabel} ${one.title} ${one.placeholder}`);
    return [document.body.innerText, ...texts].join("; ");
}"""
"""What a page says to those who see it or hear it."""


@pytest.mark.parametrize("is_narrow", [False, True], ids=["touch", "narrow"])
@pytest.mark.parametrize("locale", ["en-US", "pt-BR"])
def test_a_phone_is_not_told_to_drop_or_drag(
    locale: str, is_narrow: bool, parts: Path, empty: Path, serve: Callable[..., str], open_page: Opener
) -> None:
    size = {"viewport": {"width": 390, "height": 844}} if is_narrow else {"has_touch": True, "is_mobile": True}
    address = serve(parts, empty)
    page = open_page(address, locale=locale, **size)
    said = {}
    for gallery, view in [*(("parts", view) for view in VIEWS), ("empty", "identify"), ("empty", "start")]:
        page.goto("about:blank")  # so that the view before is gone
        page.goto(f"{address}/#/{gallery}/{view}")
        page.locator("main h1").wait_for()
        page.wait_for_load_state("networkidle")
        said[gallery, view] = page.evaluate(SPOKEN)
    for text in said.values():
        assert not re.search(r"\b(drop|drag|solte\b|soltas sobre|arrast)", text, re.IGNORECASE), text
    chosen = "Choose pictures or take one" if locale == "en-US" else "Escolha imagens ou tire uma foto"
    assert chosen in said["parts", "identify"]


def test_language_and_theme_are_chosen_and_kept(reading: str, open_page: Opener) -> None:
    page = open_page(reading, locale="pt-PT")
    assert page.locator("h1").inner_text() == "O que é?"
    assert page.evaluate("document.documentElement.lang") == "pt-BR"
    page.get_by_role("button", name="Idioma e tema").click()
    page.get_by_label("English").check()
    page.get_by_label("Dark").check()
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.reload()
    assert page.locator("h1").inner_text() == "What is it?"
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == dark != "rgb(246, 248, 247)"


def test_the_skip_link_and_the_address_of_the_first_gallery(
    parts: Path, empty: Path, serve: Callable[..., str], open_page: Opener
) -> None:
    page = open_page(serve(parts, empty))
    assert page.url.endswith("#/parts/identify")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    page.get_by_label("Gallery", exact=True).select_option("empty")
    page.get_by_text("This gallery is empty").wait_for()
    assert "/#/empty" in page.url


def test_a_key_is_asked_for_once_and_again_when_it_is_revoked(
    parts: Path, serve: Callable[..., str], open_page: Opener, tmp_path: Path
) -> None:
    """It is in no address and in no storage but that of the tab; pictures are fetched with it."""
    open_page.expected = ("401",)
    keys = KeyFile(tmp_path / "keys.json")
    one, key = keys.create("till", "read")
    page = open_page(serve(parts, require_keys=True))
    urls: list[str] = []
    page.on("request", lambda request: urls.append(request.url))
    page.get_by_label("API key").fill("semelha_wrong")
    page.keyboard.press("Enter")
    page.get_by_text("does not accept this key").wait_for()
    assert violations(page) == []
    page.get_by_label("API key").fill(key)
    page.get_by_role("button", name="Use this key").click()
    page.locator("h1").wait_for()
    page.locator("input[type=file]").first.set_input_files([file_of("a.png", near("coffee.png", 20, 20))])
    page.locator(".evidence img[src^=blob]").first.wait_for()
    assert page.locator(".answer").get_by_role("button", name="Yes").count() == 0  # the key may only read
    assert not any(key in url for url in urls)
    assert key not in page.evaluate("JSON.stringify(localStorage)")
    page.reload()
    page.locator("h1").wait_for()
    keys.revoke(one.id)
    page.locator("input[type=file]").first.set_input_files([file_of("b.png", near("coffee.png", 20, 20))])
    page.get_by_text("does not accept this key").wait_for()
    page.get_by_label("API key").fill(keys.create("till", "enroll")[1])
    page.keyboard.press("Enter")
    page.locator(".verdict h2").wait_for()


def test_a_server_that_went_away_and_came_back(parts: Path, open_page: Opener, tmp_path: Path) -> None:
    open_page.expected = AWAY
    with running(parts, keys=tmp_path / "keys.json") as address:
        page = open_page(address)
        page.get_by_role("button", name="Choose pictures").wait_for()
    page.locator("input[type=file]").first.set_input_files([file_of("a.png", near("coffee.png", 20, 20))])
    page.get_by_text("The server cannot be reached").wait_for()
    port = int(address.rpartition(":")[2])
    with running(parts, keys=tmp_path / "keys.json", port=port):
        page.locator(".verdict h2").wait_for()
        page.get_by_text("The server cannot be reached").wait_for(state="detached")
        page.close()


def test_a_busy_server_is_asked_again_after_the_time_that_it_says(reading: str, open_page: Opener) -> None:
    open_page.expected = ("429",)
    page = open_page(reading)
    times: list[float] = []

    def busy(route: Any) -> None:
        times.append(time.monotonic())
        if len(times) > 1:
            route.continue_()
            return
        route.fulfill(status=429, headers={"Retry-After": "1"}, content_type="application/problem+json", body="{}")

    page.route("**/identify?*", busy)
    page.locator("input[type=file]").first.set_input_files([file_of("a.png", near("coffee.png", 20, 20))])
    page.get_by_text("The server has much to do").wait_for()
    page.locator(".verdict h2").wait_for()
    assert times[1] - times[0] >= 1
    assert threading.active_count() < 100


def test_a_phone_has_the_other_views_under_more(reading: str, open_page: Opener) -> None:
    page = open_page(reading, viewport={"width": 390, "height": 844})
    trust = page.get_by_role("navigation").get_by_role("link", name="Trust")
    trust.wait_for(state="hidden")
    page.get_by_role("button", name="More").click()
    assert violations(page) == []
    trust.click()
    trust.wait_for(state="hidden")
    assert page.url.endswith("/trust")
