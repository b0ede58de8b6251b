"""The page in a real browser: how soon it answers and draws, and how smoothly it scrolls and moves.

    python benchmarks/page.py [--subjects 10000] [--runs 3] [--cache FOLDER]

Needs Chromium (Debian's package) and Playwright. The gallery has so many subjects with two made pictures of 160 pixels
each, so that the map has twice as many points; the model is a small network, whose embedding takes almost no time. The
server is a process on this machine, and the browser has no graphics card unless the machine lends it one: the renderer
is named below. Each run is a new browser without a cache. Frames are counted over four seconds while the page is
scrolled by 60 pixels, or the map moved, in every frame; 60 a second are the most that the browser shows.
"""

from __future__ import annotations

import argparse
import io
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from PIL import Image
from playwright.sync_api import Page, sync_playwright

import semelha
from _gallery_made import small_model
from _results import table, version_of, write_section
from _service import served

SIDE = 160  # pixels
DRAWN = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now()))))"
SCROLLED = """(seconds) => new Promise((done) => {
    const times = [], end = performance.now() + 1000 * seconds;
    let last = performance.now(), top = scrollY;
    const step = (now) => {
        times.push(now - last);
        [last, top] = [now, top + 60];
        scrollTo(0, top);
        if (now < end) requestAnimationFrame(step);
        else done(times.slice(1));
    };
    requestAnimationFrame(step);
})"""
MOVED = """(seconds) => new Promise((done) => {
    const times = [], end = performance.now() + 1000 * seconds, canvas = document.querySelector("canvas");
    const box = canvas.getBoundingClientRect();
    let last = performance.now(), turn = 0;
    const step = (now) => {
        times.push(now - last);
        last = now;
        const place = {clientX: box.x + box.width / 2, clientY: box.y + box.height / 2, cancelable: true};
        canvas.dispatchEvent(new WheelEvent("wheel", {...place, deltaY: turn++ % 120 < 60 ? -6 : 6}));
        const key = turn % 40 < 20 ? "ArrowLeft" : "ArrowRight";
        canvas.dispatchEvent(new KeyboardEvent("keydown", {key, cancelable: true}));
        if (now < end) requestAnimationFrame(step);
        else done(times.slice(1));
    };
    requestAnimationFrame(step);
})"""
ANSWERED = """async (buffer) => {
    const data = new DataTransfer(), before = document.querySelectorAll(".verdict h2").length;
    data.items.add(new File([new Uint8Array(buffer)], "probe.jpg", {type: "image/jpeg"}));
    const begun = performance.now();
    document.body.dispatchEvent(new DragEvent("drop", {dataTransfer: data, bubbles: true, cancelable: true}));
    while (document.querySelectorAll(".verdict h2").length === before)
        await new Promise((done) => requestAnimationFrame(done));
    return performance.now() - begun;
}"""
LOADED = """() => [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")]
    .filter((one) => !one.name.includes("/api/")).reduce((sum, one) => sum + one.transferSize, 0)"""
RENDERER = """() => {
    const gl = document.createElement("canvas").getContext("webgl");
    const info = gl.getExtension("WEBGL_debug_renderer_info");
    return gl.getParameter(info ? info.UNMASKED_RENDERER_WEBGL : gl.RENDERER);
}"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--subjects", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--cache", type=Path, help="where the gallery is kept; a temporary folder if not given")
    arguments = parser.parse_args()
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        raise SystemExit("Chromium is not installed: apt-get install chromium")
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.cache or Path(temporary)
        gallery = made_gallery(folder, arguments.subjects)
        found: dict[str, list[float]] = {}
        with served(gallery, folder) as (address, _), sync_playwright() as playwright:
            for _ in range(arguments.runs):
                browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
                page = browser.new_page(viewport={"width": 1280, "height": 900}, locale="en-US")
                page.set_default_timeout(120_000)
                for name, value in measured(page, f"{address}/#/{gallery.name}", arguments.subjects).items():
                    found.setdefault(name, []).append(value)
                renderer, chromium = page.evaluate(RENDERER), browser.version
                browser.close()
    write_section("The page", report(found, arguments.subjects, renderer, chromium))


def made_gallery(folder: Path, subjects: int) -> Path:
    """A calibrated gallery of subjects with two pictures each: smooth fields of color, one a little noisy."""
    path = folder / f"page-{subjects}"
    if (path / "finished").exists():
        return path
    shutil.rmtree(path, ignore_errors=True)
    random = np.random.default_rng(0)
    with semelha.Gallery.create(path, small_model(folder / "page-model", 64)) as gallery:
        for number in range(subjects):
            fields = random.integers(0, 256, (6, 6, 3), np.uint8)
            first = np.asarray(Image.fromarray(fields).resize((SIDE, SIDE), Image.Resampling.BICUBIC))
            noisy = (first + random.integers(-9, 10, first.shape)).clip(0, 255).astype(np.uint8)
            gallery.enroll(f"subject {number:05}", [first, noisy])
        gallery.calibrate(fpir=0.01)
        gallery.flush()
    (path / "finished").touch()
    return path


def probe(number: int) -> list[int]:
    """A made picture as the bytes of a JPEG file."""
    file = io.BytesIO()
    fields = np.random.default_rng(1000 + number).integers(0, 256, (6, 6, 3), np.uint8)
    Image.fromarray(fields).resize((640, 480), Image.Resampling.BICUBIC).save(file, "JPEG", quality=85)
    return list(file.getvalue())


def measured(page: Page, address: str, subjects: int) -> dict[str, float]:
    """One run: milliseconds, frames a second and bytes."""
    found = {}
    page.goto(f"{address}/identify")
    page.get_by_role("button", name="Choose pictures").wait_for()
    found["loaded"] = page.evaluate(LOADED)
    found["shown"] = page.evaluate(DRAWN)
    found["answer"] = page.evaluate(ANSWERED, probe(0))
    found["answer again"] = median(page.evaluate(ANSWERED, probe(number)) for number in range(1, 6))
    page.goto("about:blank")
    page.goto(f"{address}/gallery")
    found["gallery"] = ready(page, lambda: page.locator(".tile img").first.wait_for())
    page.get_by_text(f"{subjects:,} subjects").wait_for()
    page.get_by_label("Search by name").wait_for()
    page.wait_for_timeout(4000)
    times = page.evaluate(SCROLLED, 4)
    found["scroll"], found["scroll slow"] = 1000 * len(times) / sum(times), float(np.quantile(times, 0.95))
    page.goto("about:blank")
    page.goto(f"{address}/map")
    found["map"] = ready(page, lambda: page.locator("canvas").wait_for())
    times = page.evaluate(MOVED, 4)
    found["move"], found["move slow"] = 1000 * len(times) / sum(times), float(np.quantile(times, 0.95))
    return found


def ready(page: Page, wait: Callable[[], None]) -> float:
    """Milliseconds from the start of the navigation until something is there, and two frames after it were drawn."""
    wait()
    return float(page.evaluate(DRAWN))


def report(found: dict[str, list[float]], subjects: int, renderer: str, chromium: str) -> str:
    rows: list[tuple[Any, ...]] = []

    def row(what: str, name: str, unit: str, wanted: str, scale: float = 1) -> None:
        values = [scale * one for one in found[name]]
        rows.append((what, f"{median(values):.0f} {unit}", f"{min(values):.0f}–{max(values):.0f}", wanted))

    row("first load, compressed", "loaded", "kB", "≤ 150 kB", 1 / 1000)
    row("first view drawn", "shown", "ms", "")
    row("from the drop to the first answer", "answer", "ms", "≤ 300 ms")
    row("from the drop to further answers", "answer again", "ms", "≤ 300 ms")
    row(f"gallery of {subjects:,} subjects, from its address to pictures drawn", "gallery", "ms", "≤ 1000 ms")
    row("frames a second while it scrolls", "scroll", "", "≥ 50")
    row("95% of its frames within", "scroll slow", "ms", "")
    row(f"map of {2 * subjects:,} points, from its address to drawn", "map", "ms", "≤ 2000 ms")
    row("frames a second while it moves", "move", "", "≥ 30")
    row("95% of its frames within", "move slow", "ms", "")
    about = f"Chromium {chromium}, Playwright {version_of('playwright')}, drawn by {renderer}."
    return f"{about}\n\n{table(['what', 'median', 'range', 'wanted'], rows)}"


if __name__ == "__main__":
    main()
