"""Review: pictures that were not recognized for sure are confirmed, named or dismissed, and this can be undone."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.page.conftest import Opener, near, part, pictures_are_drawn
from tests.page.test_frame import violations

from semelha.gallery import Gallery
from semelha.service.keys import KeyFile

NEW = "coins.png"  # a photograph of which the gallery has no part


@pytest.fixture
def doubtful(parts: Path) -> Path:
    """The gallery with five pictures to name: one of a subject, and two of each of two things that it does not have."""
    pictures = [near("coffee.png", 20, 20)]
    for left, top in ((40, 40), (200, 150)):
        pictures += [part(NEW, left, top), part(NEW, left, top, shift=2)]
    with Gallery(parts) as gallery:
        probes = gallery.embed_probes(pictures)
        answers = [_unsure(one) for one in gallery.identify_probes(probes, k=5)]
        gallery.keep_for_review(probes, answers, pictures)
    return parts


def _unsure(answer: Any) -> Any:
    return replace(answer, decision="uncertain" if answer.decision == "known" else "unknown")


def left(path: Path) -> int:
    """Pictures that wait in the gallery."""
    with Gallery(path) as gallery:
        return gallery.reviews().total


def opened(open_page: Opener, address: str, **options: Any) -> Any:
    page = open_page(address, "/#/parts/review", **options)
    page.locator(".group, .nothing, main .banner").first.wait_for()
    return page


def sent(page: Any) -> None:
    """Leave the view, which sends what could be undone until then."""
    with page.expect_response("**/reviews/*"):
        page.locator("nav a").first.click()
    page.get_by_role("button", name="Choose pictures").wait_for()


def test_a_group_is_confirmed_named_and_dismissed_by_keyboard_alone(
    doubtful: Path, serve: Callable[..., str], open_page: Opener
) -> None:
    page = opened(open_page, serve(doubtful, keep_reviews=True))
    assert page.locator("nav .count").inner_text() == "5"
    assert page.get_by_role("link", name="Review 5 pictures to name").count() == 1
    pictures_are_drawn(page, ".group img")
    assert violations(page) == []
    groups = page.locator(".group")
    count = groups.count()
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    assert page.evaluate("document.activeElement === document.querySelector('.group')")
    page.keyboard.press("n")
    assert page.evaluate("document.activeElement.getAttribute('role')") == "combobox"
    page.keyboard.type("a jinx coin")  # j, n and x are letters here
    assert groups.count() == count
    assert violations(page) == []
    page.keyboard.press("Enter")
    page.get_by_text("saved as a jinx coin").wait_for()
    assert groups.count() == count - 1
    assert page.evaluate("document.activeElement === document.querySelector('.group')")
    page.keyboard.press("x")
    page.get_by_text("dismissed").wait_for()
    for rest in range(count - 3, 0, -1):
        page.keyboard.press("x")
        groups.nth(rest).wait_for(state="detached")
    page.keyboard.press("Enter")
    page.get_by_text("1 picture saved as coffee 0").wait_for()
    page.get_by_text("Nothing to review").wait_for()
    sent(page)
    assert left(doubtful) == 0
    with Gallery(doubtful) as gallery:
        assert len(gallery.examples("coffee 0")) == 3
        assert gallery.examples("a jinx coin")


def test_what_was_done_last_can_be_undone(doubtful: Path, serve: Callable[..., str], open_page: Opener) -> None:
    page = opened(open_page, serve(doubtful, keep_reviews=True))
    count = page.locator(".group").count()
    page.get_by_role("button", name="Dismiss").first.click()
    assert page.locator(".group").count() == count - 1
    assert violations(page) == []
    page.get_by_role("button", name="Undo").click()
    assert page.locator(".group").count() == count
    page.keyboard.press("x")
    page.keyboard.press("u")
    assert page.locator(".group").count() == count
    assert page.locator("nav .count").inner_text() == "5"
    page.reload()
    page.locator(".group").first.wait_for()
    assert left(doubtful) == 5


def test_a_closed_page_has_sent_what_was_done(doubtful: Path, serve: Callable[..., str], open_page: Opener) -> None:
    page = opened(open_page, serve(doubtful, keep_reviews=True))
    page.get_by_role("button", name="Dismiss").first.click()
    page.goto("about:blank")
    page.wait_for_timeout(500)
    assert left(doubtful) < 5


def test_a_picture_that_does_not_belong_is_left_out(
    doubtful: Path, serve: Callable[..., str], open_page: Opener
) -> None:
    page = opened(open_page, serve(doubtful, keep_reviews=True))
    group = page.locator(".group", has=page.get_by_role("checkbox")).first
    size = group.get_by_role("checkbox").count()
    assert size >= 2
    group.get_by_role("checkbox").first.uncheck()
    group.get_by_role("button", name="Dismiss").click()
    page.locator(".undo-bar").get_by_text(f"{size - 1} picture").wait_for()
    assert page.get_by_role("button", name="Dismiss").first.is_enabled()
    sent(page)
    assert left(doubtful) == 5 - (size - 1)


def test_shortcuts_of_one_key_can_be_turned_off(doubtful: Path, serve: Callable[..., str], open_page: Opener) -> None:
    page = opened(open_page, serve(doubtful, keep_reviews=True))
    page.get_by_label("Shortcuts of one key").uncheck()
    count = page.locator(".group").count()
    page.locator(".group").first.focus()
    page.keyboard.press("x")
    page.keyboard.press("n")
    assert page.locator(".group").count() == count
    assert page.get_by_role("combobox").count() == 0
    page.reload()
    assert not page.get_by_label("Shortcuts of one key").is_checked()


def test_a_phone_in_portuguese_and_one_kind_alone(doubtful: Path, serve: Callable[..., str], open_page: Opener) -> None:
    phone = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
    page = opened(open_page, serve(doubtful, keep_reviews=True), **phone, locale="pt-BR", color_scheme="dark")
    page.get_by_role("button", name="Sem certeza 1").click()
    page.locator(".group").nth(1).wait_for(state="detached")
    page.get_by_role("button", name="É coffee 0").wait_for()
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_key_that_may_only_look(doubtful: Path, serve: Callable[..., str], open_page: Opener, tmp_path: Path) -> None:
    _, key = KeyFile(tmp_path / "keys.json").create("guest", "read")
    open_page.expected = ("401",)
    page = open_page(serve(doubtful, keep_reviews=True, require_keys=True), "/#/parts/review")
    page.get_by_label("API key").fill(key)
    page.keyboard.press("Enter")
    page.locator(".group img[src^=blob]").first.wait_for()
    page.get_by_text("Your key may look, but not name or dismiss").wait_for()
    assert page.locator(".group button").count() == 0
    count = page.locator(".group").count()
    page.keyboard.press("j")
    page.keyboard.press("x")
    page.keyboard.press("Enter")
    assert page.locator(".group").count() == count


def test_a_server_that_keeps_nothing_says_how_it_would(
    parts: Path, serve: Callable[..., str], open_page: Opener
) -> None:
    page = opened(open_page, serve(parts))
    page.get_by_text("semelha serve parts --keep-reviews").wait_for()
    assert violations(page) == []


def test_many_reviews_come_in_pages(parts: Path, serve: Callable[..., str], open_page: Opener) -> None:
    """As a server answers with 10,000: a group that a page cuts is shown when the whole of it is there."""
    page = open_page(serve(parts, keep_reviews=True))
    asked: list[str] = []

    def answer(route: Any) -> None:
        limit = 1 if "limit=1&" in f"{route.request.url}&" else 100
        start = int(route.request.url.partition("cursor=")[2] or 0)
        asked.append(route.request.url)
        one = {"kind": "unknown", "source": "a.png", "created": "2026-01-02T03:04:05+00:00", "has_picture": False}
        more = {"p_value": 0.5, "probability": None, "target_fpir": 0.2, "candidates": [], "distance": None}
        reviews = [{**one, **more, "id": 20_000 - n, "group": 20_000 - n // 7} for n in range(start, start + limit)]
        counts = {"total": 10_000, "unknown": 10_000, "uncertain": 0, "note": "", "is_keeping": True}
        route.fulfill(json={**counts, "reviews": reviews, "next": str(start + limit)})

    page.route("**/reviews?*", answer)
    page.goto(page.url.replace("identify", "review"))
    page.locator(".group").first.wait_for()
    assert page.locator(".group").count() == 14
    assert page.locator("nav .count").inner_text() == "10K"
    page.get_by_role("button", name="Show more groups").click()
    page.locator(".group").nth(27).wait_for()
    assert page.locator(".group").count() == 28
    assert page.locator(".group").nth(14).locator("li").count() == 7
