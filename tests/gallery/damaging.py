"""Damage files of a gallery at random, use it, and tell what came of it."""

import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tests.tiny_model import noise, tiny_model

from semelha.errors import SemelhaError
from semelha.gallery import Gallery

KINDS = ("flip a bit", "zero a page", "swap two pages", "cut", "append", "empty", "delete", "random bytes")
Answers = list[object]


def make_gallery(folder: Path) -> tuple[Path, np.ndarray]:
    """A calibrated gallery with pictures, a merge, a rejection and an index on disk; probes for it, (30, d)."""
    model = tiny_model(folder / "model", dim=8)
    random = np.random.default_rng(5)
    centers = random.normal(size=(1100, 8))
    with Gallery.create(folder / "gallery", model) as gallery:
        for number in range(12):
            gallery.enroll(f"photo {number}", [noise(2 * number), noise(2 * number + 1)])
        for number, center in enumerate(centers[:1000]):
            vectors = unit(center + random.normal(0, 0.2, (2, 8)))
            gallery.enroll_vectors(f"s{number}", vectors, ["a", "b"], fingerprint=model.fingerprint)
        gallery.merge("photo 1", "photo 0")
        gallery.reject(noise(50), "photo 2")
        gallery.calibrate(fpir=0.05)
        gallery.flush(rebuild=True)
    return folder / "gallery", unit(np.concatenate([centers[:1000:50], centers[1000::10]]))


def unit(x: np.ndarray) -> np.ndarray:
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)


def use(path: Path, probes: np.ndarray) -> Answers:
    """Ask a gallery for everything, then change it."""
    with Gallery(path, threads=1) as gallery:
        found = gallery.identify_vectors(probes, k=3)
        answers: Answers = [(one.decision, one.subject, shown(one.distance), shown(one.p_value)) for one in found]
        answers += [(c.subject, shown(c.distance)) for one in found for c in one.candidates]
        answers += [len(gallery), gallery.subjects(), gallery.merges()]
        answers += [[(one.number, one.source) for one in gallery.rejections("photo 2")]]
        answers += [gallery.identify(noise(4)).subject, gallery.verify_subject(noise(4), "photo 2").same]
        answers += [gallery.examples("photo 3"), [gallery.picture(one.number) for one in gallery.examples("photo 3")]]
        calibration = gallery.calibration
        answers.append(None if calibration is None else (calibration.n, shown(calibration.fpir)))
        gallery.enroll("new", noise(77))
        answers.append(gallery.identify(noise(77)).candidates[0].subject)
        gallery.remove("photo 5")
        gallery.rename("photo 6", "six")
        answers.append(["photo 5" in gallery, "six" in gallery])
    with Gallery(path, threads=1) as gallery:
        answers.append(sorted(gallery))
    return answers


def shown(number: float | None) -> str:
    return "none" if number is None else f"{number:.5f}"


@dataclass(frozen=True)
class Outcome:
    """What came of a damage: "same", "error" (one sentence), "warned" (other answers, with a warning), or a fault."""

    file: str
    damage: str
    result: str
    detail: str = ""


def try_damage(gallery: Path, probes: np.ndarray, expected: Answers, seed: int, folder: Path) -> Outcome:
    """Damage one file of a copy of a gallery, and use it."""
    random = np.random.default_rng(seed)
    copy = folder / f"trial-{seed}"
    shutil.copytree(gallery, copy)
    files = sorted(path for path in copy.rglob("*") if path.is_file())
    database = copy / "gallery.sqlite"
    file = database if random.random() < 0.5 else files[random.integers(len(files))]
    kind = str(random.choice(KINDS))
    damage(file, kind, random)
    name = file.relative_to(copy).as_posix()
    try:
        with warnings_logged() as warned:
            answers = use(copy, probes)
    except SemelhaError as error:
        return Outcome(name, kind, "error", str(error))
    except Exception as error:  # what must never happen
        return Outcome(name, kind, "raw error", repr(error))
    finally:
        shutil.rmtree(copy)
    if answers == expected:
        return Outcome(name, kind, "same")
    pairs = zip(answers, expected, strict=False)
    difference = next(
        (f"{got!r:.90} for {want!r:.90}" for got, want in pairs if got != want), "another number of answers"
    )
    return Outcome(name, kind, "warned" if warned else "other answers in silence", difference)


def damage(file: Path, kind: str, random: np.random.Generator) -> None:
    content = bytearray(file.read_bytes())
    page = min(4096, max(1, len(content)))
    one, other = (int(random.integers(max(1, len(content) // page))) * page for _ in range(2))
    if kind == "delete":
        file.unlink()
        return
    if kind == "flip a bit" and content:
        content[random.integers(len(content))] ^= 1 << int(random.integers(8))
    elif kind == "zero a page":
        content[one : one + page] = bytes(len(content[one : one + page]))
    elif kind == "swap two pages":
        first, second = content[one : one + page], content[other : other + page]
        if len(first) == len(second):
            content[one : one + page], content[other : other + page] = second, first
    elif kind == "cut":
        del content[int(random.integers(len(content) + 1)) :]
    elif kind == "append":
        content += random.bytes(int(random.integers(1, 5000)))
    elif kind == "empty":
        content.clear()
    elif kind == "random bytes":
        start, count = int(random.integers(len(content) + 1)), int(random.integers(1, 300))
        content[start : start + count] = random.bytes(len(content[start : start + count]))
    file.write_bytes(content)


@contextmanager
def warnings_logged() -> Iterator[list[str]]:
    """Messages that semelha logs as warnings or errors in the block."""
    messages: list[str] = []

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            messages.append(record.getMessage())

    handler = Collector(logging.WARNING)
    logging.getLogger("semelha").addHandler(handler)
    try:
        yield messages
    finally:
        logging.getLogger("semelha").removeHandler(handler)
