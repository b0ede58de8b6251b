"""What `scale_model.py` measures beside indexes, in own processes: galleries, memory, codes, strangers and pictures.

    python _scale_facts.py gallery N FOLDER
    python _scale_facts.py reading VECTORS.npy
    python _scale_facts.py codes FOLDER
    python _scale_facts.py strangers QUERIES.npy VECTORS.npy N …
    python _scale_facts.py copies CACHE DATA SET …

The last line is JSON.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import faiss
import numpy as np
from threadpoolctl import threadpool_limits

from _gallery_made import small_model
from _scale_child import Json, repeated
from _search_data import DIMENSION, Data, K, clustered, clusters, pictures
from _service import made_pictures
from semelha import Gallery, read_folder
from semelha.images.decode import decode
from semelha.images.fit import encode

PER_SUBJECT = 10
CODES = {
    "float32": (4.0, "Flat"),
    "fp16": (2.0, "SQfp16"),
    "8 bits (SQ8)": (1.0, "SQ8"),
    "4 bits (SQ4)": (0.5, "SQ4"),
    "PQ, 4 numbers a byte": (0.25, "PQ{}x8"),
    "PQ, 8 numbers a byte": (0.125, "PQ{}x8"),
}
"""Bytes of a number and FAISS's name, by code."""
RERANKED = (0, 2, 10)  # times K candidates, ranked again by the exact vectors
CHANGES = 25  # enrollments of a calibrated gallery, each followed by two identifications
FPIR = 0.01
COPIES = 200  # pictures of a set
READ, READINGS = (1e6, 1e9), 61  # bytes, and how many sizes


def main() -> None:
    what, *arguments = sys.argv[1:]
    measures = {each.__name__: each for each in (gallery, reading, codes, strangers, copies)}
    print(json.dumps(measures[what](*arguments)))


def gallery(n: str, folder: str) -> Json:
    """A gallery of n examples: seconds to enroll and flush, CPU seconds to calibrate and after a change, bytes."""
    vectors, place = clustered(1, int(n) + CHANGES), Path(folder)
    model = small_model(place / "model", DIMENSION)
    with Gallery.create(place / f"gallery-{n}", model, keep_pictures=False, threads=1) as made:
        start = time.perf_counter()
        for number in range(0, int(n), PER_SUBJECT):
            some = vectors[number : number + PER_SUBJECT]
            sources = [f"made {number + i}" for i in range(len(some))]
            made.enroll_vectors(f"subject {number}", some, sources, fingerprint=model.fingerprint)
        enrolled = time.perf_counter()
        made.flush()
        flushed = time.perf_counter()
        start_of_thread = time.thread_time()
        made.calibrate(fpir=FPIR)
        calibrated = time.thread_time() - start_of_thread
        changed = []
        for number in range(CHANGES):
            new = vectors[int(n) + number][None]
            made.enroll_vectors(f"new {number}", new, [f"new {number}"], fingerprint=model.fingerprint)
            times = [time.thread_time()]
            for _ in range(2):
                made.identify_vectors(new)
                times.append(time.thread_time())
            changed.append(times[1] - times[0] - (times[2] - times[1]))
    database = sum(file.stat().st_size for file in (place / f"gallery-{n}").glob("gallery.sqlite*"))
    return {
        "n": int(n),
        "subjects": int(n) // PER_SUBJECT,
        "enroll": enrolled - start,
        "flush": flushed - enrolled,
        "calibrate": calibrated,
        "change": float(np.median(changed)),
        "database": database,
    }


def reading(vectors: str) -> list[tuple[int, float]]:
    """Seconds of one thread for the products of a vector with some of the first rows of a file that is mapped.

    They are read from the page cache and kept by what caches the processor has: bytes, and the median of some products.
    """
    stored, found = np.load(vectors, mmap_mode="r"), []
    query = np.array(stored[0])
    with threadpool_limits(1):
        for size in np.geomspace(READ[0], min(READ[1], stored.nbytes), READINGS):
            rows = stored[: int(size) // stored[0].nbytes]
            rows @ query
            found.append((rows.nbytes, float(np.median(repeated(lambda _, rows=rows: rows @ query)))))
    return found


def codes(folder: str) -> list[Json]:
    """Recall of an exhaustive scan of codes, as they are and with candidates ranked again."""
    found = []
    for data in (pictures(Path(folder)), clusters(100_000, 500), clusters(1_000_000, 500)):
        data = Data(data.name, data.stored, data.queries[:500])
        exact = faiss.knn(data.queries, data.stored, 1)[1]
        for code, (bytes_a_number, factory) in CODES.items():
            index = faiss.index_factory(DIMENSION, factory.format(int(bytes_a_number * DIMENSION)))
            index.train(data.stored[:: max(1, len(data.stored) // 65_536)])
            index.add(data.stored)
            candidates = index.search(data.queries, max(RERANKED) * K)[1]
            recalls = [data.recall(reranked(data, candidates, times)) for times in RERANKED]
            first = float(np.mean(candidates[:, 0] == exact[:, 0]))
            row = {"data": data.name, "n": len(data.stored), "code": code, "bytes": bytes_a_number * DIMENSION}
            found.append({**row, "recall": recalls, "first": first})
            print(found[-1], flush=True)
    return found


def reranked(data: Data, candidates: np.ndarray, times: int) -> np.ndarray:
    """The K nearest of the first candidates: by the codes alone if `times` is 0."""
    if not times:
        return candidates[:, :K]
    some = candidates[:, : times * K]
    order = np.argsort(data.squares(some), axis=1)[:, :K]
    return np.take_along_axis(some, order, axis=1)


def strangers(queries: str, vectors: str, *sizes: str) -> list[Json]:
    """Distances of strangers to their nearest of n: the threshold of a rate, and the rate of the first threshold."""
    asked, stored = np.load(queries), np.load(vectors, mmap_mode="r")
    nearest, found, before, first = np.full(len(asked), np.inf), [], 0, None
    for n in map(int, sizes):
        for start in range(before, n, 100_000):
            squares = faiss.knn(asked, np.array(stored[start : min(start + 100_000, n)]), 1)[0][:, 0]
            nearest = np.minimum(nearest, np.sqrt(np.maximum(squares, 0)))
        before = n
        threshold = float(np.quantile(nearest, FPIR))
        first = threshold if first is None else first
        found.append({"n": n, "threshold": threshold, "rate of the first": float(np.mean(nearest <= first))})
    return found


def copies(cache: str, root: str, *sets: str) -> list[Json]:
    """Bytes of the WebP copies that galleries keep, and of the files: of real pictures and of made ones."""
    made = Path(cache) / "pictures"
    made_pictures(made)
    (made / "list.txt").unlink()
    found = []
    for name, folder in {"made, 480 × 360": made, **{place: Path(root) / place for place in sets}}.items():
        photos = list(read_folder(folder, labelled=False))
        chosen = [photos[i].source for i in np.random.default_rng(0).permutation(len(photos))[:COPIES]]
        sizes = [len(encode(decode(source))) for source in chosen]
        files = [Path(str(source)).stat().st_size for source in chosen]
        row = {"set": name.partition("/")[0], "copy": float(np.mean(sizes)), "file": float(np.mean(files))}
        found.append({**row, "pictures": len(sizes)})
    return found


if __name__ == "__main__":
    main()
