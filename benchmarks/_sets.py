"""Real pictures, apart by class: those that a training may see, and those that it is measured on."""

from __future__ import annotations

import csv
import hashlib
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

import semelha
from semelha.embedders import Embedder
from semelha.embedders.card import Card
from semelha.embedders.extractors import FeatureExtractor
from semelha.embedders.model import write_model
from semelha.features import Features
from semelha.measures import retrieval
from semelha.metrics import Metric


@dataclass(frozen=True, eq=False)
class Case:
    """Pictures to learn from, and others, of other classes: in each part of them all are searched for each."""

    name: str
    learned: tuple[semelha.Picture, ...]
    measured: tuple[semelha.Dataset, ...]


def omniglot(data: Path) -> Case:
    """Twenty alphabets to learn from, as in `omniglot.py`, and ten."""
    dataset = semelha.read_folder(data / "omniglot" / "open")
    reported = set(by_hash({alphabet_of(p.label) for p in dataset})[:10])
    apart = [[p for p in dataset if (alphabet_of(p.label) in reported) == seen] for seen in (False, True)]
    return Case("omniglot", tuple(apart[0]), (semelha.Dataset("ten alphabets", tuple(apart[1])),))


def grocery(data: Path) -> Case:
    """Photos of one visit to the shops (the official training part, or the test part) are a group, and never match."""
    rows = table_of(data / "grocery" / "open")
    photos = semelha.read_folder(data / "grocery" / "open" / "images")
    photos_of = [replace(p, group=str(rows[f"images/{p.name}"]["official_split"] == "test")) for p in photos]
    return halves("grocery", photos_of, 15)


def emoji(data: Path) -> Case:
    """A symbol is searched for in the styles of other hands."""
    pictures = semelha.read_folder(data / "emoji" / "open")
    return halves("emoji", [replace(p, group=Path(p.name).stem) for p in pictures], 296)


def nyala(data: Path) -> Case:
    """Animals by one flank, and from another encounter. The flanks differ, so each is a class to learn."""
    rows = table_of(data / "nyala" / "open")
    once = [p for p in semelha.read_folder(data / "nyala" / "open") if not rows[p.name]["duplicate_of"]]
    photos = [replace(p, group=rows[p.name]["encounter"]) for p in once]
    case = halves("nyala", photos, 89)
    flanks = [replace(p, label=f"{p.label}-{rows[p.name]['side']}") for p in case.learned]
    (measured,) = case.measured
    parts = [tuple(p for p in measured if rows[p.name]["side"] == side) for side in ("left", "right")]
    names = ("left flanks", "right flanks")
    return Case("nyala", tuple(flanks), tuple(map(semelha.Dataset, names, parts)))


CASES = {"omniglot": omniglot, "grocery": grocery, "emoji": emoji, "nyala": nyala}


def halves(name: str, pictures: Sequence[semelha.Picture], reported: int) -> Case:
    """So many classes, whose names come first by SHA-256, are measured."""
    chosen = set(by_hash({p.label for p in pictures})[:reported])
    apart = [tuple(p for p in pictures if (p.label in chosen) == seen) for seen in (False, True)]
    return Case(name, apart[0], (semelha.Dataset(f"{reported} classes", apart[1]),))


def table_of(folder: Path) -> dict[str, dict[str, str]]:
    """What is known of each picture, by its path."""
    with (folder / "images.csv").open(encoding="utf-8") as file:
        return {row["path"]: row for row in csv.DictReader(file)}


def alphabet_of(label: str) -> str:
    """Of a character of Omniglot."""
    return label.rsplit(".", 1)[0]


def by_hash(names: set[str]) -> list[str]:
    return sorted(names, key=lambda name: hashlib.sha256(name.encode()).hexdigest())


def trained(case: Case, out: Path, words: Sequence[str], *, labelled: bool = True) -> semelha.Model:
    """The model `out`, trained on what the case has to learn from by the command line, unless it is there."""
    if not out.exists():
        words = ["train", str(told(case, out.parent, labelled=labelled)), "--out", str(out), "--resume", *words]
        subprocess.run([sys.executable, "-m", "semelha.cli", *words], check=True)
    return semelha.load_embedder(out)


def told(case: Case, folder: Path, *, labelled: bool) -> Path:
    """A manifest of what there is to learn from: with labels and groups, or without."""
    file = folder / f"{case.name}-{'labelled' if labelled else 'loose'}.csv"
    folder.mkdir(parents=True, exist_ok=True)
    with file.open("w", encoding="utf-8", newline="") as opened:
        rows = csv.writer(opened)
        rows.writerow(["path", "label", "group"] if labelled else ["path"])
        for picture in case.learned:
            assert isinstance(picture.source, Path)
            known = [picture.label, picture.group or ""] if labelled else []
            rows.writerow([str(picture.source.resolve()), *known])
    return file


@dataclass(frozen=True)
class Figures:
    """R@1 of each class and how many searches it had; R@1 and MAP@R over all searches."""

    right: np.ndarray
    searches: np.ndarray
    r_at_1: float
    map_at_r: float


def figures(case: Case, embedder: Embedder) -> Figures:
    """How the embedder does on the classes that nobody has learned."""
    names = sorted({p.label for part in case.measured for p in part})
    right, searches = np.zeros(len(names)), np.zeros(len(names))
    precision = 0.0
    for part in case.measured:
        labels = np.searchsorted(names, part.labels)
        found = retrieval(
            embedder.embed(part.pictures), labels, metric=embedder.metric, query_groups=part.groups, ks=(1,)
        )
        hits = (labels[found.nearest[:, 0]] == labels)[found.has_match]
        searches += np.bincount(labels[found.has_match], minlength=len(names))
        right += np.bincount(labels[found.has_match], weights=hits, minlength=len(names))
        precision += found.map_at_r * len(hits)
    some = searches > 0
    whole = searches.sum()
    return Figures(right[some] / searches[some], searches[some], float(right.sum() / whole), float(precision / whole))


def interval(found: Sequence[Figures]) -> str:
    """95% of R@1 over classes, by bootstrap; of several trainings their mean."""
    hits = np.mean([each.right * each.searches for each in found], axis=0)
    drawn = np.random.default_rng(0).integers(0, len(hits), (10_000, len(hits)))
    low, high = np.quantile(hits[drawn].sum(axis=1) / found[0].searches[drawn].sum(axis=1), [0.025, 0.975])
    return f"{low:.3f}–{high:.3f}"


def cost(model: semelha.Model) -> Iterator[object]:
    """Steps and minutes of its training."""
    yield from (model.card.training["steps_taken"], model.card.training["seconds"] / 60)


def unlearned(features: Features, metric: Metric, out: Path) -> semelha.Model:
    """The model `out` of features with nothing learned, made unless it is there."""
    if not out.exists():
        out.parent.mkdir(parents=True, exist_ok=True)
        card = Card.draft(
            name=out.name,
            dim=features.dim,
            metric={"name": metric.name, **metric.parameters()},
            training={},
            classes=[],
            content_hashes=[],
            results={},
            features=FeatureExtractor(features).spec,
        )
        write_model(out, card=card, weights={})
    return semelha.load_embedder(out)


def orl_faces(data: Path) -> Case:
    """All persons are measured."""
    return Case("orl_faces", (), (semelha.read_folder(data / "orl_faces" / "open"),))
