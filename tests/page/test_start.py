"""Start: a folder of folders is looked over, sent as archives, and followed while it is enrolled."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.page.conftest import ARABIC, Opener, file_of, folder_of, near, part
from tests.page.test_frame import violations

from semelha.gallery import Gallery

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three subjects, one with a file that is no picture and one that cannot be read."""
    root = folder_of(
        tmp_path / "catalogue",
        coffee=[part("coffee.png", 20, 20), part("coffee.png", 20, 20, shift=2)],
        chelsea=[part("chelsea.png", 20, 20), part("chelsea.png", 20, 20, shift=2)],
        **{ARABIC: [part("chelsea.png", 170, 160), b"no picture"]},
    )
    (root / "coffee" / "notes.txt").write_text("x")
    (root / ".DS_Store").write_text("x")
    return root


def choose(page: Any, folder: Path) -> None:
    page.locator("input[webkitdirectory]").set_input_files(folder)
    page.get_by_role("heading", name="subjects found").wait_for()


def test_an_empty_gallery_is_filled_and_then_recognizes(
    empty: Path, folder: Path, serve: Callable[..., str], open_page: Opener
) -> None:
    page = open_page(serve(empty))
    assert page.url.endswith("#/empty/start")
    page.get_by_role("heading", name="Fill this gallery").wait_for()
    assert violations(page) == []
    choose(page, folder)
    page.get_by_text("3 subjects found").wait_for()
    page.get_by_text("1 file is left out").click()
    page.get_by_text("catalogue/coffee/notes.txt: no picture").wait_for()
    assert violations(page) == []
    page.get_by_role("button", name="Enroll all").click()
    page.get_by_role("heading", name="Done").wait_for()
    page.get_by_text("5 pictures were enrolled").wait_for()
    page.get_by_text("1 file cannot be used").wait_for()
    page.get_by_text(f"{ARABIC}/1.jpg: This file cannot be read as a picture").wait_for()
    assert violations(page) == []
    with Gallery(empty) as gallery:
        assert sorted(gallery) == sorted(["chelsea", "coffee", ARABIC])
        assert len(gallery.examples("coffee")) == 2
    page.get_by_role("link", name="Identify a picture").click()
    page.locator("input[type=file]").first.set_input_files([file_of("a.png", near("coffee.png", 20, 20))])
    page.get_by_role("heading", name="coffee").wait_for()


def test_a_large_import_is_sent_in_parts_and_survives_a_reload(
    empty: Path, folder: Path, serve: Callable[..., str], open_page: Opener
) -> None:
    """The job that the server has goes on; the page shows it, and says how many had been enrolled."""
    page = open_page(serve(empty))
    held = threading.Event()
    sent = []

    def hold(route: Any) -> None:
        sent.append(route.request.method)
        route.continue_()

    page.route("**/imports*", hold)
    running = {
        "id": "1", "kind": "import", "gallery": "empty", "created": "2026-01-01T00:00:00+00:00",
        "state": "running", "done": 3, "total": 5, "result": None, "problem": None,
    }  # fmt: skip
    page.route("**/jobs/*", lambda route: route.fulfill(json=running))
    choose(page, folder)
    page.get_by_role("button", name="Enroll all").click()
    page.get_by_text("3 of 6 pictures").wait_for()
    assert sent == ["POST"]
    page.on("dialog", lambda dialog: dialog.accept())
    page.route("**/jobs", lambda route: route.fulfill(json={"jobs": [] if held.is_set() else [running]}))
    page.reload()
    page.get_by_role("heading", name="An import is going on").wait_for()
    page.get_by_text("3 of 5 pictures").wait_for()
    page.get_by_text("The page was closed while pictures were being sent: 3 of 6 are enrolled").wait_for()
    assert violations(page) == []
    held.set()
    page.get_by_role("heading", name="An import is going on").wait_for(state="detached")


def test_an_import_is_stopped(empty: Path, folder: Path, serve: Callable[..., str], open_page: Opener) -> None:
    """Its job is cancelled, and forgotten by the server."""
    open_page.expected = ("404",)
    page = open_page(serve(empty))
    cancelled = []
    running = {"id": "1", "kind": "import", "state": "running", "done": 1, "total": 6, "result": None, "problem": None}

    def job(route: Any) -> None:
        if route.request.method == "DELETE":
            cancelled.append(route.request.url)
            route.fulfill(json=running)
        elif cancelled:
            route.fulfill(status=404, json={"type": "urn:semelha:problem:job-not-found", "detail": "gone"})
        else:
            route.fulfill(json=running)

    page.route("**/imports*", lambda route: route.fulfill(status=202, json=running))
    page.route("**/jobs/*", job)
    choose(page, folder)
    page.get_by_role("button", name="Enroll all").click()
    page.get_by_text("1 of 6 pictures").wait_for()
    page.get_by_role("button", name="Stop").click()
    page.get_by_role("heading", name="Stopped").wait_for()
    assert len(cancelled) == 1


def test_a_full_disk_is_reported_and_nothing_is_lost(
    empty: Path, folder: Path, serve: Callable[..., str], open_page: Opener
) -> None:
    open_page.expected = ("507",)
    page = open_page(serve(empty))
    problem = {"type": "urn:semelha:problem:gallery-not-writable", "detail": "full", "request_id": "r1"}
    page.route("**/imports*", lambda route: route.fulfill(status=507, json=problem))
    choose(page, folder)
    page.get_by_role("button", name="Enroll all").click()
    page.get_by_text("The gallery cannot be written").wait_for()
    page.get_by_text("Request r1").wait_for()
    assert page.get_by_role("heading", name="It stopped with an error").count() == 1


def test_single_pictures_are_enrolled_under_a_name(empty: Path, serve: Callable[..., str], open_page: Opener) -> None:
    page = open_page(serve(empty))
    page.locator("input[type=file]:not([webkitdirectory])").set_input_files(
        [file_of("a.png", near("coffee.png", 20, 20)), file_of("b.png", near("coffee.png", 24, 24))]
    )
    page.get_by_role("combobox").fill("a cup")
    page.get_by_role("button", name="Enroll").click()
    page.get_by_text("2 pictures of a cup enrolled").wait_for()
    page.get_by_text("Then identify new pictures").wait_for()


def test_a_problem_goes_away_with_its_view(parts: Path, serve: Callable[..., str], open_page: Opener) -> None:
    """On a phone it covers what is below it. Of pictures that are there already nothing else is said."""
    open_page.expected = ("415",)
    page = open_page(serve(parts), "/#/parts/start", viewport={"width": 390, "height": 844})
    files = [file_of("again.jpg", part("coffee.png", 20, 20)), file_of("bad.jpg", b"not a picture")]
    page.locator("input[type=file]:not([webkitdirectory])").set_input_files(files)
    page.get_by_role("combobox").fill("Coffee 0")
    page.get_by_role("option", name="coffee 0", exact=True, selected=True).wait_for()
    page.keyboard.press("Enter")
    page.get_by_text("1 was enrolled already. 1 file cannot be used: bad.jpg.").wait_for()
    assert page.locator(".notice.problem").inner_text().startswith("1 was enrolled already")
    page.get_by_role("link", name="Gallery").click()
    page.locator(".notice").wait_for(state="detached")


def test_a_key_that_may_only_read(parts: Path, serve: Callable[..., str], open_page: Opener, tmp_path: Path) -> None:
    """No button of the page does what the key may not."""
    from semelha.service.keys import KeyFile

    open_page.expected = ("401",)
    _, key = KeyFile(tmp_path / "keys.json").create("till", "read")
    page = open_page(serve(parts, require_keys=True), "/#/parts/start")
    page.get_by_label("API key").fill(key)
    page.keyboard.press("Enter")
    page.get_by_text("Your key may only identify").wait_for()
    assert page.locator("input[type=file]").count() == 0
    page.get_by_role("link", name="Gallery").click()
    page.get_by_role("link", name="coffee 0").click()
    page.get_by_role("heading", name="coffee 0").wait_for()
    page.locator(".example img[src^=blob]").first.wait_for()
    assert page.locator("main button").count() == 0


def test_on_a_phone_pictures_come_before_a_folder(empty: Path, serve: Callable[..., str], open_page: Opener) -> None:
    """Few phones can give a folder to a browser."""
    address = serve(empty)
    titles = [["Choose a folder", "Pictures of one subject"], ["Pictures of one subject", "Choose a folder"]]
    for expected, options in zip(titles, ({}, PHONE), strict=True):
        page = open_page(address, "/#/empty/start", **options)
        buttons = page.locator(".drop .actions button")
        buttons.first.wait_for()
        assert [text.strip() for text in buttons.all_inner_texts()] == expected
        assert "primary" in (buttons.first.get_attribute("class") or "")
