"""Whether the calibrated rate holds when a gallery grows by its own answers.

    python benchmarks/feedback.py [--galleries 100] [--sizes 60-1200 200-4000] [--examples 1 3]

Vectors of four populations are simulated, and the calibration of `semelha.recognition` decides on them; the
bookkeeping of a gallery (which subjects are compared) is repeated here in plain arrays, and is compared with
`full_conformal` at the end of each gallery. Ways to grow:

random      every newcomer is enrolled, without being identified first
own         a newcomer is identified first, and enrolled unless it is known
cluster     as own, 50 newcomers at a time
nine in ten as own, but only nine of ten of those that are not known are enrolled
mixed       half as random, half as own; every 200 newcomers a tenth of the subjects is removed

While a gallery is uncalibrated (its rate has too little support) its answers name nobody, and everybody is enrolled.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
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
BATCH, REMOVAL = 50, 200
STRANGERS = 2000
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


class Simulated:
    """A gallery of vectors: every subject has `examples` of them, of which the first serves as the stranger."""

    def __init__(self, subjects: NDArray[np.float64], *, compares_screened: bool) -> None:
        self.compares_screened = (
            compares_screened  # the old rule: every subject serves, and is compared with all others
        )
        self._set(subjects.astype(np.float32), np.zeros(len(subjects), bool))

    def _set(self, vectors: NDArray[np.float32], screened: NDArray[np.bool_]) -> None:
        self.n, room = len(vectors), 8192
        self.vectors = np.zeros((room, *vectors.shape[1:]), np.float32)
        self.vectors[: self.n] = vectors
        self.screened = np.zeros(room, bool)
        self.screened[: self.n] = screened
        self.before = np.zeros(room, np.int64)  # screened subjects that were enrolled earlier
        self.before[: self.n] = np.cumsum(screened) - screened
        self.scores = np.full(room, np.inf)
        for row in range(self.n):
            distances = self.distances(vectors[row, 0][None])[0]
            distances[row] = np.inf
            later = self.screened[: self.n] & (np.arange(self.n) > row)
            self.scores[row] = distances[~later].min()

    def distances(self, probes: NDArray[np.floating]) -> NDArray[np.float64]:
        """To the nearest example of each subject: (probes, subjects)."""
        stored = self.vectors[: self.n].reshape(-1, D).astype(np.float64)
        probes = probes.astype(np.float32).astype(np.float64)
        squares = (probes**2).sum(axis=1)[:, None] + (stored**2).sum(axis=1) - 2 * probes @ stored.T
        squares[squares < 1e-9] = 0  # exact duplicates
        return np.sqrt(squares).reshape(len(probes), self.n, -1).min(axis=2)

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
        some = self.calibrating
        return bool(SMALLEST["subjects"] * self.weights()[some].max() <= rate * (some.sum() + 1) * (1 + 1e-9))

    def p_value(self, distances: NDArray[np.float64]) -> float:
        """Of one probe, from its distances (subjects,); in plain words what `Calibration.p_values` computes."""
        weights, some = self.weights(), self.calibrating
        nearest = int(distances.argmin())
        low = some & (self.scores[: self.n] <= distances[nearest])
        own = weights[nearest] if some[nearest] and not low[nearest] else 0.0
        return float((weights[some].max() + weights[low].sum() + own) / (some.sum() + 1))

    def enroll(self, vectors: NDArray[np.float64], distances: NDArray[np.float64], screened: bool) -> None:
        """Add a subject, given the distances of its examples to the subjects: (examples, subjects)."""
        n, screened = self.n, screened and not self.compares_screened
        if not screened:
            self.scores[:n] = np.minimum(self.scores[:n], self._to_drawn(vectors))
        self.vectors[n], self.scores[n], self.screened[n] = vectors, distances[0].min(), screened
        self.before[n] = self.screened[:n].sum()
        self.n += 1

    def _to_drawn(self, vectors: NDArray[np.float64]) -> NDArray[np.float64]:
        """Distance of the drawn example of each subject to the nearest of these vectors."""
        drawn = self.vectors[: self.n, 0].astype(np.float64)
        stored = vectors.astype(np.float32).astype(np.float64)
        squares = (drawn**2).sum(axis=1)[:, None] + (stored**2).sum(axis=1) - 2 * drawn @ stored.T
        squares[squares < 1e-9] = 0
        return np.sqrt(squares).min(axis=1)

    def remove(self, rows: NDArray[np.int64]) -> None:
        kept = np.setdiff1d(np.arange(self.n), rows)
        self._set(self.vectors[kept].copy(), self.screened[kept].copy())


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

    gallery = Simulated(pictures(draw(sizes[0]), examples), compares_screened=old)
    arrived = 0
    while gallery.n < sizes[1]:
        subjects = pictures(draw(BATCH), examples)
        together = growth == "cluster"
        pending: list[tuple[NDArray[np.float64], bool]] = []
        supported = gallery.supports(rate)
        for subject in subjects:
            arrived += 1
            if growth == "mixed" and arrived % REMOVAL == 0:
                gallery.remove(random.choice(gallery.n, gallery.n // 10, replace=False))
            identified = growth in ("own", "cluster", "nine in ten") or (growth == "mixed" and random.random() < 0.5)
            if not together:
                supported = gallery.supports(rate)
            distances = gallery.distances(subject)
            if identified and supported and gallery.p_value(distances[0]) <= rate:
                continue
            if growth == "nine in ten" and random.random() < 0.1:
                continue
            pending.append((subject, identified and supported))
            if not together and gallery.n < sizes[1]:
                gallery.enroll(subject, distances, pending.pop()[1])
        for subject, screened in pending:
            if gallery.n < sizes[1]:
                gallery.enroll(subject, gallery.distances(subject), screened)
    return measured(gallery, rate, pictures(draw(STRANGERS), 1)[:, 0], random)


def measured(gallery: Simulated, rate: float, strangers: NDArray[np.float64], random: np.random.Generator) -> Outcome:
    try:
        calibration = gallery.calibration(rate)
    except CalibrationError:
        assert not gallery.supports(rate)
        return Outcome(False, 0.0, 1.0)
    assert gallery.supports(rate)
    place = np.where(gallery.calibrating, np.cumsum(gallery.calibrating) - 1, -1)

    def p_values(distances: NDArray[np.float64]) -> NDArray[np.float64]:
        nearest = distances.argmin(axis=1)
        return calibration.p_values(distances.min(axis=1), place[nearest])

    distances = gallery.distances(strangers)
    found = p_values(distances)
    assert np.allclose(found[:20], [gallery.p_value(one) for one in distances[:20]])
    subjects = random.integers(gallery.n, size=STRANGERS)
    probes = gallery.vectors[subjects, 0] + SPREAD * random.normal(size=(STRANGERS, D))
    distances = gallery.distances(probes)
    right = (p_values(distances) <= rate) & (distances.argmin(axis=1) == subjects)
    return Outcome(True, float((found <= rate).mean()), float(1 - right.mean()))


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
