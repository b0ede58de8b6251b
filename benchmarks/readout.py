"""What reading the layers of a network adds to what its head gives: the same weights, on classes never seen.

    python benchmarks/readout.py DATA [--only emoji grocery nyala omniglot five glyphs] [--models build]

DATA holds the open sets. The models are those of `families.py` (the default, and SimCLR) and of `omniglot.py` (the
default of all, and of five alphabets), seed 0: trained where they are not there; and one of the scripts of the demo, as
the demo trains it but for ten minutes, of more classes than layers are read of where nothing is said. Each is measured
twice: its embedding read from the layers, and by its head alone. Each picture searches all others of its part.
Interval: bootstrap over classes, of the difference. FNIR at FPIR 10%, in hindsight: half of the classes are enrolled,
the others strangers; of the first part, and the first five drawings of a character of Omniglot.
"""

from __future__ import annotations

import argparse
import os
from dataclasses import replace
from pathlib import Path

import numpy as np

import families
import omniglot
import semelha
from _results import table, write_section
from _sets import CASES, Case, Figures, figures
from semelha.cli.demo import for_fonts
from semelha.deep.without_training import TorchEmbedder, network_of
from semelha.embedders import Embedder
from semelha.images import TEST_SCRIPTS, TRAIN_SCRIPTS

FIVE, GLYPHS = "five", "glyphs"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="?", default=os.environ.get("SEMELHA_DATA"))
    parser.add_argument("--only", nargs="+", default=["emoji", "grocery", "nyala", "omniglot", FIVE, GLYPHS])
    parser.add_argument("--models", type=Path, default=Path("build"))
    arguments = parser.parse_args()
    if arguments.data is None:
        parser.error("name the folder that holds the sets, or set SEMELHA_DATA")
    rows: list[list[object]] = []
    for name in arguments.only:
        rows += compared(name, Path(arguments.data), arguments.models)
    body = (
        "R@1 and MAP@R on classes of which none was learned from, by the head and by the layers of the same networks; "
        "95% interval of the difference in R@1 over classes; head / layers.\n\n"
        + table(
            ["pictures", "learned", "classes", "R@1", "difference", "interval", "MAP@R", "FNIR at FPIR 10%"],
            rows,
        )
    )
    write_section("Reading the layers", body)


def compared(name: str, data: Path, models: Path) -> list[list[object]]:
    if name == GLYPHS:
        case = Case(GLYPHS, tuple(semelha.glyphs(TRAIN_SCRIPTS)), (semelha.glyphs(TEST_SCRIPTS),))
        return [row(case, name, "with labels", of_glyphs(case, models / "readout" / GLYPHS))]
    if name in ("omniglot", FIVE):
        whole = CASES["omniglot"](data)
        case = whole if name == "omniglot" else omniglot.background_small(whole, data)
        kind = "default" if name == "omniglot" else "small"
        found = omniglot.learned(case, models / "omniglot", kind, 0)
        return [row(case, name, "with labels", found)]
    case, folder = CASES[name](data), models / "families"
    labelled = families.learned(case, "pairs and proxies", "the default", families.STEPS, folder, seed=0)
    loose = families.learned(case, families.WITHOUT_LABELS, "SimCLR", families.STEPS, folder, seed=0)
    return [row(case, name, "with labels", labelled), row(case, name, "without (SimCLR)", loose)]


def row(case: Case, name: str, title: str, model: semelha.Model) -> list[object]:
    assert model.card.input is not None
    head = TorchEmbedder(network_of(model), model.card.input, model.metric, f"head of {model.fingerprint}")
    first, second = figures(case, head), figures(case, model)
    misses = [missed(case, each) for each in (head, model)]
    return [
        "omniglot, five alphabets" if name == FIVE else name,
        title,
        len(model.card.classes),
        f"{first.r_at_1:.3f} / {second.r_at_1:.3f}",
        f"{second.r_at_1 - first.r_at_1:+.3f}",
        difference(first, second),
        f"{first.map_at_r:.3f} / {second.map_at_r:.3f}",
        " / ".join("–" if each is None else f"{each:.3f}" for each in misses),
    ]


def of_glyphs(case: Case, out: Path) -> semelha.Model:
    """The model of the scripts, trained unless it is there."""
    if out.exists():
        return semelha.load_embedder(out)
    dataset = semelha.Dataset(case.name, case.learned)
    network, recipe = for_fonts(semelha.plan_training(dataset))
    out.parent.mkdir(parents=True, exist_ok=True)
    return semelha.train(
        dataset, out=out, network=replace(network, readout="layers"), recipe=recipe, minutes=10, resume=True
    )


def missed(case: Case, embedder: Embedder) -> float | None:
    """FNIR at FPIR 10%, the threshold chosen in hindsight."""
    some = case.measured[0]
    if case.name in ("omniglot", "background-small1"):
        some = semelha.Dataset(some.name, tuple(p for p in some if drawer(p) <= 5))
    groups = "none" if some.groups is None else "auto"  # those of the data set, and no others
    figures = semelha.evaluate(embedder, some, fpir=0.1, baselines=False, resamples=0, groups=groups).to_json()
    found: float | None = figures["fnir_at_fpir"]
    return found


def drawer(picture: semelha.Picture) -> int:
    return int(Path(picture.name).stem.rsplit("_", 1)[1])


def difference(first: Figures, second: Figures) -> str:
    """95% of the difference in R@1, by bootstrap over classes."""
    gained = (second.right - first.right) * first.searches
    drawn = np.random.default_rng(0).integers(0, len(gained), (10_000, len(gained)))
    low, high = np.quantile(gained[drawn].sum(axis=1) / first.searches[drawn].sum(axis=1), [0.025, 0.975])
    return f"{low:+.3f} to {high:+.3f}"


if __name__ == "__main__":
    main()
