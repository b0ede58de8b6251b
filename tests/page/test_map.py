"""Map: drawn, moved, pointed at, selected from, and the same by keyboard and by name."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.page.conftest import Opener
from tests.page.test_frame import violations

from semelha.gallery import Gallery, Map
from semelha.service.keys import KeyFile

INK = """(canvas, key) => new Promise((done) => {
    canvas.dispatchEvent(new KeyboardEvent("keydown", {key, cancelable: true}));  // draws in the next frame
    requestAnimationFrame(() => {
        const gl = canvas.getContext("webgl"), pixels = new Uint8Array(4 * canvas.width * canvas.height);
        gl.readPixels(0, 0, canvas.width, canvas.height, gl.RGBA, gl.UNSIGNED_BYTE, pixels);
        done(pixels.reduce((sum, one) => sum + (one > 0), 0));
    });
})"""
"""How much of the canvas is drawn on after a key."""


@pytest.fixture(scope="module")
def drawn(shared: Path) -> Map:
    with Gallery(shared) as gallery:
        return gallery.map()


@pytest.fixture
def page(reading: str, open_page: Opener) -> Any:
    opened = open_page(reading, "/#/parts/map")
    opened.locator("canvas").wait_for()
    return opened


def place_of(page: Any, drawn: Map, point: int) -> tuple[float, float]:
    """Where a point is on the page while the whole map is shown."""
    page.locator("canvas").scroll_into_view_if_needed()
    box = page.locator("canvas").bounding_box()
    zoom = min(box["width"], box["height"]) / 2.15
    x, y = drawn.coordinates[point].tolist()
    return box["x"] + box["width"] / 2 + x * zoom, box["y"] + box["height"] / 2 - y * zoom


def lonely(drawn: Map) -> int:
    """The point that is farthest from any other."""
    away = np.linalg.norm(drawn.coordinates[:, None] - drawn.coordinates[None], axis=2)
    np.fill_diagonal(away, np.inf)
    return int(away.min(axis=1).argmax())


def test_the_picture_under_the_pointer_is_shown_and_a_click_opens_its_subject(page: Any, drawn: Map) -> None:
    point = lonely(drawn)
    page.mouse.move(*place_of(page, drawn, point))
    page.locator(".map-card img").wait_for()
    assert page.locator(".map-card bdi").inner_text() == drawn.subjects[drawn.subject_of[point]]
    assert f"/examples/{drawn.examples[point]}/thumbnail" in page.locator(".map-card img").get_attribute("src")
    page.mouse.move(5, 5)
    page.locator(".map-card").wait_for(state="detached")
    page.mouse.click(*place_of(page, drawn, point))
    page.get_by_role("heading", name=drawn.subjects[drawn.subject_of[point]]).wait_for()
    assert "/#/parts/gallery/" in page.url


def test_a_line_around_points_lists_them(page: Any, drawn: Map) -> None:
    point = lonely(drawn)
    x, y = place_of(page, drawn, point)
    page.get_by_role("button", name="Select by drawing").click()
    page.mouse.move(x - 9, y - 9)
    page.mouse.down()
    for left, top in ((9, -9), (9, 9), (-9, 9)):
        page.mouse.move(x + left, y + top, steps=2)
    page.mouse.up()
    page.get_by_role("heading", name="1 picture of 1 subject").wait_for()
    assert page.locator(".map-list bdi").first.inner_text() == drawn.subjects[drawn.subject_of[point]]
    page.wait_for_load_state("networkidle")
    assert violations(page) == []
    page.get_by_role("button", name="Clear the selection").click()
    page.get_by_role("heading", name="1 picture of").wait_for(state="detached")


def test_by_keyboard_the_map_zooms_and_a_subject_is_found_with_its_neighbors(page: Any, drawn: Map) -> None:
    canvas = page.locator("canvas")
    canvas.focus()
    whole = canvas.evaluate(INK, "0")
    page.keyboard.press("-")
    assert 0 < canvas.evaluate(INK, "-") < whole
    for _ in range(40):
        page.keyboard.press("ArrowRight")
    assert canvas.evaluate(INK, "ArrowRight") == 0
    assert canvas.evaluate(INK, "0") == whole
    page.get_by_role("button", name="Find a subject").focus()
    page.keyboard.press("Enter")
    page.locator("input:focus").wait_for()
    page.keyboard.type("coffee 1")
    page.get_by_role("option", name="coffee 1", exact=True).wait_for()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Nearest to coffee 1").wait_for()
    page.get_by_role("heading", name="2 pictures of 1 subject").wait_for()
    middles = np.stack([drawn.coordinates[drawn.subject_of == one].mean(axis=0) for one in range(len(drawn.subjects))])
    away = np.linalg.norm(middles - middles[drawn.subjects.index("coffee 1")], axis=1)
    nearest = [drawn.subjects[one] for one in np.argsort(away)[1:4]]
    assert page.locator("ol bdi").all_inner_texts()[:3] == nearest
    page.get_by_role("button", name=f"Neighbors of {nearest[0]}", exact=True).click()
    page.get_by_role("heading", name=f"Nearest to {nearest[0]}").wait_for()
    page.wait_for_load_state("networkidle")
    assert violations(page) == []


def test_a_change_of_the_gallery_is_noticed(
    parts: Path, serve: Callable[..., str], open_page: Opener, drawn: Map
) -> None:
    page = open_page(serve(parts), "/#/parts/map")
    page.locator("canvas").wait_for()
    with Gallery(parts) as gallery:
        gallery.remove("coffee 0")
    page.get_by_text("The gallery has changed").wait_for()
    page.get_by_role("button", name="Draw again").click()
    page.get_by_role("application", name=f"Map of {len(drawn) - 2} pictures").wait_for()


def test_another_method_is_computed_and_fails_with_a_reason(page: Any, open_page: Opener) -> None:
    """What the server computes is tested there: here a job is queued, runs and fails, or is done."""
    open_page.expected = ("404",)
    job = {"id": "j1", "kind": "map", "created": "", "state": "running", "done": 0, "total": 40, "result": None}
    answers = [
        {**job, "state": "failed", "problem": {"status": 409, "kind": "missing-extra", "detail": "it needs a package"}},
        {**job, "state": "done", "problem": None},
    ]
    page.route(re.compile(r"/map\?wait="), lambda route: route.fulfill(status=202, body=json.dumps(job)))
    page.route("**/jobs/j1", lambda route: route.fulfill(body=json.dumps(answers.pop(0))))
    page.get_by_label("t-SNE").check()
    page.get_by_text("is not computed yet").wait_for()
    assert violations(page) == []
    page.get_by_role("button", name="Compute it").click()
    page.get_by_text("This takes some minutes").wait_for()
    page.get_by_text("It needs a package.").wait_for()
    with page.expect_response("**/jobs/j1"):
        page.get_by_role("button", name="Compute it").click()
    page.get_by_text("It needs a package.").wait_for(state="detached")
    page.get_by_text("This takes some minutes").wait_for(state="detached")
    assert answers == []


def test_without_webgl_the_list_remains(reading: str, open_page: Opener) -> None:
    page = open_page(reading, "/#/parts/identify")
    page.evaluate("HTMLCanvasElement.prototype.getContext = () => null")
    page.get_by_role("link", name="Map").click()
    page.get_by_text("This browser cannot draw the map").wait_for()
    page.get_by_role("button", name="Find a subject").click()
    page.get_by_role("option").first.click()
    page.get_by_role("heading", name="Nearest to").wait_for()
    assert violations(page) == []


def test_an_empty_gallery_and_a_key_that_may_only_read(
    parts: Path, empty: Path, serve: Callable[..., str], open_page: Opener, tmp_path: Path
) -> None:
    open_page.expected = ("401", "404")
    _, key = KeyFile(tmp_path / "keys.json").create("till", "read")
    page = open_page(serve(empty, parts, require_keys=True), "/#/empty/map")
    page.get_by_label("API key").fill(key)
    page.keyboard.press("Enter")
    page.get_by_text("there is nothing to draw yet").wait_for()
    page.get_by_label("Gallery", exact=True).select_option("parts")
    page.get_by_label("UMAP").check()
    page.get_by_text("you need a key with the role enroll").wait_for()


def test_many_points_are_drawn_quickly(reading: str, open_page: Opener) -> None:
    """Of 100,000 points; the renderer of the test is the processor, so that the time is that of the page's own code."""
    random = np.random.default_rng(0)
    count, subjects = 100_000, 5000
    x, y = random.uniform(-1, 1, (2, count)).round(4).tolist()
    columns = {
        "method": "pca", "ids": list(range(count)), "subject": random.integers(0, subjects, count).tolist(),
        "subjects": [f"s{one}" for one in range(subjects)], "x": x, "y": y, "revision": "1", "is_current": True,
    }  # fmt: skip
    page = open_page(reading, "/#/parts/identify")
    page.route("**/map?*", lambda route: route.fulfill(body=json.dumps(columns)))
    page.get_by_role("link", name="Map").click()
    page.get_by_role("application", name="Map of 100,000 pictures of 5,000 subjects").wait_for()
    spent = page.evaluate("""() => {
        const canvas = document.querySelector("canvas"), box = canvas.getBoundingClientRect();
        const begun = performance.now();
        for (let step = 0; step < 100; step++) {
            const place = {clientX: box.x + 100 + step, clientY: box.y + 200, pointerId: 1, pointerType: "mouse"};
            canvas.dispatchEvent(new PointerEvent("pointermove", place));
            canvas.dispatchEvent(new WheelEvent("wheel", {...place, deltaY: step % 2 ? 9 : -9, cancelable: true}));
        }
        return (performance.now() - begun) / 100;
    }""")
    print("milliseconds a step", spent)
    assert spent < 50  # milliseconds a step; about 1 on an idle machine
