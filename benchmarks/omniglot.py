"""One-shot recognition of handwritten characters of alphabets never seen in training (Lake's within-alphabet task).

    python benchmarks/omniglot.py DATA [--only default hour small short shots] [--seeds 0 1 2] [--models build/omniglot]

DATA holds `omniglot/open`, one folder a character. The ten alphabets whose names come first by SHA-256 are reported on
only; the other twenty are learned from. A run: 20 characters of one alphabet, one drawing of each by one person to
learn from, one each by another person to name (Lake, Salakhutdinov, Tenenbaum, Science 350, 2015). Interval: bootstrap
over alphabets.

`default`: what `semelha train` makes of them when nothing is said; with the options of docs/few.md; and with a mean in
place of the grid. `hour`: with 60 minutes, the medium network and 64 pixels. `small`: the default, of the five
alphabets of background_small1 alone, and measured on all others. `short`: the same in 300 steps, with the grid and
without. `shots`: the models of `default`, on 5 or 20 characters of any of the ten alphabets, with 1 or 5 drawings of
each to learn from (Snell, Swersky, Zemel, NeurIPS 2017, section 3.1).

Models are kept in `--models`, go on if they were interrupted, and what is there is not trained again.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import semelha
from _results import table, write_section
from _sets import Case, alphabet_of, omniglot, trained
from semelha.embedders import Embedder, raw_pixels

WAY = 20
RUNS_PER_ALPHABET = 200
EPISODES = 2000
HOUR = ["--minutes", "60", "--backbone", "medium", "--size", "64"]
MEAN = ["--pooling", "average"]
SHORT = ["--steps", "300"]
SMALL = ["--backbone", "small"]
WORDS = {
    "default": SMALL,
    "average": MEAN,
    "hour": HOUR,
    "small": SMALL,
    "short": SHORT,
    "short-average": [*SHORT, *MEAN],
}
PUBLISHED = [
    ("convolutional net (Lake et al. 2015)", 13.5),
    ("prototypical net (Lake et al. 2019)", 13.7),
    ("Siamese net (Koch et al. 2015)", 8.0),
    ("people", 4.5),
    ("BPL", 3.3),
]
PUBLISHED_SMALL = [("convolutional net", 23.2), ("prototypical net", 30.1)]
PROTOTYPICAL = {(5, 1): 98.8, (5, 5): 99.7, (20, 1): 96.0, (20, 5): 98.9}

Errors = dict[str, float]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="?", default=os.environ.get("SEMELHA_DATA"))
    parser.add_argument("--only", nargs="+", default=["default", "hour", "small", "short", "shots"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--models", type=Path, default=Path("build/omniglot"))
    arguments = parser.parse_args()
    if arguments.data is None:
        parser.error("name the folder that holds omniglot/open, or set SEMELHA_DATA")
    whole = omniglot(Path(arguments.data))
    (reported,) = whole.measured
    if "default" in arguments.only:
        models = [learned(whole, arguments.models, "default", seed) for seed in arguments.seeds]
        gridless = [learned(whole, arguments.models, "average", seed) for seed in arguments.seeds]
        write_section("Omniglot", told(models, reported, gridless, options=True) + published(PUBLISHED))
    if "again" in arguments.only:  # the default with the first seed alone, to see that nothing became worse
        models = [learned(whole, arguments.models, "default", arguments.seeds[0])]
        write_section("Omniglot, one seed", told(models, reported))
    if "hour" in arguments.only:
        models = [learned(whole, arguments.models, "hour", seed) for seed in arguments.seeds]
        write_section("Omniglot, an hour", told(models, reported, options=True) + published(PUBLISHED))
    if "small" in arguments.only:
        case = background_small(whole, Path(arguments.data))
        models = [learned(case, arguments.models, "small", seed) for seed in arguments.seeds]
        write_section("Omniglot, five alphabets", told(models, case.measured[0]) + published(PUBLISHED_SMALL))
    if "short" in arguments.only:
        case = background_small(whole, Path(arguments.data))
        models = [learned(case, arguments.models, "short", seed) for seed in arguments.seeds]
        gridless = [learned(case, arguments.models, "short-average", seed) for seed in arguments.seeds]
        write_section("Omniglot, five alphabets, 300 steps", told(models, case.measured[0], gridless))
    if "shots" in arguments.only:
        models = [learned(whole, arguments.models, "default", seed) for seed in arguments.seeds]
        write_section("Omniglot, across alphabets", shots(models, reported))


def learned(case: Case, folder: Path, kind: str, seed: int) -> semelha.Model:
    words = [*WORDS[kind], "--seed", str(seed)]
    return trained(case, folder / f"{kind}-{seed}", words)


def background_small(whole: Case, data: Path) -> Case:
    names = set((data / "omniglot" / "open" / "background_small1.txt").read_text(encoding="utf-8").split())
    everything = (*whole.learned, *whole.measured[0])
    apart = [tuple(p for p in everything if (alphabet_of(p.label) in names) == seen) for seen in (True, False)]
    return Case("background-small1", apart[0], (semelha.Dataset("25 alphabets", apart[1]),))


def told(
    models: Sequence[semelha.Model],
    reported: semelha.Dataset,
    gridless: Sequence[semelha.Model] = (),
    *,
    options: bool = False,
) -> str:
    """The table of some seeds, of those without a grid, and of what the options make of them."""
    alphabets = sorted({alphabet_of(p.label) for p in reported})
    per_seed = [one_shot(model, reported, alphabets, seed=seed) for seed, model in enumerate(models)]
    rows = [
        row(f"semelha, {model.card.name}", errors, model.card.training["seconds"] / 60)
        for model, errors in zip(models, per_seed, strict=True)
    ]
    if len(models) > 1:
        rows.append(row(f"semelha, mean of {len(models)} seeds", joined(per_seed)))
    if gridless:
        found = [one_shot(model, reported, alphabets, seed=seed) for seed, model in enumerate(gridless)]
        rows.append(row(f"semelha, the mean in place of the grid: mean of {len(gridless)} seeds", joined(found)))
    if options:
        rows += with_options(models, reported, alphabets)
    rows.append(row("raw pixels", one_shot(raw_pixels(), reported, alphabets, seed=0)))
    detail = ", ".join(
        f"{name.replace('_', ' ')} {100 * error:.1f}" for name, error in sorted(joined(per_seed).items())
    )
    counted = len(per_seed[0])
    card = models[0].card.training
    return (
        f"{WAY}-way one-shot error within an unseen alphabet, in percent: {counted * RUNS_PER_ALPHABET} runs over "
        f"{counted} alphabets of {WAY} characters or more; 95% interval over alphabets. Learned from "
        f"{card['pictures']:,} drawings, in {card['steps_taken']:,} steps of the first seed.\n\n"
        + table(["method", "error %", "95% interval", "training, minutes"], rows)
        + f"\n\nBy alphabet, mean of the seeds: {detail}.\n\n"
    )


def with_options(
    models: Sequence[semelha.Model], reported: semelha.Dataset, alphabets: list[str]
) -> Iterator[list[object]]:
    """Several views of each picture, several models, and both (`semelha derive`)."""
    with tempfile.TemporaryDirectory() as folder:
        for number, views in ((1, 9), (len(models), 1), (len(models), 9)):
            if number == views:
                continue
            name = " and ".join(["9 views"] * (views > 1) + [f"{number} joined"] * (number > 1))
            parts = [models[i : i + number] for i in range(0, len(models) - number + 1, number)]
            found = []
            for seed, part in enumerate(parts):
                model = semelha.derive(part, out=Path(folder, f"{number}-{views}-{seed}"), views=views)
                found.append(one_shot(model, reported, alphabets, seed=seed))
            yield row(f"semelha, {name}", joined(found))


def row(title: str, errors: Errors, minutes: float | None = None) -> list[object]:
    low, high = interval(errors, seed=0)
    return [title, 100 * mean(errors), f"{100 * low:.2f}–{100 * high:.2f}", minutes]


def published(errors: Sequence[tuple[str, float]]) -> str:
    rows = [[name, error] for name, error in errors]
    return "Published, on other alphabets:\n\n" + table(["method", "error %"], rows)


def joined(found: Sequence[Errors]) -> Errors:
    return {name: float(np.mean([errors[name] for errors in found])) for name in found[0]}


def one_shot(embedder: Embedder, pictures: semelha.Dataset, alphabets: list[str], *, seed: int) -> Errors:
    """Mean error of each alphabet that has enough characters."""
    errors = {}
    for alphabet in alphabets:
        chosen = [p for p in pictures if alphabet_of(p.label) == alphabet]
        if len({p.label for p in chosen}) >= WAY:
            vectors = embedder.embed(chosen)
            errors[alphabet] = float(np.mean(list(runs(vectors, chosen, embedder.metric, seed))))
    return errors


def runs(vectors: NDArray[np.float32], chosen: list[semelha.Picture], metric: object, seed: int) -> Iterator[float]:
    at = {(p.label, p.name.rsplit("_", 1)[1]): i for i, p in enumerate(chosen)}  # (character, drawer)
    characters = sorted({label for label, _ in at})
    drawers = sorted({drawer for _, drawer in at})
    random = np.random.default_rng(seed)
    for _ in range(RUNS_PER_ALPHABET):
        way = random.choice(characters, WAY, replace=False)
        learn, name = random.choice(drawers, 2, replace=False)
        distances = metric.pairwise(
            vectors[[at[character, name] for character in way]],
            vectors[[at[character, learn] for character in way]],
        )
        yield float(np.mean(distances.argmin(axis=1) != np.arange(WAY)))


@dataclass(frozen=True, eq=False)
class Drawings:
    """Vectors of drawings by character: (characters, drawers, dim)."""

    vectors: NDArray[np.float32]
    embedder: Embedder


def shots(models: Sequence[semelha.Model], reported: semelha.Dataset) -> str:
    """Accuracy on characters of any alphabet; what is learned from is the mean of the drawings of each character."""
    rows: list[list[object]] = []
    drawings = [by_character(model, reported) for model in models]
    for (way, number), theirs in PROTOTYPICAL.items():
        per_seed = [100 * episodes(each, way, number, seed=seed) for seed, each in enumerate(drawings)]
        spread = f"{min(per_seed):.2f}–{max(per_seed):.2f}"
        rows.append([f"{way} characters, {number} of each", float(np.mean(per_seed)), spread, theirs])
    return (
        f"Accuracy in percent: {EPISODES} episodes a model, {len(models)} models (seeds), characters of any of the ten "
        "alphabets, none turned. Prototypical nets: as published, other alphabets, turned characters among them.\n\n"
        + table(["task", "semelha", "least and most of the seeds", "prototypical nets"], rows)
    )


def by_character(model: semelha.Model, reported: semelha.Dataset) -> Drawings:
    order = sorted(reported.pictures, key=lambda p: (p.label, p.name))
    return Drawings(model.embed(order).reshape(len(reported.classes), -1, model.dim), model)


def episodes(drawings: Drawings, way: int, number: int, *, seed: int) -> float:
    random, right = np.random.default_rng(seed), []
    characters, drawers, _ = drawings.vectors.shape
    for _ in range(EPISODES):
        chosen = random.choice(characters, way, replace=False)
        places = np.array([random.choice(drawers, number + 1, replace=False) for _ in chosen])
        some = drawings.vectors[chosen[:, None], places]  # (way, number + 1, dim)
        distances = drawings.embedder.metric.pairwise(some[:, 0], some[:, 1:].mean(axis=1))
        right.append(np.mean(distances.argmin(axis=1) == np.arange(way)))
    return float(np.mean(right))


def interval(by_alphabet: Errors, *, seed: int) -> tuple[float, float]:
    errors = np.array(list(by_alphabet.values()))
    samples = np.random.default_rng(seed).choice(errors, (10_000, len(errors))).mean(axis=1)
    low, high = np.quantile(samples, [0.025, 0.975])
    return float(low), float(high)


def mean(by_alphabet: Errors) -> float:
    return float(np.mean(list(by_alphabet.values())))


if __name__ == "__main__":
    main()
