"""A gallery on Milvus beside one in a folder: identifying, enrolling many vectors, copying there and back.

    python benchmarks/milvus.py --only identify --sizes 10000 200000
    python benchmarks/milvus.py --only enroll --enroll 1000000
    python benchmarks/milvus.py --only copy --copy 100000

The server is Milvus Lite on this machine; `--server milvus://host:19530` uses another one.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from _results import table, version_of, write_section
from semelha.embedders import Model
from semelha.gallery import Gallery, copy_gallery
from semelha.store import NewExample

OF_SUBJECT = 10
AT_ONCE = 5000  # vectors in a change


def main() -> None:
    sys.path.insert(0, str(Path(__file__).parents[1]))  # for the server and the model of the tests
    from tests.tiny_model import tiny_model

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--sizes", nargs="+", type=int, default=[10_000, 200_000])
    parser.add_argument("--enroll", type=int, default=1_000_000)
    parser.add_argument("--copy", type=int, default=100_000)
    parser.add_argument("--dim", type=int, default=64)
    parser.add_argument("--batch", type=int, default=64, help="probes of a call")
    parser.add_argument("--seconds", type=float, default=10.0, help="for which each way of identifying is measured")
    parser.add_argument("--server", help="milvus://host:port of a server that runs already")
    parser.add_argument("--no-write", action="store_true", help="print the sections, but do not keep them")
    options = parser.parse_args()
    for part in options.only:
        with tempfile.TemporaryDirectory() as folder, served(options.server, Path(folder)) as server:
            model = tiny_model(Path(folder) / "model", dim=options.dim)
            title, body = PARTS[part](Path(folder), server, model, options)
        title = f"Milvus: {title}"
        body = f"{described(options)}\n\n{body}"
        if options.no_write:
            print(f"{title}\n\n{body}")
        else:
            write_section(title, body)


def described(options: argparse.Namespace) -> str:
    """The circumstances of all parts."""
    lite = f"Milvus Lite {version_of('milvus-lite')} on the same machine, its log synced after every write"
    server = "another server" if options.server else lite
    return f"Random vectors of {options.dim} numbers, {OF_SUBJECT} of each subject, cosine distance. Server: {server}."


@contextmanager
def served(address: str | None, folder: Path) -> Iterator[str]:
    """The address of a server."""
    if address:
        yield address
        return
    from tests.milvus_server import MilvusServer

    with MilvusServer(folder / "data") as server:
        yield f"milvus://127.0.0.1:{server.port}"


def drawn(n: int, dim: int, seed: int = 0) -> np.ndarray:
    """(n, dim) float32 around a center for each subject."""
    random = np.random.default_rng(seed)
    centers = np.random.default_rng(7).normal(size=(-(-n // OF_SUBJECT), dim)).astype(np.float32)
    noise = random.normal(size=(n, dim)).astype(np.float32)
    return np.repeat(centers, OF_SUBJECT, axis=0)[:n] + np.float32(0.5) * noise


def enroll(gallery: Gallery, vectors: np.ndarray) -> float:
    """Enroll vectors, and return the seconds that it took until all were durable."""
    start = time.perf_counter()
    step = AT_ONCE // OF_SUBJECT * OF_SUBJECT
    for first in range(0, len(vectors), step):
        batch: dict[str, list[NewExample]] = {}
        for number in range(first, min(first + step, len(vectors))):
            one = NewExample(vectors[number], str(number), str(number), None)
            batch.setdefault(f"subject {number // OF_SUBJECT}", []).append(one)
        gallery._store.add_all(list(batch.items()))
    return time.perf_counter() - start


def rate(gallery: Gallery, probes: np.ndarray, batch: int, seconds: float) -> float:
    """Probes identified in a second."""
    gallery.identify_vectors(probes[:batch])
    done, start, first = 0, time.perf_counter(), 0
    while (spent := time.perf_counter() - start) < seconds:
        gallery.identify_vectors(probes[first : first + batch])
        done, first = done + batch, (first + batch) % (len(probes) - batch + 1)
    return done / spent


def identify(folder: Path, server: str, model: Model, options: argparse.Namespace) -> tuple[str, str]:
    """Probes a second, in turn in the folder, in the folder with exact search, and on Milvus."""
    rows = []
    for size in options.sizes:
        vectors, probes = drawn(size, options.dim), drawn(4096, options.dim, seed=1)
        there = Gallery.create(f"{server}/identify_{size}", model, keep_pictures=False)
        here = Gallery.create(folder / f"exact-{size}", model, keep_pictures=False, recall=1.0)
        usual = Gallery.create(folder / f"usual-{size}", model, keep_pictures=False)
        with there, here, usual:
            for gallery in (there, here, usual):
                enroll(gallery, vectors)
                gallery.flush()
            same = [one.to_json() for one in there.identify_vectors(probes[:512])] == [
                one.to_json() for one in here.identify_vectors(probes[:512])
            ]
            found: dict[str, list[float]] = {}
            for _ in range(3):
                for name, gallery in (("there", there), ("here", here), ("usual", usual)):
                    for batch in (1, options.batch):
                        value = rate(gallery, probes, batch, options.seconds / 6)
                        found.setdefault(f"{name} {batch}", []).append(value)
            for batch in (1, options.batch):
                median = {name: float(np.median(found[f"{name} {batch}"])) for name in ("there", "here", "usual")}
                rows.append(
                    [
                        f"{size:,}",
                        batch,
                        *(f"{median[name]:,.0f}" for name in ("there", "here", "usual")),
                        "yes" if same else "NO",
                    ]
                )
    columns = ["examples", "probes in a call", "on Milvus", "folder, recall 1", "folder, recall 0.99", "same answers"]
    text = (
        "Probes identified in a second by one process, medians of three turns. The answers on Milvus are compared with "
        "those of the folder with recall 1, to the last digit, on 512 probes."
    )
    return "identifying", f"{text}\n\n{table(columns, rows)}"


def enroll_many(folder: Path, server: str, model: Model, options: argparse.Namespace) -> tuple[str, str]:
    """Seconds to enroll, and to open what was enrolled."""
    vectors, rows = drawn(options.enroll, options.dim), []
    for name, place in (("Milvus", f"{server}/enroll"), ("folder", folder / "enroll")):
        with Gallery.create(place, model, keep_pictures=False) as gallery:
            seconds = enroll(gallery, vectors)
        start = time.perf_counter()
        with Gallery(place) as gallery:
            opened = time.perf_counter() - start
            count = gallery.example_count()
        rows.append([name, f"{count:,}", f"{seconds:.0f}", f"{count / seconds:,.0f}", f"{opened:.1f}"])
    columns = ["in", "examples", "seconds", "examples a second", "seconds to open it"]
    text = f"Vectors enrolled in changes of {AT_ONCE:,}, each acknowledged when it is durable."
    return "enrolling", f"{text}\n\n{table(columns, rows)}"


def copy(folder: Path, server: str, model: Model, options: argparse.Namespace) -> tuple[str, str]:
    """Seconds to copy there and back, and whether all answers are the same."""
    probes = drawn(1000, options.dim, seed=1)
    with Gallery.create(folder / "shop", model, keep_pictures=False, recall=1.0) as gallery:
        enroll(gallery, drawn(options.copy, options.dim))
        gallery.calibrate(fpir=0.01)
        expected = [one.to_json() for one in gallery.identify_vectors(probes)]
    rows, sums = [], []
    for source, target in ((folder / "shop", f"{server}/copied"), (f"{server}/copied", folder / "back")):
        start = time.perf_counter()
        made = copy_gallery(source, target)
        seconds = time.perf_counter() - start
        sums.append(made.checksum)
        with Gallery(target, recall=1.0) as gallery:
            same = [one.to_json() for one in gallery.identify_vectors(probes)] == expected
        there = "to Milvus" if source == folder / "shop" else "back"
        rows.append([there, f"{made.examples:,}", f"{seconds:.0f}", "yes" if same else "NO"])
    columns = ["copy", "examples", "seconds", "same answers"]
    text = (
        f"A calibrated gallery, copied and verified; the checksums {'are' if sums[0] == sums[1] else 'ARE NOT'} the "
        "same. Answers to 1,000 probes are compared to the last digit with those before."
    )
    return "copying", f"{text}\n\n{table(columns, rows)}"


PARTS = {"identify": identify, "enroll": enroll_many, "copy": copy}

if __name__ == "__main__":
    main()
