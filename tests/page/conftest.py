"""The page in a real browser, on a gallery of parts of real photographs."""

import io
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uvicorn
from PIL import Image
from tests.tiny_model import tiny_model

from semelha.embedders import Model
from semelha.gallery import Gallery
from semelha.service.app import create_app
from semelha.service.settings import Settings

PHOTOS = ("astronaut.png", "chelsea.png", "coffee.png", "motorcycle_left.png", "ihc.png")
SIDE = 120  # pixels of a part
ARABIC = "قطة"
DRIVER = "GPU stall due to ReadPixels"
"""What Chromium says when it composes a picture that WebGL drew without a graphics card; the page reads no pixels."""
AWAY = ("ERR_CONNECTION_REFUSED", "ERR_CONNECTION_RESET", "ERR_EMPTY_RESPONSE", "ERR_SOCKET_NOT_CONNECTED")
"""What a browser may say of a server that went away."""
SECONDS = 20_000.0  # milliseconds that an expectation waits: the machine may be busy


def chromium() -> str:
    """The program, or a skip that says why there is none."""
    pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        pytest.skip("there is no Chromium: apt-get install chromium")
    return found


def photo(name: str) -> Image.Image:
    """A photograph that scikit-image brings."""
    data = pytest.importorskip("skimage.data", reason="scikit-image has the photographs")
    return Image.open(Path(data.__file__).parent / name).convert("RGB")


def part(name: str, left: int, top: int, shift: int = 0) -> bytes:
    """A part of a photograph as a JPEG file; a small shift makes another picture of the same."""
    box = (left + shift, top + shift, left + shift + SIDE, top + shift + SIDE)
    file = io.BytesIO()
    photo(name).crop(box).save(file, "JPEG", quality=92)
    return file.getvalue()


def places() -> Iterator[tuple[str, str, int, int]]:
    """Names of subjects, and where they are: four parts of each photograph."""
    for name in PHOTOS:
        for number, (left, top) in enumerate(((20, 20), (170, 20), (20, 160), (170, 160))):
            yield f"{Path(name).stem} {number}", name, left, top


def file_of(name: str, content: bytes) -> dict[str, Any]:
    """A file as Playwright gives it to an input."""
    return {"name": name, "mimeType": "image/jpeg", "buffer": content}


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """A model in color, made in a moment; its folder is not to be written to."""
    return tiny_model(tmp_path_factory.mktemp("color") / "model", dim=64, channels=3)


@pytest.fixture(scope="session")
def template(model: Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A calibrated gallery of 20 subjects with two pictures each, one with an Arabic name; not to be written to."""
    with Gallery.create(tmp_path_factory.mktemp("page") / "parts", model) as gallery:
        for name, photograph, left, top in places():
            subject = ARABIC if name == "chelsea 3" else name
            gallery.enroll(subject, [part(photograph, left, top), part(photograph, left, top, shift=2)])
        gallery.calibrate(fpir=0.2)
        gallery.flush()
    return gallery.path


@pytest.fixture
def parts(template: Path, tmp_path: Path) -> Path:
    """A copy of the gallery, to be written to."""
    shutil.copytree(template, tmp_path / "parts")
    return tmp_path / "parts"


@pytest.fixture
def empty(model: Model, tmp_path: Path) -> Path:
    """A gallery without subjects."""
    Gallery.create(tmp_path / "empty", model).close()
    return tmp_path / "empty"


@contextmanager
def running(*galleries: Path, port: int = 0, **settings: Any) -> Iterator[str]:
    """A server in a thread; yields its address."""
    app = create_app(Settings(galleries=galleries, **settings))
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind(("127.0.0.1", port))
    config = uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        while not server.started and thread.is_alive():
            time.sleep(0.01)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listening.close()


@pytest.fixture(scope="session")
def shared(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the gallery, served to all tests that only read."""
    folder = tmp_path_factory.mktemp("shared")
    shutil.copytree(template, folder / "parts")
    return folder / "parts"


@pytest.fixture(scope="session")
def reading(shared: Path) -> Iterator[str]:
    """The address of the server that all tests share which only read."""
    with running(shared, keys=shared.parent / "keys.json") as address:
        yield address


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., str]]:
    """`serve(gallery, …, setting=value)`: the address of a server that runs until the end of the test."""
    with ExitStack() as stack:

        def start(*galleries: Path, **settings: Any) -> str:
            return stack.enter_context(running(*galleries, **{"keys": tmp_path / "keys.json", **settings}))

        yield start


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Chromium without a window."""
    program = chromium()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield opened
        opened.close()


def pictures_are_drawn(page: Any, selector: str) -> None:
    """Waits until all pictures that a selector finds are there; fails if one of them cannot be shown."""
    page.evaluate(
        """([selector, wait]) => Promise.race([
            Promise.all(Array.from(document.querySelectorAll(selector), (one) => one.decode())).then(() => {}),
            new Promise((_, fail) => setTimeout(fail, wait, new Error(`pictures of ${selector} are not loaded`))),
        ])""",
        [selector, SECONDS],
    )


@dataclass
class Opener:
    """Opens pages, and records what must not happen: errors of the console, and requests to other hosts."""

    browser: Any
    address: str = ""
    expected: tuple[str, ...] = ()
    """Parts of messages of the console that a test provokes."""
    faults: list[str] = field(default_factory=list)
    contexts: list[Any] = field(default_factory=list)

    def __call__(self, address: str, path: str = "/", **options: Any) -> Any:
        """A page at an address, in a new context: without what another page has stored."""
        self.address = address
        context = self.browser.new_context(**{"locale": "en-US", "viewport": {"width": 1280, "height": 900}, **options})
        context.set_default_timeout(SECONDS)
        self.contexts.append(context)
        page = context.new_page()
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.faults.append(f"error: {error}"))
        page.on("request", self._request)
        page.goto(address + path)
        page.locator("h1, dialog, .problem").first.wait_for()
        return page

    def _console(self, message: Any) -> None:
        if message.type in ("error", "warning") and not any(one in message.text for one in (DRIVER, *self.expected)):
            self.faults.append(f"{message.type}: {message.text} {message.location}")

    def _request(self, request: Any) -> None:
        if not request.url.startswith((self.address, "blob:", "data:")):
            self.faults.append(f"request: {request.url}")


@pytest.fixture
def open_page(browser: Any) -> Iterator[Opener]:
    """`open_page(address)`: a page, of which nothing may go wrong until the end of the test."""
    opener = Opener(browser)
    yield opener
    for context in opener.contexts:
        context.close()
    assert opener.faults == []


def near(name: str, left: int, top: int) -> bytes:
    """Another picture of a part: moved by a pixel, a little brighter."""
    file = io.BytesIO()
    pixels = np.asarray(Image.open(io.BytesIO(part(name, left, top, shift=1)))).astype(int) + 3
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(file, "PNG")
    return file.getvalue()


def folder_of(root: Path, **subjects: list[bytes]) -> Path:
    """A folder with a folder of pictures for each subject."""
    for name, pictures in subjects.items():
        (root / name).mkdir(parents=True)
        for number, picture in enumerate(pictures):
            (root / name / f"{number}.jpg").write_bytes(picture)
    return root
