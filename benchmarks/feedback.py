"""Whether the calibrated rate holds when a gallery grows by its own answers.

    pip install numba
    OMP_NUM_THREADS=1 python benchmarks/feedback.py [--galleries 100] [--sizes 60-1200 200-4000] [--examples 1 3]

Vectors of four populations are simulated, and the calibration of `semelha.recognition` decides on them; the
bookkeeping of a gallery (which subjects are compared) is repeated here in plain arrays, and is compared with
`full_conformal` at the end of each gallery. Ways to grow:

random      every newcomer is enrolled, without being identified first
own         a newcomer is identified first, and enrolled unless it is known
cluster     as own, 50 newcomers at a time
nine in ten as own, but only nine of ten of those that are not known are enrolled
mixed       half as random, half as own; every 200 newcomers 50 of the subjects are removed

While a gallery is uncalibrated (its rate has too little support) its answers name nobody, and everybody is enrolled.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
from numba import njit
from numpy.typing import NDArray

from _results import table, write_section
from semelha.errors import CalibrationError
from semelha.recognition import Calibration, full_conformal
from semelha.recognition.calibration import SMALLEST, min_sample_size

D = 16
RATES = (0.01, 0.05, 0.1)
GROWTHS = ("random", "own", "cluster", "nine in ten", "mixed")
POPULATIONS = ("independent", "clustered", "hubs", "duplicates")
SPREAD = 0.35  # of the pictures of one subject
BATCH, REMOVAL, REMOVED = 50, 200, 50
STRANGERS = 2000
ROOM = 8192  # more subjects than any gallery has
Vectors = NDArray[np.float32]
Draw = Callable[[int], NDArray[np.float64]]


def population(name: str, random: np.random.Generator) -> Draw:
    """Draws centers of subjects (n, d)."""
    centers = 2 * random.normal(size=(40, D))
    known_twice = random.normal(size=(400, D))

    def draw(n: int) -> NDArray[np.float64]:
        found = random.normal(size=(n, D))
        if name == "clustered":
            found = centers[random.integers(len(centers), size=n)] + 0.7 * found
        elif name == "hubs":  # those near the middle are near to everything
            found *= np.exp(0.8 * random.normal(size=(n, 1)))
        elif name == "duplicates":  # three of ten are one of 400
            again = random.random(n) < 0.3
            found[again] = known_twice[random.integers(len(known_twice), size=int(again.sum()))]
        return found

    return draw


@njit(fastmath=True, cache=True)
def squares(probe: Vectors, stored: Vectors, n: int) -> Vectors:
    """Squared distances of one vector (d,) to n others, which are columns: (d, room)."""
    found = np.zeros(n, np.float32)
    for axis in range(D):
        for row in range(n):
            difference = stored[axis, row] - probe[axis]
            found[row] += difference * difference
    return found


@njit(cache=True)
def to_subjects(probe: Vectors, stored: Vectors, n: int) -> Vectors:
    """Distance of one vector (d,) to the nearest example of each of n subjects; `stored` is (examples, d, room)."""
    found = squares(probe, stored[0], n)
    for example in range(1, len(stored)):
        found = np.minimum(found, squares(probe, stored[example], n))
    return np.sqrt(found)


@njit(cache=True)
def to_all_subjects(probes: Vectors, stored: Vectors, n: int) -> tuple[Vectors, NDArray[np.int64]]:
    """Distance to the nearest subject, and its row, of each probe (probes, d)."""
    distances, rows = np.empty(len(probes), np.float32), np.empty(len(probes), np.int64)
    for probe in range(len(probes)):
        found = to_subjects(probes[probe], stored, n)
        rows[probe] = found.argmin()
        distances[probe] = found[rows[probe]]
    return distances, rows


@njit(cache=True)
def weight(n: int, later: int) -> float:
    """Of a subject of n, which is not compared with the screened ones that came later."""
    return (n - 1) / max(n - 1 - later, 1)


@njit(cache=True)
def p_value_of(distances: Vectors, scores: Vectors, screened: NDArray[np.bool_], before: NDArray[np.int64]) -> float:
    """Of one probe, from its distances (subjects,); in plain words what `Calibration.p_values` computes."""
    n, all_screened = len(distances), screened.sum()
    nearest = distances.argmin()
    calibrating, largest, lower = 0, 0.0, 0.0
    for row in range(n):
        if not screened[row]:
            own = weight(n, all_screened - before[row])
            calibrating += 1
            largest = max(largest, own)
            if scores[row] <= distances[nearest] or row == nearest:
                lower += own
    return (largest + lower) / (calibrating + 1)


class Simulated:
    """A gallery of vectors: every subject has `examples` of them, of which the first serves as the stranger.

    By the old rule every subject serves, and is compared with all others.
    """

    def __init__(self, subjects: NDArray[np.float64], *, old: bool) -> None:
        self.old = old
        n = len(subjects)
        self.vectors = np.zeros((*subjects.shape[1:], ROOM), np.float32)  # (examples, d, room)
        self.screened = np.zeros(ROOM, np.bool_)
        self.before = np.zeros(ROOM, np.int64)  # screened subjects that were enrolled earlier
        self.scores = np.full(ROOM, np.inf, np.float32)
        self._set(np.moveaxis(subjects, 0, -1).astype(np.float32), self.screened[:n], self.scores[:n])
        self._score(np.arange(n))

    def _set(self, vectors: Vectors, screened: NDArray[np.bool_], scores: Vectors) -> None:
        self.n = n = len(screened)
        self.vectors[:, :, :n], self.screened[:n], self.scores[:n] = vectors, screened, scores
        self.before[:n] = np.cumsum(screened) - screened

    def _score(self, rows: NDArray[np.int64]) -> None:
        """Compute the scores of these rows: distances to the nearest other subject that is compared with them."""
        for row in rows:
            distances = self.distances(self.vectors[0, :, row])
            distances[row] = np.inf
            later = self.screened[: self.n] & (np.arange(self.n) > row)
            self.scores[row] = distances[~later].min()

    def distances(self, probe: NDArray[np.floating]) -> Vectors:
        """To the nearest example of each subject: (subjects,)."""
        return to_subjects(probe.astype(np.float32), self.vectors, self.n)

    @property
    def calibrating(self) -> NDArray[np.bool_]:
        return ~self.screened[: self.n]

    def weights(self) -> NDArray[np.float64]:
        later = self.screened[: self.n].sum() - self.before[: self.n] - self.screened[: self.n]
        return (self.n - 1) / np.maximum(self.n - 1 - later, 1)

    def calibration(self, rate: float) -> Calibration:
        rows = self.calibrating
        return full_conformal(self.scores[: self.n][rows], rate, weights=self.weights()[rows])

    def supports(self, rate: float) -> bool:
        screened = self.before[self.n - 1] + self.screened[self.n - 1]
        first = self.screened[: self.n].argmin()  # of those that calibrate, the one with the largest weight
        largest = weight(self.n, screened - self.before[first])
        return bool(SMALLEST["subjects"] * largest <= rate * (self.n - screened + 1) * (1 + 1e-9))

    def p_value(self, distances: Vectors) -> float:
        return float(p_value_of(distances, self.scores[: self.n], self.screened[: self.n], self.before[: self.n]))

    def enroll(self, subject: NDArray[np.float64], distances: Vectors, screened: bool) -> None:
        """Add a subject (examples, d), given the distances of its first example to the subjects."""
        n, screened = self.n, screened and not self.old
        vectors = subject.astype(np.float32)
        if not screened:
            for vector in vectors:  # the first examples of the others have a new neighbor
                to_drawn = np.sqrt(squares(vector, self.vectors[0], n))
                np.minimum(self.scores[:n], to_drawn, out=self.scores[:n])
        self.vectors[:, :, n], self.scores[n], self.screened[n] = vectors, distances.min(), screened
        self.before[n] = self.before[n - 1] + self.screened[n - 1]
        self.n += 1

    def remove(self, rows: NDArray[np.int64]) -> None:
        orphans = np.zeros(self.n, np.bool_)  # those whose nearest neighbor may be removed
        for vector in np.moveaxis(self.vectors[:, :, rows], 1, -1).reshape(-1, D):
            orphans |= np.sqrt(squares(vector, self.vectors[0], self.n)) <= self.scores[: self.n]
        kept = np.setdiff1d(np.arange(self.n), rows)
        self._set(self.vectors[:, :, kept], self.screened[kept], self.scores[kept])
        self._score(np.flatnonzero(orphans[kept]))


@dataclass(frozen=True)
class Outcome:
    """Of one gallery at its last size."""

    supported: bool
    fpir: float
    fnir: float


def grown(
    seed: int, name: str, growth: str, rate: float, sizes: tuple[int, int], examples: int, *, old: bool = False
) -> Outcome:
    random = np.random.default_rng([seed, sizes[1], examples])
    draw = population(name, random)

    def pictures(centers: NDArray[np.float64], count: int) -> NDArray[np.float64]:
        noise = SPREAD * random.normal(size=(len(centers), count, D))
        return centers[:, None] + (noise if count > 1 else 0)

    gallery = Simulated(pictures(draw(sizes[0]), examples), old=old)
    arrived = 0
    while gallery.n < sizes[1]:
        subjects = pictures(draw(BATCH), examples)
        together = growth == "cluster"
        pending: list[tuple[NDArray[np.float64], bool]] = []
        supported = gallery.supports(rate)
        for subject in subjects:
            arrived += 1
            if growth == "mixed" and arrived % REMOVAL == 0:
                gallery.remove(random.choice(gallery.n, REMOVED, replace=False))
            identified = growth in ("own", "cluster", "nine in ten") or (growth == "mixed" and random.random() < 0.5)
            if not together:
                supported = gallery.supports(rate)
            distances = gallery.distances(subject[0])
            if identified and supported and gallery.p_value(distances) <= rate:
                continue
            if growth == "nine in ten" and random.random() < 0.1:
                continue
            pending.append((subject, identified and supported))
            if not together and gallery.n < sizes[1]:
                gallery.enroll(subject, distances, pending.pop()[1])
        for subject, screened in pending:
            if gallery.n < sizes[1]:
                gallery.enroll(subject, gallery.distances(subject[0]), screened)
    return measured(gallery, rate, pictures(draw(STRANGERS), examples)[:, 0], random)


def measured(gallery: Simulated, rate: float, strangers: NDArray[np.float64], random: np.random.Generator) -> Outcome:
    try:
        calibration = gallery.calibration(rate)
    except CalibrationError:
        assert not gallery.supports(rate)
        return Outcome(False, 0.0, 1.0)
    assert gallery.supports(rate)
    place = np.where(gallery.calibrating, np.cumsum(gallery.calibrating) - 1, -1)

    def searched(probes: NDArray[np.float64]) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
        """Whether each probe is known, and its nearest subject."""
        distances, nearest = to_all_subjects(probes.astype(np.float32), gallery.vectors, gallery.n)
        found = calibration.p_values(distances, place[nearest])
        plain = [gallery.p_value(gallery.distances(probe)) for probe in probes[:20]]
        assert np.allclose(found[:20], plain)
        return found <= rate, nearest

    subjects = random.integers(gallery.n, size=STRANGERS)
    probes = gallery.vectors[0, :, subjects] + SPREAD * random.normal(size=(STRANGERS, D))
    named, nearest = searched(probes)
    return Outcome(True, float(searched(strangers)[0].mean()), float(1 - (named & (nearest == subjects)).mean()))


def row(name: str, growth: str, rate: float, sizes: tuple[int, int], examples: int, galleries: int) -> list[object]:
    outcomes = [grown(seed, name, growth, rate, sizes, examples) for seed in range(galleries)]
    before = [grown(seed, name, growth, rate, sizes, examples, old=True) for seed in range(max(2, galleries // 10))]
    fpir = np.array([one.fpir for one in outcomes])
    says = np.array([not one.supported for one in outcomes])
    supported = [one for one in outcomes if one.supported]
    error = 2 * fpir.std(ddof=1) / np.sqrt(len(fpir))
    return [
        f"{sizes[0]} → {sizes[1]}",
        examples,
        name,
        growth,
        f"{rate:g}",
        f"{fpir.mean():.4f} ± {error:.4f}",
        "yes" if fpir.mean() <= rate + error else "no",
        f"{says.mean():.2f}",
        f"{np.mean([one.fpir for one in supported]):.4f}" if supported else "–",
        f"{np.mean([one.fnir for one in supported]):.3f}" if supported else "–",
        f"{np.mean([one.fpir for one in before]):.3f}",
        f"{np.mean([one.fnir for one in before]):.3f}",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--galleries", type=int, default=100)
    parser.add_argument("--sizes", nargs="+", default=["60-1200", "200-4000"])
    parser.add_argument("--examples", type=int, nargs="+", default=[1, 3])
    parser.add_argument("--processes", type=int, default=2)
    arguments = parser.parse_args()
    sizes = [tuple(map(int, one.split("-"))) for one in arguments.sizes]
    cases = [
        (name, growth, rate, size, examples)
        for size in sizes
        for examples in arguments.examples
        for name in POPULATIONS
        for growth in GROWTHS
        for rate in RATES
        if size[0] >= min_sample_size(rate, "subjects")
    ]
    with ProcessPoolExecutor(arguments.processes) as pool:
        pending = [pool.submit(partial(row, *case, arguments.galleries)) for case in cases]
        rows = []
        for one in pending:
            rows.append(one.result())
            print(*rows[-1], sep=" | ", flush=True)
    columns = [
        "subjects",
        "examples",
        "population",
        "growth",
        "FPIR asked",
        "FPIR achieved ± 2 SE",
        "at most asked + 2 SE",
        "galleries that say it is not supported",
        "FPIR of the others",
        "FNIR of the others",
        "FPIR, old rule",
        "FNIR, old rule",
    ]
    body = (
        f"{arguments.galleries} galleries a row, {max(2, arguments.galleries // 10)} by the old rule; {STRANGERS} "
        "strangers and as many new pictures of subjects for each. A gallery without support names nobody, and counts "
        "as 0 in the achieved rate."
    )
    write_section("Growth by own answers", f"{body}\n\n{table(columns, rows)}")


if __name__ == "__main__":
    main()
