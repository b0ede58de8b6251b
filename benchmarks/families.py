"""The families of deep metric learning on photos, symbols and animals: proxies, pairs, both, and no labels at all.

    python benchmarks/families.py DATA [--only grocery emoji nyala] [--steps 300] [--models build/families]

DATA holds `grocery/open`, `emoji/open`, `nyala/open`; half of the classes of each are learned from, the others
measured, by R@1 and MAP@R. Pictures of one visit, style or encounter are a group and never match. Of each family the
recipe is taken that did best on the pictures learned from: on classes of them held out, and where no label was used, on
all. The best of all with labels is trained with two more seeds. A training ends by its steps, or after ten minutes;
models are kept in `--models`, go on if they were interrupted, and what is there is not trained again.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import numpy as np

import semelha
from _results import table, write_section
from _sets import CASES, Case, cost, figures, interval, trained
from semelha.embedders import Embedder, raw_pixels
from semelha.measures import retrieval

FAMILIES = {
    "proxies": {
        "normalized softmax": ["--loss", "normalized-softmax"],
        "CosFace": ["--loss", "cosface"],
        "Proxy-Anchor": ["--loss", "proxy-anchor"],
    },
    "pairs": {
        "SupCon": ["--loss", "supcon"],
        "multi-similarity": ["--loss", "multi-similarity"],
        "triplet, semi-hard": ["--loss", "triplet", "--mining", "semi-hard"],
    },
    "pairs and proxies": {"the default": []},
    "no labels": {"SimCLR": ["--method", "simclr"], "MoCo v3": ["--method", "moco-v3"]},
}
WITHOUT_LABELS = "no labels"
SEEDS = (0, 1, 2)
STEPS = 300


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="?", default=os.environ.get("SEMELHA_DATA"))
    parser.add_argument("--only", nargs="+", default=["grocery", "emoji", "nyala"], choices=list(CASES))
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--models", type=Path, default=Path("build/families"))
    arguments = parser.parse_args()
    if arguments.data is None:
        parser.error("name the folder that holds the sets, or set SEMELHA_DATA")
    for name in arguments.only:
        report(CASES[name](Path(arguments.data)), arguments.steps, arguments.models)


def report(case: Case, steps: int, models: Path) -> None:
    rows: list[list[object]] = [row(case, "", "raw pixels", raw_pixels(), None)]
    best: dict[str, tuple[float, str]] = {}
    for family, recipes in FAMILIES.items():
        for title in recipes:
            model = learned(case, family, title, steps, models, seed=0)
            score = chosen_by(case, family, model)
            rows.append(row(case, family, title, model, score))
            best[family] = max(best.get(family, (-1.0, "")), (score, title))
    family = max((each for each in best if each != WITHOUT_LABELS), key=lambda each: best[each])
    winner = best[family][1]
    several = [learned(case, family, winner, steps, models, seed=seed) for seed in SEEDS]
    found = [figures(case, model) for model in several]
    r_at_1, map_at_r = ([getattr(each, name) for each in found] for name in ("r_at_1", "map_at_r"))
    measured = sum(len(part) for part in case.measured)
    body = (
        f"{len(case.learned):,} pictures to learn from, {measured:,} of {len(found[0].right)} other classes to search; "
        f"at most {steps} steps of 256. Chosen by: R@1 on classes held out of those learned from, where there are "
        "labels, and otherwise on all that was learned from. Taken of each family: "
        + ", ".join(f"{title} ({name})" for name, (_, title) in best.items())
        + ".\n\n"
        + table(
            ["family", "recipe", "R@1", "95% interval over classes", "MAP@R", "chosen by", "steps", "minutes"], rows
        )
        + f"\n\n{winner}, {len(SEEDS)} seeds: R@1 {np.mean(r_at_1):.3f} ({', '.join(f'{x:.3f}' for x in r_at_1)}), "
        f"95% interval over classes {interval(found)}; MAP@R {np.mean(map_at_r):.3f}."
    )
    write_section(f"Families: {case.name}", body)


def learned(case: Case, family: str, title: str, steps: int, models: Path, *, seed: int) -> semelha.Model:
    """The model of that recipe and so many steps at most."""
    name = title.lower().replace(" ", "-").replace(",", "")
    words = [*FAMILIES[family][title], "--steps", str(steps), "--minutes", "10", "--seed", str(seed)]
    return trained(case, models / f"{case.name}-{name}-{steps}-{seed}", words, labelled=family != WITHOUT_LABELS)


def chosen_by(case: Case, family: str, model: semelha.Model) -> float:
    """R@1 among the pictures that were learned from: those of classes held out, or all where no label was used."""
    if family != WITHOUT_LABELS:
        return float(model.card.results["r_at_1_on_held_out_classes"])
    dataset = semelha.Dataset("learned", case.learned)
    labels = np.unique(dataset.labels, return_inverse=True)[1]
    vectors = model.embed(dataset.pictures)
    return float(retrieval(vectors, labels, metric=model.metric, query_groups=dataset.groups, ks=(1,)).r_at[1])


def row(case: Case, family: str, title: str, embedder: Embedder, score: float | None) -> list[object]:
    found = figures(case, embedder)
    told = cost(embedder) if isinstance(embedder, semelha.Model) else (None, None)
    return [family, title, found.r_at_1, interval([found]), found.map_at_r, score, *told]


if __name__ == "__main__":
    main()
