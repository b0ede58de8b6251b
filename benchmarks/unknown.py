"""Saying "unknown" at a rate that was asked for: half of the classes are enrolled, the other half are strangers.

    python benchmarks/unknown.py DATA [--only omniglot grocery emoji nyala orl_faces growth] [--splits 20]

DATA holds the five sets. No class was seen in training: Omniglot by a network that learned from the five alphabets of
background_small1, emoji and nyala by one that learned from the other half of the classes, grocery by color histograms
and faces by raw pixels, with nothing learned. In each split the classes are drawn anew, and 1, 3 or 5 pictures of each
that is enrolled; five pictures at most of every class probe. The gallery is calibrated on itself, with no strangers.

`growth`: Omniglot, from 20 to 400 subjects. The gallery is calibrated at 20 and then only enrolled into; beside it
stands the threshold that was right at 20. Models are kept in `--models`; what is there is not trained again.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta

import semelha
from _results import table, write_section
from _sets import Case, emoji, grocery, nyala, omniglot, orl_faces, trained, unlearned
from omniglot import background_small
from semelha.errors import CalibrationError
from semelha.features import Histogram, RawPixels
from semelha.measures import open_set
from semelha.metrics import Euclidean, Matusita
from semelha.recognition import NEAREST, Scoring
from semelha.recognition.calibration import min_sample_size

RATES = (0.1, 0.05, 0.01)
EXAMPLES = (1, 3, 5)
PROBES = 5
SIZES = (20, 50, 100, 200, 400)
SCORINGS = (
    NEAREST,
    Scoring("nearest", "margin"),
    Scoring("mean"),
    Scoring("mean", "margin"),
    Scoring("mean", "cohort"),
)
STEPS = ["--steps", "300", "--minutes", "100000", "--seed", "0"]
SETS = ("omniglot", "grocery", "emoji", "nyala", "orl_faces")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="?", default=os.environ.get("SEMELHA_DATA"))
    parser.add_argument("--only", nargs="+", default=[*SETS, "scorings", "growth"])
    parser.add_argument("--splits", type=int, default=20)
    parser.add_argument("--models", type=Path, default=Path("build/unknown"))
    arguments = parser.parse_args()
    if arguments.data is None:
        parser.error("name the folder that holds the sets, or set SEMELHA_DATA")
    data, models = Path(arguments.data), arguments.models
    cells = [cell for name in SETS if name in arguments.only for cell in cells_of(name, data, models, arguments.splits)]
    if cells:
        write_section("Saying unknown", told(cells, arguments.splits))
    if "scorings" in arguments.only:
        write_section("Saying unknown, by scoring", scorings(data, models, arguments.splits))
    if "growth" in arguments.only:
        write_section("Saying unknown, as the gallery grows", growth(seen("omniglot", data, models), arguments.splits))


@dataclass(frozen=True, eq=False)
class Seen:
    """Pictures of classes that nobody has learned, as vectors (n, d), with their classes and groups (n,)."""

    name: str
    model: semelha.Model
    vectors: NDArray[np.float32]
    labels: NDArray[np.str_]
    groups: NDArray[np.str_]


@dataclass(frozen=True)
class Cell:
    """One set, number of examples and rate, over the splits; without figures where the rate was refused."""

    name: str
    examples: int
    rate: float
    subjects: int
    strangers: int
    refused: str = ""
    fpir: tuple[float, ...] = ()
    fnir: tuple[float, ...] = ()
    hindsight: tuple[float, ...] = ()
    intervals: tuple[tuple[float, float], ...] = ()  # where the rate on so many strangers lies
    long_run: tuple[tuple[float, float], ...] = ()

    @property
    def error(self) -> float:
        """Standard error of the mean over splits."""
        return float(np.std(self.fpir, ddof=1) / np.sqrt(len(self.fpir)))

    @property
    def many(self) -> bool:
        """Whether five or more strangers are expected to pass among as many as there are subjects."""
        return self.subjects * self.rate >= 5


def seen(name: str, data: Path, models: Path) -> Seen:
    """The pictures that are measured, by the model of the set."""
    case, model = CASES[name](data, models / f"{name}-0")
    (pictures,) = case.measured
    labels = pictures.labels
    groups = np.array([picture.group or f"#{i}" for i, picture in enumerate(pictures)])
    return Seen(name, model, model.embed(pictures.pictures), labels, groups)


def of_omniglot(data: Path, out: Path) -> tuple[Case, semelha.Model]:
    case = background_small(omniglot(data), data)
    return case, trained(case, out, STEPS)


def of_emoji(data: Path, out: Path) -> tuple[Case, semelha.Model]:
    case = emoji(data)
    loose = tuple(semelha.Picture(p.source, p.label, p.name) for p in case.measured[0])  # strangers come in any style
    return Case(case.name, case.learned, (semelha.Dataset("symbols", loose),)), trained(case, out, STEPS)


def of_nyala(data: Path, out: Path) -> tuple[Case, semelha.Model]:
    case = nyala(data)
    left, right = (part.counts() for part in case.measured)  # the flank that there are more pictures of
    chosen = [p for p in case.measured[0] if left[p.label] >= right.get(p.label, 0)]
    chosen += [p for p in case.measured[1] if right[p.label] > left.get(p.label, 0)]
    return Case(case.name, case.learned, (semelha.Dataset("animals", tuple(chosen)),)), trained(case, out, STEPS)


def of_grocery(data: Path, out: Path) -> tuple[Case, semelha.Model]:
    case = grocery(data)
    everything = semelha.Dataset("products", (*case.learned, *case.measured[0]))
    return Case(case.name, (), (everything,)), unlearned(Histogram(bins=6, joint=True), Matusita(), out)


def of_faces(data: Path, out: Path) -> tuple[Case, semelha.Model]:
    return orl_faces(data), unlearned(RawPixels(), Euclidean(), out)


CASES = {
    "omniglot": of_omniglot,
    "grocery": of_grocery,
    "emoji": of_emoji,
    "nyala": of_nyala,
    "orl_faces": of_faces,
}


@dataclass(frozen=True, eq=False)
class Split:
    """Places of the examples of each subject, of probes of these, and of strangers."""

    enrolled: dict[str, NDArray[np.int64]]
    mated: NDArray[np.int64]
    strangers: NDArray[np.int64]


def split(pictures: Seen, examples: int, seed: int, known: int | None = None) -> Split:
    """Half of the classes with more pictures than examples are enrolled, or so many as are `known`."""
    random = np.random.default_rng(seed)
    names, counts = np.unique(pictures.labels, return_counts=True)
    names = random.permutation(names[counts > examples])
    enrolled, mated = {}, []
    for name in names[: len(names) // 2 if known is None else known]:
        places = by_group(np.flatnonzero(pictures.labels == name), pictures.groups, random)
        enrolled[str(name)] = places[:examples]
        apart = ~np.isin(pictures.groups[places], pictures.groups[places[:examples]])
        mated.append(places[examples:][apart[examples:]][:PROBES])
    unknown = names[len(enrolled) :]
    strangers = [random.permutation(np.flatnonzero(pictures.labels == name))[:PROBES] for name in unknown]
    return Split(enrolled, np.concatenate(mated), np.concatenate(strangers))


def by_group(places: NDArray[np.int64], groups: NDArray[np.str_], random: np.random.Generator) -> NDArray[np.int64]:
    """By chance, yet one visit or encounter after the other, so that some are left to probe with."""
    places = random.permutation(places)
    order = {group: i for i, group in enumerate(random.permutation(np.unique(groups[places])))}
    return places[np.argsort([order[group] for group in groups[places]], kind="stable")]


@contextmanager
def empty(model: semelha.Model) -> Iterator[semelha.Gallery]:
    with tempfile.TemporaryDirectory() as folder, semelha.Gallery.create(Path(folder, "g"), model) as gallery:
        yield gallery


def enroll(gallery: semelha.Gallery, pictures: Seen, subjects: dict[str, NDArray[np.int64]]) -> None:
    for name, places in subjects.items():
        sources = [str(place) for place in places]
        gallery.enroll_vectors(name, pictures.vectors[places], sources, fingerprint=pictures.model.fingerprint)


@dataclass(frozen=True, eq=False)
class Answers:
    """Score, p-value and nearest subject of probes."""

    scores: NDArray[np.float64]
    p_values: NDArray[np.float64]
    nearest: NDArray[np.str_]


def asked(gallery: semelha.Gallery, vectors: NDArray[np.float32], scoring: Scoring) -> Answers:
    found = gallery.identify_vectors(vectors, k=scoring.depth)
    ranked = np.array([[one.distance for one in answer.candidates] for answer in found])
    p_values = np.array([1.0 if answer.p_value is None else answer.p_value for answer in found])
    return Answers(scoring(ranked), p_values, np.array([answer.candidates[0].subject for answer in found]))


def cells_of(name: str, data: Path, models: Path, splits: int) -> Iterator[Cell]:
    pictures = seen(name, data, models)
    for examples in EXAMPLES:
        if (np.unique(pictures.labels, return_counts=True)[1] > examples).sum() >= 4:
            yield from measured(pictures, examples, splits, NEAREST)
            print(name, examples, flush=True)


def measured(pictures: Seen, examples: int, splits: int, scoring: Scoring) -> list[Cell]:
    """A cell for each rate."""
    runs: dict[float, list[tuple[float, ...]]] = {rate: [] for rate in RATES}
    refused: dict[float, str] = {}
    for seed in range(splits):
        parts = split(pictures, examples, seed)
        unknown = len(np.unique(pictures.labels[parts.strangers]))
        with empty(pictures.model) as gallery:
            enroll(gallery, pictures, parts.enrolled)
            intervals = {}
            for rate in sorted(RATES):  # the loosest last, which all rates that can be supported go by
                try:
                    calibration = gallery.calibrate(fpir=rate, scoring=scoring, seed=seed)
                    intervals[rate] = (*calibration.interval(strangers=unknown), *calibration.interval())
                except CalibrationError as error:
                    refused[rate] = str(error)
            mated = asked(gallery, pictures.vectors[parts.mated], scoring)
            strangers = asked(gallery, pictures.vectors[parts.strangers], scoring)
        right = mated.nearest == pictures.labels[parts.mated]
        best = open_set(mated.scores, right, strangers.scores, fpirs=RATES).fnir_at_fpir
        for rate, ends in intervals.items():
            passed = float((strangers.p_values <= rate).mean())
            missed = float(1 - (right & (mated.p_values <= rate)).mean())
            runs[rate].append((passed, missed, best[rate] or 0.0, *ends))
    sizes = len(parts.enrolled), unknown
    cells = []
    for rate, rows in runs.items():
        if rows:
            fpir, fnir, hindsight, *ends = (tuple(column) for column in zip(*rows, strict=True))
            both = tuple(zip(*ends[:2], strict=True)), tuple(zip(*ends[2:], strict=True))
            cells.append(Cell(pictures.name, examples, rate, *sizes, "", fpir, fnir, hindsight, *both))
        else:
            cells.append(Cell(pictures.name, examples, rate, *sizes, refused[rate]))
    return cells


def told(cells: Sequence[Cell], splits: int) -> str:
    kept = [cell for cell in cells if not cell.refused]
    many = [cell for cell in kept if cell.many]
    below = sum(np.mean(cell.fpir) <= cell.rate + 2 * cell.error for cell in kept)
    above = sum(np.mean(cell.fpir) >= cell.rate / 2 for cell in many)
    near = sum(np.mean(cell.fnir) - np.mean(cell.hindsight) <= 0.02 for cell in many)
    apart = np.mean([np.mean(cell.fnir) - np.mean(cell.hindsight) for cell in many])
    columns = ["set", "examples", "subjects", "strangers", "target", "achieved FPIR", "± 2 SE", "interval, mean"]
    columns += ["within it", "width ÷ Clopper–Pearson's", "FNIR", "FNIR, best threshold in hindsight"]
    return (
        f"{splits} splits a row. Mean achieved FPIR at most the target and two standard errors in {below} of "
        f"{len(kept)} rows, and at least half of the target in {above} of the {len(many)} where N × target ≥ 5. FNIR "
        f"in these {len(many)}: {100 * apart:.1f} points above that of hindsight on average, within 2 points in "
        f"{near}. The interval of the rate {spoken(kept, 'long_run')}; that for a measurement on as many strangers as "
        f"there are {spoken(kept, 'intervals')}. The table has the first.\n\n"
        + table(columns, [row(cell) for cell in cells])
        + "\n\nRefused, for example: "
        + next((cell.refused for cell in cells if cell.refused), "none")
        + "."
    )


def spoken(cells: Sequence[Cell], name: str) -> str:
    """What there is to say of one of the intervals."""
    pairs = [(cell, getattr(cell, name)) for cell in cells]
    widths = [ratio(cell, intervals) for cell, intervals in pairs]
    inside = np.mean([covered(cell, intervals) for cell, intervals in pairs])
    return (
        f"holds what was measured in {inside:.1%} of all cells, and is {np.mean(widths):.2f}× as wide as Clopper and "
        f"Pearson's of as many subjects (at most {np.max(widths):.2f}×)"
    )


def row(cell: Cell) -> list[object]:
    start = [cell.name, cell.examples, cell.subjects, cell.strangers, f"{cell.rate:.0%}"]
    if cell.refused:
        return [*start, "refused", *[None] * 6]
    low, high = np.mean(cell.long_run, axis=0)
    figures = [float(np.mean(cell.fpir)), 2 * cell.error, f"{low:.3f}–{high:.3f}"]
    figures += [f"{covered(cell, cell.long_run):.0%}", ratio(cell, cell.long_run)]
    return [*start, *figures, float(np.mean(cell.fnir)), float(np.mean(cell.hindsight))]


def covered(cell: Cell, intervals: Sequence[tuple[float, float]]) -> float:
    return float(np.mean([low <= rate <= high for rate, (low, high) in zip(cell.fpir, intervals, strict=True)]))


def ratio(cell: Cell, intervals: Sequence[tuple[float, float]]) -> float:
    """Width as a multiple of that of Clopper and Pearson's interval of as many subjects at the target."""
    k, n = cell.rate * cell.subjects, cell.subjects
    exact = beta.ppf(0.975, k + 1, n - k) - beta.ppf(0.025, k, n - k + 1)
    return float(np.mean([high - low for low, high in intervals]) / exact)


def scorings(data: Path, models: Path, splits: int) -> str:
    """What other scorings make of the same splits, and what is chosen."""
    rows: list[list[object]] = []
    for name in ("emoji", "grocery"):
        pictures = seen(name, data, models)
        for scoring in SCORINGS:
            (cell,) = (one for one in measured(pictures, 3, splits, scoring) if one.rate == RATES[0])
            figures = (np.mean(cell.fpir), 2 * cell.error, np.mean(cell.fnir), np.mean(cell.hindsight))
            rows.append([name, scoring.name, *map(float, figures)])
            print(rows[-1], flush=True)
        rows.append([name, f"chosen: {choices(pictures, splits)}", *[None] * 4])
    columns = ["set", "scoring", "achieved FPIR", "± 2 SE", "FNIR", "FNIR, best threshold in hindsight"]
    return f"Three examples of each subject, target {RATES[0]:.0%}, {splits} splits a row.\n\n" + table(columns, rows)


def choices(pictures: Seen, splits: int) -> str:
    """What cross-validation chooses, as often as it does."""
    found: dict[str, int] = {}
    for seed in range(splits):
        with empty(pictures.model) as gallery:
            enroll(gallery, pictures, split(pictures, 3, seed).enrolled)
            try:
                name = gallery.calibrate(fpir=RATES[0], scoring=None, seed=seed).scoring.name
            except CalibrationError:
                name = "refused"
        found[name] = found.get(name, 0) + 1
    return ", ".join(f"{name} {count}" for name, count in sorted(found.items(), key=lambda item: -item[1]))


def growth(pictures: Seen, splits: int) -> str:
    """FPIR of a gallery that is only enrolled into, at every rate that it supports, and of what was right at first."""
    loosest = RATES[0]
    kept: dict[int, list[tuple[float, ...]]] = {size: [] for size in SIZES}
    for seed in range(splits):
        parts = split(pictures, 1, seed, SIZES[-1])
        subjects = list(parts.enrolled)
        probes = pictures.vectors[parts.strangers]
        with empty(pictures.model) as gallery:
            before = 0
            for size in SIZES:
                enroll(gallery, pictures, {name: parts.enrolled[name] for name in subjects[before:size]})
                if size == SIZES[0]:
                    scores = np.sort(gallery.calibrate(fpir=loosest, seed=seed).scores)
                    fixed = scores[int(loosest * (size + 1)) - 1]
                found, now = asked(gallery, probes, NEAREST), gallery.calibration
                before = size
                afresh = again(pictures, parts, subjects[:size], loosest, seed)
                same = now is not None and np.array_equal(now.scores, afresh)
                passed = [float((found.p_values <= rate).mean()) for rate in RATES]
                kept[size].append((*passed, float((found.scores <= fixed).mean()), float(same)))
        print(seed, flush=True)
    rows = []
    for size, runs in kept.items():
        *own, fixed_rate, same = np.array(runs).T
        cells: list[object] = [size]
        for rate, passed in zip(RATES, own, strict=True):
            error = 2 * passed.std(ddof=1) / np.sqrt(len(passed))
            enough = size >= min_sample_size(rate, "subjects")
            cells.append(f"{passed.mean():.3f} ± {error:.3f}" if enough else "refused")
        rows.append([*cells, float(fixed_rate.mean()), f"{int(same.sum())} of {len(same)}"])
    columns = ["subjects", *(f"FPIR, target {rate:.0%}, ± 2 SE" for rate in RATES)]
    columns += [f"FPIR of the threshold set at {SIZES[0]} for {loosest:.0%}", "as calibrated afresh"]
    return (
        f"Omniglot, one example of each subject, {splits} orders of enrollment; strangers: the classes that are never "
        f"enrolled. Nobody calibrates after the first {SIZES[0]}.\n\n" + table(columns, rows)
    )


def again(pictures: Seen, parts: Split, names: Sequence[str], rate: float, seed: int) -> NDArray[np.float64]:
    with empty(pictures.model) as gallery:
        enroll(gallery, pictures, {name: parts.enrolled[name] for name in names})
        return gallery.calibrate(fpir=rate, seed=seed).scores


if __name__ == "__main__":
    main()
