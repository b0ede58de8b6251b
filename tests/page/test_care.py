"""Care: what a check finds is shown with its pictures, repaired in one click, and undone."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.page.conftest import Opener, part, pictures_are_drawn
from tests.page.test_frame import violations

from semelha.gallery import Gallery
from semelha.gallery.curation.check import Check, Example, Finding, Kind
from semelha.service.keys import KeyFile


@pytest.fixture
def faulty(parts: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A gallery of whose check one finding of each kind is known; moves, merges and removals are real."""

    def finding(gallery: Gallery, kind: Kind, *subjects: str) -> Finding:
        of = [Example(one.number, name, one.source) for name in subjects for one in gallery.examples(name)]
        examples = {"duplicate": (of[0], of[-1]), "mislabel": (of[0], *of[2:], of[1])}.get(kind, tuple(of))
        groups = tuple((one.number,) for one in of) if kind == "split" else ()
        return Finding(kind, 0.9, subjects, examples, "", groups)

    with Gallery(parts) as gallery:
        findings = (
            finding(gallery, "mislabel", "coffee 0", "coffee 1"),
            finding(gallery, "duplicate", "ihc 0", "ihc 1"),
            finding(gallery, "merge", "astronaut 0", "astronaut 1"),
            finding(gallery, "split", "chelsea 0"),
            finding(gallery, "outlier", "ihc 2"),
        )
    monkeypatch.setattr(Gallery, "check", lambda self, **settings: Check(findings, 40, 20, 0))
    return parts


def checked(open_page: Opener, address: str, **options: Any) -> Any:
    """The view after a check."""
    page = open_page(address, "/#/parts/care", **options)
    page.locator(".check-start").click()
    page.locator(".finding, .nothing").first.wait_for()
    return page


def card(page: Any, kind: str) -> Any:
    return page.locator(f'.finding[data-card^="{kind}"]')


def names(path: Path, subject: str) -> list[str]:
    with Gallery(path) as gallery:
        return [one.subject for one in gallery.examples(subject)] if subject in gallery else []


def test_each_finding_has_its_pictures_and_is_accessible(
    faulty: Path, serve: Callable[..., str], open_page: Opener
) -> None:
    page = checked(open_page, serve(faulty), viewport={"width": 1280, "height": 3000})  # pictures load when in view
    assert page.locator(".finding").count() == 5
    assert page.locator(".finding img").count() == 4 + 2 + 4 + 2 + 2
    pictures_are_drawn(page, ".finding img")
    assert violations(page) == []
    page.get_by_role("button", name="Wrong name 1").click()
    assert page.locator(".finding").count() == 1
    page.get_by_role("heading", name="Enrolled as coffee 0, but more like coffee 1").wait_for()


def test_a_picture_is_moved_and_moved_back(faulty: Path, serve: Callable[..., str], open_page: Opener) -> None:
    page = checked(open_page, serve(faulty))
    card(page, "mislabel").get_by_role("button", name="It is coffee 1").click()
    page.get_by_text("1 picture moved to coffee 1").wait_for()
    assert len(names(faulty, "coffee 1")) == 3
    assert violations(page) == []
    page.reload()
    page.locator(".finding").first.wait_for()
    assert card(page, "mislabel").count() == 0
    card(page, "outlier").get_by_role("button", name="Something else").click()
    page.get_by_role("combobox").fill("coffee 2")
    page.get_by_role("option", name="coffee 2", exact=True).wait_for()
    page.keyboard.press("Enter")
    page.get_by_text("moved to coffee 2").wait_for()
    page.get_by_role("button", name="Undo").click()
    card(page, "outlier").wait_for()
    assert len(names(faulty, "ihc 2")) == len(names(faulty, "coffee 2")) == 2


def test_two_that_are_one_are_merged_and_parted_again(
    faulty: Path, serve: Callable[..., str], open_page: Opener
) -> None:
    page = checked(open_page, serve(faulty))
    card(page, "merge").get_by_role("button", name="Both are astronaut 1").click()
    page.get_by_text("astronaut 0 is merged into astronaut 1").wait_for()
    assert (len(names(faulty, "astronaut 0")), len(names(faulty, "astronaut 1"))) == (0, 4)
    page.get_by_role("button", name="Undo").click()
    card(page, "merge").wait_for()
    assert len(names(faulty, "astronaut 0")) == 2
    page.reload()
    page.get_by_text("its findings are not kept").wait_for()  # the server forgets names that are gone
    page.locator(".check-start").click()
    card(page, "merge").wait_for()


def test_a_duplicate_is_removed_when_it_cannot_be_undone_any_more(
    faulty: Path, serve: Callable[..., str], open_page: Opener
) -> None:
    page = checked(open_page, serve(faulty))
    card(page, "duplicate").get_by_role("button", name="Remove from ihc 0").click()
    page.get_by_text("A picture of ihc 0 is removed").wait_for()
    page.get_by_role("button", name="Undo").click()
    card(page, "duplicate").wait_for()
    card(page, "duplicate").get_by_role("button", name="Remove from ihc 1").click()
    assert len(names(faulty, "ihc 1")) == 2
    with page.expect_response("**/examples/*"):
        page.locator("nav a").first.click()
    assert (len(names(faulty, "ihc 0")), len(names(faulty, "ihc 1"))) == (2, 1)


def test_a_repair_is_done_though_the_figures_cannot_be_read_again(
    faulty: Path, serve: Callable[..., str], open_page: Opener
) -> None:
    open_page.expected = ("500",)
    page = checked(open_page, serve(faulty))
    page.route("**/calibration", lambda route: route.fulfill(status=500, json={"detail": "broken"}))
    with page.expect_response("**/calibration"):
        card(page, "merge").get_by_role("button", name="Both are astronaut 1").click()
    page.get_by_text("astronaut 0 is merged into astronaut 1").wait_for()
    page.wait_for_timeout(200)
    assert page.locator(".problem").count() == 0


def test_one_that_is_two_is_split(faulty: Path, serve: Callable[..., str], open_page: Opener) -> None:
    page = checked(open_page, serve(faulty))
    card(page, "split").get_by_role("button", name="Give the second group a name").click()
    page.get_by_role("combobox").fill("another cat")
    page.keyboard.press("Enter")
    page.get_by_text("1 picture moved to another cat").wait_for()
    assert (len(names(faulty, "chelsea 0")), len(names(faulty, "another cat"))) == (1, 1)


def test_by_keyboard_what_is_right_is_kept_and_shown_again(
    faulty: Path, serve: Callable[..., str], open_page: Opener
) -> None:
    page = checked(open_page, serve(faulty))
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("x")
    page.get_by_text("this is right as it is").wait_for()
    assert card(page, "duplicate").count() == 0
    assert page.evaluate("document.activeElement.dataset.card.split(' ')[0]") == "merge"
    page.keyboard.press("u")
    card(page, "duplicate").wait_for()
    for _ in range(5):
        page.keyboard.press("x")
    page.get_by_text("Nothing is left").wait_for()
    page.reload()
    page.get_by_text("Nothing is left").wait_for()
    assert violations(page) == []
    page.get_by_role("button", name="Show again").click()
    assert page.locator(".finding").count() == 5


def test_progress_survives_a_reload_and_a_failure_is_told(
    parts: Path, serve: Callable[..., str], open_page: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    goes_on = threading.Event()

    def check(self: Gallery, *, progress: Any, **settings: Any) -> Check:
        progress(2, 6)
        assert goes_on.wait(60)
        if len(self) == 20:
            raise RuntimeError("a defect")
        return Check((), 40, 21, 0)

    monkeypatch.setattr(Gallery, "check", check)
    page = open_page(serve(parts), "/#/parts/care")
    page.locator(".check-start").click()
    page.locator("progress[value='2']").wait_for()
    assert violations(page) == []
    page.reload()
    page.locator("progress[value='2']").wait_for()
    goes_on.set()
    page.get_by_text("The server failed").wait_for()
    assert violations(page) == []
    with Gallery(parts) as gallery:
        gallery.enroll("coin", [part("coins.png", 40, 40)])
    page.get_by_role("button", name="Try again").click()
    page.get_by_text("Nothing found").wait_for()


def test_a_check_is_stopped(
    parts: Path, serve: Callable[..., str], open_page: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    def check(self: Gallery, *, progress: Any, **settings: Any) -> Check:
        while True:
            progress(1, 6)
            threading.Event().wait(0.05)

    monkeypatch.setattr(Gallery, "check", check)
    page = open_page(serve(parts), "/#/parts/care")
    page.locator(".check-start").click()
    page.get_by_role("button", name="Stop").click()
    page.locator(".check-start").wait_for()


def test_a_key_that_may_only_look(faulty: Path, serve: Callable[..., str], open_page: Opener, tmp_path: Path) -> None:
    _, key = KeyFile(tmp_path / "keys.json").create("guest", "read")
    open_page.expected = ("401",)
    page = open_page(serve(faulty, require_keys=True), "/#/parts/care")
    page.get_by_label("API key").fill(key)
    page.keyboard.press("Enter")
    page.locator(".check-start").click()
    page.locator(".finding").first.wait_for()
    page.get_by_text("Your key may look, but not change anything").wait_for()
    assert page.locator(".finding button").count() == 0


def test_ten_thousand_findings_on_a_phone_in_portuguese(
    faulty: Path, serve: Callable[..., str], open_page: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Gallery(faulty) as gallery:
        first, *others = gallery.check().findings
    many = tuple(Finding("merge", 0.8, others[1].subjects, (Example(n, "a", "b"),), "") for n in range(1, 10_000))
    monkeypatch.setattr(Gallery, "check", lambda self, **settings: Check((first, *many), 40, 20, 0))
    phone = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
    open_page.expected = ("404",)  # pictures of examples that are not there
    page = checked(open_page, serve(faulty), **phone, locale="pt-BR", color_scheme="dark")
    page.get_by_role("button", name="Todas 10.000").wait_for()
    assert page.locator(".finding").count() == 20
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.get_by_role("button", name="Mostrar mais das 9.980").click()
    assert page.locator(".finding").count() == 40


def test_a_real_check_finds_a_picture_that_two_subjects_have(
    parts: Path, serve: Callable[..., str], open_page: Opener
) -> None:
    with Gallery(parts) as gallery:
        gallery.enroll("coffee 3", [part("ihc.png", 20, 20)])
    page = checked(open_page, serve(parts))
    page.locator('.finding[data-card^="duplicate"]', has_text="ihc 0").first.wait_for()
