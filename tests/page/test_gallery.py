"""Gallery: the grid of subjects, and what is done with a subject and its examples."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from tests.page.conftest import ARABIC, Opener, file_of, near, part
from tests.page.test_frame import violations

from semelha.gallery import Gallery

COINS = file_of("coin.png", near("coins.png", 40, 40))
DROP = """([selector, buffer]) => {
    const data = new DataTransfer();
    data.items.add(new File([new Uint8Array(buffer)], "dropped.png", {type: "image/png"}));
    document.querySelector(selector).dispatchEvent(
        new DragEvent("drop", {dataTransfer: data, bubbles: true, cancelable: true}));
}"""


@pytest.fixture
def page(parts: Path, serve: Callable[..., str], open_page: Opener) -> Any:
    opened = open_page(serve(parts), "/#/parts/gallery")
    opened.locator(".tile").first.wait_for()
    return opened


def names(page: Any) -> list[str]:
    return page.locator(".tile .name").all_inner_texts()


def subject(page: Any, name: str) -> None:
    page.get_by_role("link", name=name).click()
    page.get_by_role("heading", name=name, exact=True).wait_for()


def test_search_and_order(reading: str, open_page: Opener) -> None:
    page = open_page(reading, "/#/parts/gallery")
    page.locator(".tile").first.wait_for()
    assert len(names(page)) == 20
    page.get_by_label("Search by name").fill("coffee")
    page.get_by_text("4 subjects").wait_for()
    assert names(page) == [f"coffee {number}" for number in range(4)]
    page.get_by_label("Order").select_option("-created")
    page.locator(".tile").first.locator(".name", has_text="coffee 3").wait_for()
    assert names(page) == [f"coffee {number}" for number in (3, 2, 1, 0)]
    page.get_by_label("Search by name").fill("nothing")
    page.get_by_text("No name contains “nothing”").wait_for()
    page.get_by_label("Search by name").fill(ARABIC)
    page.get_by_text("1 subject", exact=True).wait_for()
    assert page.locator(f"bdi:text-is('{ARABIC}')").count() == 1


def test_rename_and_undo(page: Any, open_page: Opener) -> None:
    open_page.expected = ("409",)
    subject(page, "coffee 0")
    page.get_by_role("button", name="Rename").click()
    page.get_by_label("New name").fill("coffee 1")
    page.keyboard.press("Enter")
    page.get_by_text("That name is in use already").wait_for()
    assert violations(page) == []
    page.get_by_label("New name").fill("espresso / crème")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="espresso / crème").wait_for()
    page.locator(".example").nth(1).wait_for()
    page.get_by_role("button", name="Undo").click()
    page.get_by_role("heading", name="coffee 0").wait_for()


def test_two_people_rename_one_subject(page: Any, parts: Path, open_page: Opener) -> None:
    """The second one is told, and finds the list as it is."""
    open_page.expected = ("404",)
    subject(page, "coffee 0")
    with Gallery(parts) as gallery:
        gallery.rename("coffee 0", "espresso")
    page.get_by_role("button", name="Rename").click()
    page.get_by_label("New name").fill("mocha")
    page.keyboard.press("Enter")
    page.get_by_text("somebody may have renamed or removed it").first.wait_for()
    page.keyboard.press("Escape")
    page.get_by_role("link", name="Gallery").first.click()
    page.get_by_label("Search by name").fill("espresso")
    page.locator(".tile .name", has_text="espresso").wait_for()


def test_merge_undo_at_once_and_later(page: Any, parts: Path) -> None:
    subject(page, "coffee 0")
    for name, how in (("notice", ".notice"), ("line", ".said")):
        page.get_by_role("button", name="Merge").click()
        page.get_by_role("combobox").fill("chelsea 1")
        page.get_by_role("option", name="chelsea 1", exact=True).click()
        page.get_by_role("heading", name="chelsea 1").wait_for()
        page.get_by_text("coffee 0 was merged into it, with 2 pictures").wait_for()
        assert page.locator(".example").count() == 4, name
        page.locator(how).get_by_role("button", name="Undo").click()
        page.get_by_role("heading", name="coffee 0", exact=True).wait_for()
        page.get_by_text("2 pictures, since").wait_for()
    with Gallery(parts) as gallery:
        assert len(gallery) == 20


def test_what_was_said_not_to_be_it_is_taken_back_later(page: Any, parts: Path) -> None:
    """Also when the answer with its "Undo" is gone."""
    with Gallery(parts) as gallery:
        gallery.reject(part("coffee.png", 170, 20, shift=1), "coffee 0")
    subject(page, "coffee 0")
    page.get_by_role("heading", name="Not coffee 0").wait_for()
    assert violations(page) == []
    page.get_by_role("button", name="Take back what was said").click()
    page.get_by_role("heading", name="Not coffee 0").wait_for(state="detached")
    with Gallery(parts) as gallery:
        assert list(gallery.rejections("coffee 0")) == []


def test_examples_are_moved_and_deleted(page: Any, parts: Path) -> None:
    subject(page, "coffee 0")
    page.get_by_role("button", name="Move the picture").first.click()
    page.get_by_role("combobox").fill("a new cup")
    page.get_by_role("button", name="Move", exact=True).last.click()
    page.get_by_text("The picture is one of a new cup now").wait_for()
    page.get_by_text("1 picture, since").wait_for()
    page.get_by_role("button", name="Undo").click()
    page.get_by_text("2 pictures, since").wait_for()
    for left in (1, 0):
        page.get_by_role("button", name="Delete the picture").first.click()
        page.get_by_text("It is the only one" if left == 0 else "This cannot be undone").wait_for()
        assert violations(page) == []
        page.get_by_role("dialog").get_by_role("button", name="Delete").click()
        page.get_by_text("The picture is deleted").first.wait_for()
        if left:
            page.get_by_text("1 picture, since").wait_for()
    page.get_by_role("heading", name="Gallery").wait_for()
    with Gallery(parts) as gallery:
        assert "coffee 0" not in gallery


def test_a_subject_is_deleted_after_a_question(page: Any, parts: Path) -> None:
    subject(page, "coffee 0")
    page.get_by_role("button", name="Delete", exact=True).click()
    page.get_by_text("Its 2 pictures are deleted too").wait_for()
    page.get_by_role("button", name="Cancel").click()
    page.get_by_role("button", name="Delete", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    page.get_by_text("19 subjects").wait_for()


def test_pictures_are_dropped_on_a_subject_and_beside(page: Any, parts: Path, open_page: Opener) -> None:
    page.evaluate(DROP, ['[data-subject="coffee 2"] a', list(COINS["buffer"])])
    page.get_by_text("1 picture of coffee 2 enrolled").wait_for()
    page.get_by_role("button", name="Undo").click()
    page.locator('[data-subject="coffee 2"]', has_text="2 pictures").wait_for()
    page.evaluate(DROP, ["main", list(COINS["buffer"])])
    page.get_by_role("dialog").get_by_role("combobox").fill("coin")
    assert violations(page) == []
    page.get_by_role("button", name="Enroll").click()
    page.get_by_text("21 subjects").wait_for()
    open_page.expected = ("415",)
    subject(page, "coin")
    page.locator("input[type=file]").first.set_input_files([COINS, file_of("bad.jpg", b"no picture")])
    page.get_by_text("1 was enrolled already").wait_for()
    page.get_by_text("1 file cannot be used: bad.jpg").wait_for()


def many(count: int) -> Callable[[Any], None]:
    """Answers for a gallery of so many subjects."""

    def answer(route: Any) -> None:
        query = {name: values[0] for name, values in parse_qs(urlsplit(route.request.url).query).items()}
        start, size = int(query.get("cursor", 0)), int(query["limit"])
        some = [
            {"name": f"subject {number:05}", "examples": 1, "created": "2026-01-01T00:00:00+00:00"}
            for number in range(start, min(start + size, count))
        ]
        following = str(start + size) if start + size < count else None
        body = json.dumps({"subjects": some, "total": count, "next": following})
        route.fulfill(status=200, content_type="application/json", body=body)

    return answer


def test_ten_thousand_subjects(reading: str, open_page: Opener) -> None:
    """Few are in the document at a time, the last is reached by scrolling, and by keyboard from one to the next."""
    open_page.expected = ("404",)  # their pictures are not there
    page = open_page(reading, "/#/parts/identify")
    page.route("**/subjects?*", many(10_000))
    page.get_by_role("link", name="Gallery").click()
    page.get_by_text("10,000 subjects").wait_for()
    page.locator(".tile").first.wait_for()
    assert page.locator(".tile").count() < 100
    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    page.locator('[data-subject="subject 09999"]').wait_for()
    assert page.locator(".tile").count() < 100
    page.evaluate("scrollTo(0, 0)")
    page.locator('[data-subject="subject 00000"] a').focus()
    for _ in range(12):
        page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    place = int(page.evaluate("document.activeElement.closest('[data-place]').dataset.place"))
    assert place % 12 == 1 % 12
    page.keyboard.press("Enter")
    page.get_by_role("link", name="Gallery").last.click()
    page.locator(f'[data-place="{place}"]').wait_for()
