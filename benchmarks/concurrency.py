"""Threads and processes that enroll, remove and identify at once: is every answer right, and do readers wait?

    python benchmarks/concurrency.py [--seconds 60] [--processes 4] [--threads 8] [--seeds 5000]

Every process opens the gallery and has as many threads; two of them write, each its own subjects, the others identify
and pause for as long as they like between. First they identify alone, for a third of the time. Everyone notes when a
call began, when it returned, and what it answered. Afterwards, from the numbers of the changes, each answer is compared
with the exact one at every moment between the changes that were acknowledged before it was asked for and those that
were begun before it came: one of them must be the answer, distances and all.
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import sqlite3
import tempfile
import threading
import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from _gallery_made import small_model
from _results import table, write_section
from semelha import Gallery

DIM = 32
QUERIES = 200
K = 5
WRITERS = 2  # threads of a process
EACH = 3  # examples of an enrollment
READ_PAUSE, WRITE_PAUSE = 0.02, 0.02
NEVER = np.iinfo(np.int64).max


@dataclass(frozen=True)
class Plan:
    """What the processes are told."""

    folder: str
    seconds: float
    threads: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--processes", type=int, default=4)
    parser.add_argument("--threads", type=int, default=8)
    parser.add_argument("--seeds", type=int, default=5000, help="examples that are there from the start")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        seeded(folder, arguments.seeds)
        plan = Plan(str(folder), arguments.seconds, arguments.threads)
        context = multiprocessing.get_context("spawn")
        with context.Pool(arguments.processes) as pool:
            logs = pool.starmap(worked, [(plan, number, arguments.processes) for number in range(arguments.processes)])
        events = Events(folder, [log for logged in logs for log in logged["writes"]])
        reads = [read for logged in logs for read in logged["reads"]]
        asked = [read for read in reads if read["busy"]]
        wrong = events.wrong(asked)
        exchanged = [{**read, "answer": other["answer"]} for read, other in pairwise(asked)]
        caught = events.wrong(exchanged) / max(1, len(exchanged))
    enrolled, removed = (sum(log["kind"] == kind for logged in logs for log in logged["writes"]) for kind in "+-")
    quiet, busy = ([read["end"] - read["begin"] for read in reads if read["busy"] == state] for state in (0, 1))
    rows = [
        [name, len(took), *(float(np.percentile(took, q)) * 1e3 for q in (50, 99, 100))]
        for name, took in (("nobody writes", quiet), ("others write", busy))
    ]
    merges = max(logged["generation"] for logged in logs)
    body = (
        f"{arguments.processes} processes of {arguments.threads} threads, {WRITERS} of each writing, for "
        f"{arguments.seconds:g} s: {enrolled:,} enrollments of {EACH} examples, {removed:,} removals, {len(busy):,} "
        f"identifications meanwhile. Answers that are not the exact one at any moment of their call: **{wrong}** "
        f"(of answers that were exchanged on purpose, {caught:.0%} are found wrong). "
        f"Last change that was saved as segments: {merges:,}.\n\n"
        + table(["identifying", "calls", "median ms", "p99 ms", "worst ms"], rows)
    )
    write_section("Readers and writers at once", body)
    if wrong:
        raise SystemExit(f"{wrong} answers are wrong")


def unit(seed: int, n: int) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(size=(n, DIM)).astype(np.float32)


def seeded(folder: Path, n: int) -> None:
    """A gallery with n examples, ten a subject."""
    model = small_model(folder / "model", DIM)
    with Gallery.create(folder / "gallery", model, keep_pictures=False) as gallery:
        for number in range(n // 10):
            vectors = unit(number, 10)
            gallery.enroll_vectors(f"seed {number}", vectors, [f"{number}"] * 10, fingerprint=model.fingerprint)


def worked(plan: Plan, number: int, processes: int) -> dict[str, Any]:
    """One process: what its threads wrote and read."""
    writes: list[dict[str, Any]] = []
    reads: list[dict[str, Any]] = []
    errors: list[BaseException] = []
    with Gallery.open(Path(plan.folder) / "gallery", recall=1.0) as gallery:
        gallery.identify_vectors(unit(0, 1))
        _meet(Path(plan.folder), number, processes)
        start = time.monotonic()
        busy, end = start + plan.seconds / 3, start + plan.seconds * 4 / 3
        threads = [
            threading.Thread(
                target=_kept(errors, _write if i < WRITERS else _read),
                args=(gallery, plan, 1000 * number + i, busy, end, writes if i < WRITERS else reads),
            )
            for i in range(plan.threads)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if errors:
            raise errors[0]
    return {"writes": writes, "reads": reads, "generation": _saved(Path(plan.folder) / "gallery")}


def _meet(folder: Path, number: int, processes: int) -> None:
    """Until all are there."""
    (folder / f"here {number}").touch()
    while len(list(folder.glob("here *"))) < processes:
        time.sleep(0.01)


def _kept(errors: list[BaseException], function: Any) -> Any:
    def run(*arguments: Any) -> None:
        try:
            function(*arguments)
        except BaseException as error:
            errors.append(error)

    return run


def _write(gallery: Gallery, plan: Plan, number: int, busy: float, end: float, log: list[dict[str, Any]]) -> None:
    """Enroll subjects, and remove some of them."""
    chance, mine, seed = random.Random(number), [], 0
    database = sqlite3.connect(f"file:{plan.folder}/gallery/gallery.sqlite?mode=ro", uri=True, timeout=30)
    time.sleep(max(0, busy - time.monotonic()))
    while time.monotonic() < end:
        if len(mine) > 20 and chance.random() < 0.4:
            subject, ids = mine.pop(chance.randrange(len(mine)))
            begin = time.monotonic()
            gallery.remove(subject)
            done = time.monotonic()
            (change,) = database.execute("SELECT change FROM removed WHERE example = ?", ids[:1]).fetchone()
            log.append({"kind": "-", "begin": begin, "end": done, "change": change, "ids": ids})
        else:
            seed += 1
            subject, vectors = f"of {number}, {seed}", unit(10_000_000 + 100_000 * number + seed, EACH)
            begin = time.monotonic()
            gallery.enroll_vectors(subject, vectors, [str(seed)] * EACH, fingerprint=gallery.model.fingerprint)
            done = time.monotonic()
            rows = database.execute(
                "SELECT examples.id, examples.change FROM examples JOIN subjects ON subjects.id = subject_id"
                " WHERE name = ? ORDER BY examples.id",
                (subject,),
            ).fetchall()
            ids = [row[0] for row in rows]
            mine.append((subject, ids))
            log.append(
                {
                    "kind": "+",
                    "begin": begin,
                    "end": done,
                    "change": rows[0][1],
                    "ids": ids,
                    "subject": subject,
                    "vectors": vectors,
                }
            )
        time.sleep(chance.uniform(0, 2 * WRITE_PAUSE))
    database.close()


def _read(gallery: Gallery, plan: Plan, number: int, busy: float, end: float, log: list[dict[str, Any]]) -> None:
    """Identify."""
    chance, queries = random.Random(number), unit(1, QUERIES)
    while time.monotonic() < end:
        query = chance.randrange(QUERIES)
        begin = time.monotonic()
        (found,) = gallery.identify_vectors(queries[query : query + 1], k=K)
        done = time.monotonic()
        answer = [(one.subject, one.distance) for one in found.candidates]
        log.append({"query": query, "begin": begin, "end": done, "busy": int(begin > busy), "answer": answer})
        time.sleep(chance.uniform(0, 2 * READ_PAUSE))


def _saved(gallery: Path) -> int:
    """The change that the segments on the disk stand for."""
    from semelha.index.folder import generation_on_disk

    return generation_on_disk(gallery / "index") or 0


class Events:
    """All that was ever enrolled, and between which changes it was there."""

    def __init__(self, folder: Path, writes: list[dict[str, Any]]) -> None:
        database = sqlite3.connect(folder / "gallery" / "gallery.sqlite")
        seeds = database.execute(
            "SELECT subjects.name, examples.id, examples.change, data FROM examples"
            " JOIN subjects ON subjects.id = subject_id JOIN vectors ON example_id = examples.id"
            " WHERE subjects.name LIKE 'seed %' ORDER BY examples.id"
        ).fetchall()
        database.close()
        gone = {write["ids"][0]: write["change"] for write in writes if write["kind"] == "-"}
        names, vectors = [row[0] for row in seeds], [np.frombuffer(row[3], "<f4") for row in seeds]
        spans = [(0, NEVER) for _ in seeds]
        for write in writes:
            if write["kind"] == "+":
                names += [write["subject"]] * EACH
                vectors += list(write["vectors"])
                spans += [(write["change"], gone.get(write["ids"][0], NEVER))] * EACH
        self.names = np.array(names)
        added, removed = np.array(spans, np.int64).T
        stored, asked = np.stack(vectors).astype(float), unit(1, QUERIES).astype(float)
        model = small_model(folder / "model", DIM)
        distances = model.metric.pairwise(asked, stored)  # (queries, ever)
        self.order = np.argsort(distances, axis=1, kind="stable")
        self.sorted = np.take_along_axis(distances, self.order, axis=1)
        self.added, self.removed = added[self.order], removed[self.order]  # (queries, ever)
        self.begun = np.array(sorted((write["begin"], write["change"]) for write in writes))
        self.ended = np.array(sorted((write["end"], write["change"]) for write in writes))
        self.changes = np.array(sorted({write["change"] for write in writes}))
        self.first = int(self.changes[0]) - 1

    def wrong(self, reads: list[dict[str, Any]]) -> int:
        """How many answers are not the exact one at any moment of their call."""
        return sum(not self._right(read) for read in reads)

    def _right(self, read: dict[str, Any]) -> bool:
        known = self.ended[: np.searchsorted(self.ended[:, 0], read["begin"])]
        possible = self.begun[: np.searchsorted(self.begun[:, 0], read["end"])]
        low = int(known[:, 1].max()) if len(known) else self.first
        high = int(possible[:, 1].max()) if len(possible) else self.first
        between = self.changes[
            np.searchsorted(self.changes, low, "right") : np.searchsorted(self.changes, high, "right")
        ]
        return any(self._is(read, change) for change in [low, *between.tolist()])

    def _is(self, read: dict[str, Any], change: int) -> bool:
        """The answer is the exact one after a change."""
        query, answer = read["query"], read["answer"]
        there = np.flatnonzero((self.added[query] <= change) & (change < self.removed[query]))
        subjects: dict[str, float] = {}
        for place in there:
            subjects.setdefault(str(self.names[self.order[query, place]]), float(self.sorted[query, place]))
            if len(subjects) == K:
                break
        return [name for name, _ in answer] == list(subjects) and np.allclose(
            [distance for _, distance in answer], list(subjects.values()), rtol=1e-4
        )


if __name__ == "__main__":
    main()
