"""What happens behind the page meanwhile: the model is migrated, or the server goes away and comes back."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.page.conftest import AWAY, Opener, file_of, near, part, running
from tests.page.test_frame import violations
from tests.tiny_model import tiny_model

import semelha
from semelha.gallery import Gallery
from semelha.gallery.curation.check import Check


def asks_before_it_closes(page: Any) -> bool:
    """Whether the browser would ask before it closes or reloads the page."""
    return bool(page.evaluate("!dispatchEvent(new Event('beforeunload', { cancelable: true }))"))


def test_a_model_that_was_migrated_meanwhile(
    parts: Path, serve: Callable[..., str], open_page: Opener, tmp_path: Path
) -> None:
    """The next answer is of the new model and says so; the map offers to be drawn again; reviews and names stay."""
    open_page.expected = ("503",)  # the server opens the gallery again, and the page repeats its request
    page = open_page(serve(parts, keep_reviews=True), "/#/parts/map")
    page.locator("canvas").wait_for()
    page.get_by_role("link", name="Identify").click()
    page.locator("input[type=file]").first.set_input_files([file_of("a.png", near("coffee.png", 20, 20))])
    page.locator(".verdict h2").wait_for()
    semelha.migrate(parts, tiny_model(tmp_path / "new", seed=1, dim=32, channels=3).folder)
    page.locator("input[type=file]").first.set_input_files([file_of("b.png", near("coffee.png", 20, 160))])
    page.locator(".verdict h2").nth(1).wait_for()
    assert page.locator(".answer h2").first.inner_text() == "coffee 2"
    page.get_by_text("has got a new model").wait_for()
    assert violations(page) == []
    for view in ("Map", "Trust", "Care", "Review", "Gallery"):
        page.get_by_role("link", name=view).first.click()
        page.locator("canvas, [role=slider], input[type=range], .check-start, .nothing, .group, .tile").first.wait_for()
        assert page.get_by_text("has got a new model").count() == 1
    assert page.locator(".problem").count() == 0
    page.get_by_role("button", name="Understood").click()
    page.get_by_text("has got a new model").wait_for(state="detached")


class Server:
    """A server that can go away and come back at the same address."""

    def __init__(self, gallery: Path, folder: Path) -> None:
        self.arguments: dict[str, Any] = {"keys": folder / "keys.json", "state": folder / "state.sqlite"}
        self.gallery = gallery
        self.address = ""
        self._running: Any = None

    def start(self) -> str:
        port = int(self.address.rpartition(":")[2] or 0)
        self._running = running(self.gallery, port=port, keep_reviews=True, **self.arguments)
        self.address = self._running.__enter__()
        return self.address

    def stop(self) -> None:
        if self._running is not None:
            self._running.__exit__(None, None, None)
        self._running = None

    @contextmanager
    def away(self, page: Any) -> Iterator[None]:
        """It is away, the page says so, and then it is back."""
        self.stop()
        yield
        page.get_by_text("The server cannot be reached").wait_for()
        self.start()
        page.get_by_text("The server cannot be reached").wait_for(state="detached")


@pytest.fixture
def server(parts: Path, tmp_path: Path) -> Iterator[Server]:
    made = Server(parts, tmp_path)
    made.start()
    yield made
    made.stop()


def test_the_server_goes_away_and_comes_back_in_map_trust_and_gallery(server: Server, open_page: Opener) -> None:
    open_page.expected = AWAY
    page = open_page(server.address, "/#/parts/gallery", viewport={"width": 900, "height": 500})
    page.locator(".tile img").first.wait_for()
    page.wait_for_timeout(2500)  # the other views are loaded
    with server.away(page):
        page.get_by_role("link", name="Map").click()
        page.get_by_text("Drawing the map").wait_for()
    page.locator("canvas").wait_for()
    with server.away(page):
        page.get_by_role("link", name="Trust").click()
        page.get_by_text("Leaving out each enrolled picture").wait_for()
    page.get_by_role("slider").focus()
    page.keyboard.press("ArrowRight")
    with server.away(page):
        page.get_by_role("button", name="Use this rate").click()
        page.get_by_role("button", name="Calibrating").wait_for()
    page.get_by_text("Calibrated: at most 5 in 21").wait_for()
    assert page.locator(".problem").count() == 0


def test_pictures_that_failed_while_the_server_was_away_are_shown(server: Server, open_page: Opener) -> None:
    open_page.expected = AWAY
    page = open_page(server.address, "/#/parts/gallery", viewport={"width": 900, "height": 500})
    page.locator(".tile img").first.wait_for()
    with server.away(page):
        page.evaluate("scrollTo(0, document.body.scrollHeight)")
        page.locator(".picture.missing").first.wait_for()
        page.get_by_label("Order").select_option("-examples")  # asks the server
    page.locator(".picture.missing").first.wait_for(state="detached")


def test_a_check_that_a_restart_stopped_is_started_again(
    server: Server, open_page: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_page.expected = AWAY

    def endless(self: Gallery, *, progress: Any, **settings: Any) -> Check:
        while True:
            progress(1, 6)
            time.sleep(0.02)

    page = open_page(server.address, "/#/parts/care")
    with monkeypatch.context() as patched:
        patched.setattr(Gallery, "check", endless)
        page.locator(".check-start").click()
        page.locator("progress[value='1']").wait_for()
        with server.away(page):
            pass
    page.get_by_text("The server stopped before this was done").wait_for()
    assert violations(page) == []
    with server.away(page):
        page.get_by_role("button", name="Try again").click()
    page.locator(".finding, .nothing").first.wait_for()


@pytest.mark.parametrize("is_loaded", [True, False])
def test_what_is_dismissed_and_repaired_while_the_server_is_away_is_sent(
    parts: Path, server: Server, open_page: Opener, is_loaded: bool
) -> None:
    """Also if the next view is not loaded yet when the server goes away: it opens when the server is back."""
    open_page.expected = AWAY
    with Gallery(parts) as gallery:
        strangers = [part("coins.png", left, 40) for left in (20, 200)]
        probes = gallery.embed_probes(strangers)
        answers = [replace(one, decision="unknown") for one in gallery.identify_probes(probes, k=5)]
        gallery.keep_for_review(probes, answers, strangers)
        waiting = gallery.reviews().total
        gallery.enroll("coffee 3", [part("ihc.png", 20, 20)])
    assert waiting
    page = open_page(server.address, "/#/parts/care")
    review = "**/assets/review-*.js"
    if is_loaded:
        page.wait_for_timeout(2500)
    else:
        page.route(review, lambda route: route.abort("connectionrefused"))
    page.locator(".check-start").click()
    duplicate = page.locator('.finding[data-card^="duplicate"]').first
    remove = duplicate.get_by_role("button", name="Remove from coffee 3")
    remove.wait_for()
    with server.away(page):
        remove.click()
        page.get_by_role("link", name="Review").click()  # sends the removal
        page.get_by_text("The server cannot be reached").wait_for()
        page.unroute(review)
        assert asks_before_it_closes(page), "the removal would be lost"
    page.locator(".group").first.wait_for()
    with server.away(page):
        page.get_by_role("button", name="Dismiss").first.click()
        page.get_by_role("link", name="Gallery").click()
    page.locator(".tile img").first.wait_for()
    page.wait_for_load_state("networkidle")
    assert not asks_before_it_closes(page)
    with Gallery(parts) as gallery:
        end = time.monotonic() + 20
        while (gallery.reviews().total == waiting or len(gallery.examples("coffee 3")) > 2) and time.monotonic() < end:
            time.sleep(0.1)
        assert gallery.reviews().total < waiting
        assert len(gallery.examples("coffee 3")) == 2
