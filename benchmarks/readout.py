"""What reading the layers of a network adds to what its head gives: the same weights, on classes never seen.

    python benchmarks/readout.py DATA [--only emoji grocery nyala omniglot five] [--models build]

DATA holds the open sets. The models are those of `families.py` (the default, and SimCLR) and of `omniglot.py` (the
default of all, and of five alphabets), seed 0: trained where they are not there. Each is measured twice: as it was
published, its embedding read from the layers, and by its head alone. Each picture searches all others of its part.
Interval: bootstrap over classes, of the difference.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import numpy as np

import families
import omniglot
import semelha
from _results import table, write_section
from _sets import CASES, Case, Figures, figures
from semelha.deep.reread import network_of
from semelha.deep.untrained import TorchEmbedder

FIVE = "five"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="?", default=os.environ.get("SEMELHA_DATA"))
    parser.add_argument("--only", nargs="+", default=["emoji", "grocery", "nyala", "omniglot", FIVE])
    parser.add_argument("--models", type=Path, default=Path("build"))
    arguments = parser.parse_args()
    if arguments.data is None:
        parser.error("name the folder that holds the sets, or set SEMELHA_DATA")
    rows: list[list[object]] = []
    for name in arguments.only:
        rows += compared(name, Path(arguments.data), arguments.models)
    body = (
        "R@1 and MAP@R on classes of which none was learned from, by the head and by the layers of the same networks; "
        "95% interval of the difference in R@1 over classes.\n\n"
        + table(
            ["pictures", "learned", "head R@1", "layers R@1", "difference", "interval", "head MAP@R", "layers MAP@R"],
            rows,
        )
    )
    write_section("Reading the layers", body)


def compared(name: str, data: Path, models: Path) -> list[list[object]]:
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
    return [
        "omniglot, five alphabets" if name == FIVE else name,
        title,
        first.r_at_1,
        second.r_at_1,
        second.r_at_1 - first.r_at_1,
        difference(first, second),
        first.map_at_r,
        second.map_at_r,
    ]


def difference(first: Figures, second: Figures) -> str:
    """95% of the difference in R@1, by bootstrap over classes."""
    gained = (second.right - first.right) * first.searches
    drawn = np.random.default_rng(0).integers(0, len(gained), (10_000, len(gained)))
    low, high = np.quantile(gained[drawn].sum(axis=1) / first.searches[drawn].sum(axis=1), [0.025, 0.975])
    return f"{low:+.3f} to {high:+.3f}"


if __name__ == "__main__":
    main()
