"""One-shot recognition of handwritten characters of alphabets never seen in training (Lake's within-alphabet task).

    python benchmarks/omniglot.py DATA [--model m-omniglot] [--seeds 0]

DATA holds `omniglot/open`, one folder a character. The ten alphabets whose names come first by SHA-256 are reported on
only; the other twenty go into a folder of their own on which `semelha train` runs with its default settings. A run:
20 characters of one alphabet, one drawing of each by one person to learn from, one each by another person to name
(Lake, Salakhutdinov, Tenenbaum, Science 350, 2015). Interval: bootstrap over alphabets.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import semelha
from _results import table, write_section
from semelha.embedders import raw_pixels

WAY = 20
RUNS_PER_ALPHABET = 40
PUBLISHED = [
    ("convolutional net (Lake et al. 2015)", 13.5),
    ("prototypical net (Lake et al. 2019)", 13.7),
    ("Siamese net (Koch et al. 2015)", 8.0),
    ("people", 4.5),
    ("BPL", 3.3),
]


def main() -> None:
    arguments = parse()
    pictures = semelha.read_folder(arguments.data / "omniglot" / "open")
    alphabets = sorted({alphabet_of(p.label) for p in pictures}, key=lambda n: hashlib.sha256(n.encode()).hexdigest())
    reported = alphabets[:10]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "twenty-alphabets"
        link_classes(arguments.data / "omniglot" / "open", folder, leave_out=reported)
        rows, per_seed = [], []
        for seed in arguments.seeds:
            model, minutes = train(folder, arguments.model, seed)
            by_alphabet = one_shot(model, pictures, reported, seed=seed)
            per_seed.append(by_alphabet)
            low, high = interval(by_alphabet, seed=seed)
            rows.append(
                [
                    f"semelha, seed {seed}",
                    100 * mean(by_alphabet),
                    f"{100 * low:.2f}–{100 * high:.2f}",
                    minutes,
                ]
            )
        if len(per_seed) > 1:
            joined = {name: float(np.mean([seed[name] for seed in per_seed])) for name in per_seed[0]}
            low, high = interval(joined, seed=0)
            rows.append(["semelha, all seeds", 100 * mean(joined), f"{100 * low:.2f}–{100 * high:.2f}", None])
        raw = one_shot(raw_pixels(), pictures, reported, seed=0)
        low, high = interval(raw, seed=0)
        rows.append(["raw pixels", 100 * mean(raw), f"{100 * low:.2f}–{100 * high:.2f}", None])
    rows += [[f"{name} (other alphabets)", error, None, None] for name, error in PUBLISHED]
    detail = ", ".join(f"{name} {100 * error:.1f}" for name, error in sorted(per_seed[0].items()))
    runs = RUNS_PER_ALPHABET * len(per_seed[0])
    body = (
        f"{WAY}-way one-shot error within an unseen alphabet, in percent: {runs} runs over {len(per_seed[0])} "
        f"alphabets of {WAY} characters or more; 95% interval over alphabets.\n\n"
        + table(["method", "error %", "95% interval", "training, minutes"], rows)
        + f"\n\nBy alphabet, first seed: {detail}."
    )
    write_section("Omniglot", body)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="?", default=os.environ.get("SEMELHA_DATA"))
    parser.add_argument("--model", type=Path, default=Path("m-omniglot"), help="where the models go, or are found")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    arguments = parser.parse_args()
    if arguments.data is None:
        parser.error("name the folder that holds omniglot/open, or set SEMELHA_DATA")
    return arguments


def alphabet_of(label: str) -> str:
    return label.rsplit(".", 1)[0]


def link_classes(source: Path, target: Path, *, leave_out: list[str]) -> None:
    target.mkdir()
    for folder in source.iterdir():
        if folder.is_dir() and alphabet_of(folder.name) not in leave_out:
            (target / folder.name).symlink_to(folder.resolve(), target_is_directory=True)


def train(folder: Path, out: Path, seed: int) -> tuple[semelha.Model, float]:
    """The model of that seed and the minutes of its command; of the training alone where it was there already."""
    out = out.with_name(f"{out.name}-seed{seed}") if seed else out
    if out.exists():
        model = semelha.load_embedder(out)
        return model, model.card.training["seconds"] / 60
    command = [sys.executable, "-m", "semelha.cli", "train", str(folder), "--out", str(out)]
    start = time.monotonic()
    subprocess.run(command + (["--seed", str(seed)] if seed else []), check=True)
    return semelha.load_embedder(out), (time.monotonic() - start) / 60


def one_shot(embedder: object, pictures: semelha.Dataset, alphabets: list[str], *, seed: int) -> dict[str, float]:
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


def interval(by_alphabet: dict[str, float], *, seed: int) -> tuple[float, float]:
    errors = np.array(list(by_alphabet.values()))
    samples = np.random.default_rng(seed).choice(errors, (10_000, len(errors))).mean(axis=1)
    low, high = np.quantile(samples, [0.025, 0.975])
    return float(low), float(high)


def mean(by_alphabet: dict[str, float]) -> float:
    return float(np.mean(list(by_alphabet.values())))


if __name__ == "__main__":
    main()
