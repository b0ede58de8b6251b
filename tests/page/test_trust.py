"""Trust: the calibration in words, the curve, what another rate would change, and how it is chosen."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.page.conftest import Opener
from tests.page.test_frame import violations

from semelha.gallery import Gallery
from semelha.service.keys import KeyFile


@pytest.fixture
def fresh(parts: Path) -> Path:
    """The gallery, not calibrated."""
    path = parts.parent / "fresh"
    with Gallery(parts) as source, Gallery.create(path, source.model) as gallery:
        for name in list(source)[:12]:
            gallery.enroll(name, [picture(source, one.number) for one in source.examples(name)])
    return path


def picture(gallery: Gallery, number: int) -> bytes:
    found = gallery.picture(number)
    assert found is not None
    return found


def test_the_rate_in_words_and_what_another_one_changes(shared: Path, reading: str, open_page: Opener) -> None:
    """By keyboard alone; the numbers are those of the gallery."""
    with Gallery(shared) as gallery:
        curve = gallery.det_curve()
        strictest = curve.points[0]
        missed = gallery.changed_answers(0.2, strictest.fpir)
        avoided = gallery.changed_answers(0.2, strictest.fpir, "non_mated")
    page = open_page(reading, "/#/parts/trust")
    page.get_by_text("not enrolled, at most 20 would get a name").first.wait_for()
    page.get_by_text("Move the slider").wait_for()
    page.get_by_role("img", name="Curve of the misses").wait_for()
    assert page.locator(".det path.present").count() == 1
    slider = page.get_by_role("slider")
    slider.focus()
    page.keyboard.press("Home")
    assert slider.get_attribute("aria-valuetext").startswith("at most 2 in 21")
    assert page.locator(".chosen-rate").inner_text() == "at most 2 in 21"
    for found, words in ((missed, "called unknown"), (avoided, "no longer get a false name")):
        page.get_by_role("heading", name=words).wait_for()
        assert page.get_by_role("heading", name=words).inner_text().startswith(f"{found.total} ")
    page.wait_for_load_state("networkidle")
    assert page.locator(".changed li").count() == min(missed.total, 12) + min(avoided.total, 12)
    assert violations(page) == []
    needed = {one.fpir: one for one in curve.required}
    row = page.get_by_role("row").filter(has=page.get_by_role("rowheader", name="1 in 100", exact=True))
    assert f"{needed[0.01].missing} more" in row.inner_text()


def test_another_rate_is_used(parts: Path, serve: Callable[..., str], open_page: Opener) -> None:
    page = open_page(serve(parts), "/#/parts/trust")
    page.get_by_role("slider").focus()
    page.keyboard.press("ArrowRight")
    page.get_by_role("button", name="Use this rate").click()
    page.get_by_text("Calibrated: at most").wait_for()
    page.get_by_text("Move the slider").wait_for()
    with Gallery(parts) as gallery:
        rule = gallery.calibration
        assert rule is not None
        assert rule.fpir == gallery.det_curve().fpir == pytest.approx(5 / 21)


def test_a_point_of_the_curve_is_chosen_by_mouse(reading: str, open_page: Opener) -> None:
    page = open_page(reading, "/#/parts/trust")
    box = page.locator(".det svg").bounding_box()
    page.mouse.click(box["x"] + box["width"] - 20, box["y"] + 100)
    page.get_by_text("at most 10 in 21", exact=True).wait_for()
    assert page.get_by_role("slider").input_value() == page.get_by_role("slider").get_attribute("max")


def test_a_gallery_that_is_not_calibrated_offers_it(fresh: Path, serve: Callable[..., str], open_page: Opener) -> None:
    """Rates that take more subjects say how many, and the smallest possible rate is offered too."""
    page = open_page(serve(fresh), "/#/fresh/trust")
    page.get_by_text("This gallery is not calibrated").wait_for()
    page.get_by_role("heading", name="How often may a thing that is not enrolled get a name?").wait_for()
    page.get_by_role("heading", name="would be called unknown").wait_for()
    page.wait_for_load_state("networkidle")
    assert violations(page) == []
    page.get_by_role("button", name="Calibrate").click()
    assert page.get_by_label("at most 1 in 10 needs 19 subjects").is_disabled()
    assert page.get_by_label("at most 2 in 13").is_checked()
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Use this rate").click()
    page.get_by_role("heading", name="At present").wait_for()
    page.get_by_text("This gallery is not calibrated").wait_for(state="detached")


def test_an_empty_gallery_and_too_few_subjects(
    parts: Path, empty: Path, serve: Callable[..., str], open_page: Opener
) -> None:
    address = serve(empty)
    page = open_page(address, "/#/empty/trust")
    page.get_by_text("This gallery is empty").wait_for()
    page.get_by_role("main").get_by_role("link", name="Add pictures").wait_for()
    assert violations(page) == []
    with Gallery(parts) as source, Gallery(empty) as gallery:
        gallery.enroll("coffee", picture(source, source.examples("coffee 0")[0].number))
    page.reload()
    page.get_by_text("too few subjects to measure").wait_for()
    assert page.get_by_role("slider").count() == 0


def test_no_rate_is_offered_that_the_page_says_is_not_possible_yet(
    parts: Path, empty: Path, serve: Callable[..., str], open_page: Opener
) -> None:
    """With four subjects the curve is shown, but to calibrate takes seven; shares of a hundred have the sum 100."""
    with Gallery(parts) as source, Gallery(empty) as gallery:
        for name in list(source)[:4]:
            gallery.enroll(name, [picture(source, one.number) for one in source.examples(name)])
    page = open_page(serve(empty), "/#/empty/trust")
    page.get_by_text("With 4 subjects it cannot answer “unknown” yet: that takes 7").wait_for()
    page.get_by_role("slider").wait_for()
    assert page.get_by_role("button", name="Use this rate").count() == 0
    text = page.get_by_text("Of 100 pictures of enrolled things").first.inner_text()
    shares = [int(one) for one in re.findall(r"(\d+) would", text)]
    assert len(shares) == 3
    assert sum(shares) == 100


def test_a_key_that_may_only_read_changes_no_rate(
    parts: Path, serve: Callable[..., str], open_page: Opener, tmp_path: Path
) -> None:
    open_page.expected = ("401",)
    _, key = KeyFile(tmp_path / "keys.json").create("till", "read")
    page = open_page(serve(parts, require_keys=True), "/#/parts/trust")
    page.get_by_label("API key").fill(key)
    page.keyboard.press("Enter")
    page.get_by_role("slider").focus()
    page.keyboard.press("Home")
    page.get_by_text("you need a key with the role admin").wait_for()
    assert page.get_by_role("button", name="Use this rate").count() == 0
    page.locator(".changed img[src^=blob]").first.wait_for()


def test_a_failure_of_the_curve_is_shown_and_tried_again(reading: str, open_page: Opener) -> None:
    open_page.expected = ("500",)
    page = open_page(reading, "/#/parts/identify")
    body = '{"type": "urn:semelha:problem:internal", "detail": "x", "request_id": "abc"}'
    page.route("**/calibration/curve*", lambda route: route.fulfill(status=500, body=body), times=1)
    page.get_by_role("link", name="Trust").click()
    page.get_by_text("The server failed").wait_for()
    page.get_by_role("button", name="Try again").click()
    page.get_by_role("slider").wait_for()
