"""The whole page by keyboard alone: what is reached has a visible focus, and no step loses it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.page.conftest import Opener, file_of, folder_of, near, part

from semelha.gallery import Gallery

FOCUS = """() => {
    const one = document.activeElement, box = one.getBoundingClientRect(), style = getComputedStyle(one);
    const name = one.getAttribute("aria-label") || one.labels?.[0]?.innerText || one.innerText || "";
    const within = (place, end) => Math.min(Math.max(place, 1), end - 2);
    const middle = (from, length, end) => within((Math.max(from, 0) + Math.min(from + length, end)) / 2, end);
    const top = document.elementFromPoint(middle(box.x, box.width, innerWidth), middle(box.y, box.height, innerHeight));
    const marked = one.closest(".choice") || one;
    return {
        name: name.replace(/\\s+/g, " ").trim(), kind: one.tagName.toLowerCase(), isLost: one === document.body,
        isVisible: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2 && box.width > 0,
        isCovered: !(top && (marked.contains(top) || top.contains(marked))),
    };
}"""


class Keyboard:
    """A page that is used by keys alone."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.choosers: list[Any] = []
        page.on("filechooser", lambda chooser: self.choosers.append(chooser))
        page.evaluate("addEventListener('pointerdown', () => (window.hasPointer = true), true)")

    @property
    def focus(self) -> dict[str, Any]:
        found: dict[str, Any] = self.page.evaluate(FOCUS)
        return found

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def type(self, text: str) -> None:
        self.page.locator("input:focus").wait_for()
        self.page.keyboard.type(text)

    def reach(self, name: str, kind: str = "", back: bool = False, most: int = 60) -> None:
        """Press Tab until an element with this name has the focus; all on the way show that they have it."""
        way = []
        for _ in range(most):
            self.press("Shift+Tab" if back else "Tab")
            found = self.focus
            way.append(found["name"])
            assert found["isVisible"] or found["isLost"], found
            assert not found["isCovered"], found
            if found["name"].startswith(name) and found["kind"].startswith(kind):
                return
        raise AssertionError(f"{name} is not reached: {way}")

    def activate(self, name: str, kind: str = "", key: str = "Enter", back: bool = False) -> None:
        self.reach(name, kind, back)
        self.press(key)

    def choose(self, name: str, *files: Any) -> None:
        """Reach a button and give files to the dialog that it opens."""
        self.reach(name, "button")
        self.press("Enter")
        for _ in range(100):
            self.page.wait_for_timeout(100)
            if self.choosers:
                break
        self.choosers.pop().set_files(files[0] if len(files) == 1 else list(files))

    def has_focus(self, name: str = "") -> None:
        """Something in the page has the focus after the next frame, and its name begins so."""
        self.page.evaluate("() => new Promise((done) => requestAnimationFrame(() => setTimeout(done, 50)))")
        found = self.focus
        assert not found["isLost"]
        assert found["name"].startswith(name), found

    def see(self, text: str) -> None:
        self.page.get_by_text(text).first.wait_for()
        self.has_focus()

    def heading(self, name: str) -> None:
        self.page.get_by_role("heading", name=name, exact=True).first.wait_for()
        self.has_focus()


@pytest.fixture
def keys(parts: Path, serve: Callable[..., str], open_page: Opener) -> Keyboard:
    return Keyboard(open_page(serve(parts, keep_reviews=True)))


def test_enroll_identify_correct_rename_merge_and_undo(keys: Keyboard, tmp_path: Path, parts: Path) -> None:
    page = keys.page
    folder = folder_of(
        tmp_path / "shop",
        coin=[part("coins.png", 40, 40), part("coins.png", 40, 40, shift=2)],
        moon=[part("moon.png", 40, 40), part("moon.png", 40, 40, shift=2)],
        page=[part("page.png", 20, 20), part("page.png", 20, 20, shift=2)],
    )
    keys.activate("Add", "a")
    keys.choose("Choose a folder", folder)
    keys.see("3 subjects found")
    keys.activate("Enroll all")
    keys.heading("Done")
    keys.activate("Identify a picture", "a")
    keys.heading("What is it?")

    coin = file_of("coin.png", near("coins.png", 40, 40))
    keys.choose("Choose pictures", coin)
    keys.heading("coin")
    keys.activate("No, it is…")
    page.locator("input:focus").wait_for()
    keys.press("Escape")
    keys.has_focus("No, it is…")
    keys.press("Enter")
    keys.type("an old coin")
    keys.press("Enter")
    keys.see("an old coin is enrolled now")
    keys.activate("Undo")
    keys.heading("coin")
    keys.activate("No, it is…")
    keys.type("an old coin")
    keys.press("Enter")
    keys.see("an old coin is enrolled now")
    keys.activate("Clear all", back=True)
    keys.choose("Choose pictures", coin)
    keys.heading("an old coin")
    keys.activate("Crop")
    page.locator("dialog :focus, dialog:focus").first.wait_for()
    keys.reach("Box")
    keys.press("ArrowRight", "Shift+ArrowUp")
    keys.activate("Whole picture")
    keys.has_focus("Crop")

    keys.activate("Gallery", "a", back=True)
    keys.heading("Gallery")
    keys.reach("Search by name")
    keys.type("coin")
    keys.see("2 subjects")
    keys.activate("an old coin", "a")
    keys.heading("an old coin")
    keys.activate("Rename")
    keys.type("a worn coin")
    keys.press("Enter")
    keys.heading("a worn coin")
    page.get_by_role("button", name="Undo").wait_for()
    keys.press("Control+z")
    keys.heading("an old coin")
    keys.activate("Merge")
    keys.type("coin")
    page.get_by_role("option", name="coin").first.wait_for()
    keys.press("ArrowDown", "Enter")
    keys.heading("coin")
    keys.see("an old coin was merged into it")
    keys.activate("Undo", back=True)
    keys.heading("an old coin")
    keys.activate("Move the picture")
    page.locator("input:focus").wait_for()
    keys.press("Escape")
    keys.has_focus("Move the picture")
    assert page.evaluate("window.hasPointer") is None
    with Gallery(parts) as gallery:
        assert len(gallery) == 24
        assert len(gallery.examples("an old coin")) == 1


def test_review_care_map_trust_language_and_theme(keys: Keyboard, parts: Path) -> None:
    page = keys.page
    strangers = [file_of(f"{place}.png", near("coins.png", 40 + place, 40)) for place in (0, 90, 180)]
    keys.choose("Choose pictures", *strangers)
    page.locator(".verdict h2").nth(2).wait_for()
    keys.activate("Review", "a", back=True)
    page.locator(".group").first.wait_for()
    groups = page.locator(".group").count()
    keys.press("j")
    keys.press("k", "Enter")
    keys.see("saved as")
    assert page.locator(".group").count() == groups - 1
    keys.press("u")
    page.locator(".group").nth(groups - 1).wait_for()
    keys.press("n")
    keys.type("coin")
    keys.press("Enter")
    keys.see("saved as coin")

    keys.activate("Care", "a", back=True)
    keys.heading("Care of the gallery")
    keys.activate("Check")
    page.locator(".finding, .nothing").first.wait_for()
    keys.has_focus()
    if page.locator(".finding").count():
        keys.press("j", "x")
        keys.see("right as it is")
        keys.press("u")

    keys.activate("Map", "a", back=True)
    page.locator("canvas").wait_for()
    keys.reach("Map of")
    keys.press("+", "ArrowLeft", "0")
    keys.activate("Find a subject")
    keys.type("coffee 1")
    page.get_by_role("option", name="coffee 1", exact=True).wait_for()
    keys.press("ArrowDown", "Enter")
    page.get_by_role("heading", name="Nearest to coffee 1").wait_for()
    keys.has_focus()

    keys.activate("Trust", "a", back=True)
    page.get_by_role("slider").wait_for()
    keys.reach("False names for things")
    keys.press("End")
    keys.activate("Use this rate")
    keys.see("Calibrated: at most")

    keys.activate("Language and theme", back=True)
    keys.reach("English")
    keys.press("ArrowDown")
    page.get_by_role("heading", name="Até onde confiar nas respostas?").wait_for()
    keys.reach("Como o aparelho")
    keys.press("ArrowDown", "ArrowDown")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    keys.press("Escape")
    keys.has_focus("Idioma e tema")
    assert page.evaluate("window.hasPointer") is None
