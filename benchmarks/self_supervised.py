"""Networks that learned without labels, on classes never seen: beside raw pixels, the untrained and the supervised one.

    python benchmarks/self_supervised.py DATA [--methods simclr moco-v2 moco-v3] [--only omniglot] [--steps 300]

DATA holds `omniglot/open` and `grocery/open`. Omniglot: twenty alphabets are learned from, as in `omniglot.py`, and the
other ten measured, each drawing searching all others. Grocery: the fifteen classes whose names come first by SHA-256
are measured; pictures of one visit to the shops (the official training part, or the test part) are a group and never
match. What is learned from without labels lies in one folder, without class folders. Trainings end by their steps, not
by the clock, so a busy machine does not change them; they are kept in `--models`, go on if they were interrupted, and
what is there is not trained again. Interval: bootstrap over classes.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import semelha
from _results import table, write_section
from _sets import CASES, Case, cost, figures, interval, trained
from semelha import Model
from semelha.deep import Augmentation, Network, build, untrained_embedder
from semelha.deep.cache import sample
from semelha.deep.readout import MAX_PICTURES, fit_layer_readout
from semelha.deep.without_training import TorchEmbedder
from semelha.embedders import Card, Embedder, raw_pixels
from semelha.metrics import Cosine

SUPERVISED = "supervised"
STEPS = {"omniglot": 300, "grocery": 150}
METHODS = ("simclr", "simclr-v2", "moco-v1", "moco-v2", "moco-v3")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="?", default=os.environ.get("SEMELHA_DATA"))
    parser.add_argument("--methods", nargs="+", default=["simclr", "moco-v2", "moco-v3"], choices=METHODS)
    parser.add_argument("--only", nargs="+", default=list(STEPS), choices=list(STEPS))
    parser.add_argument("--steps", type=int, help=f"of each training; {STEPS} where not given")
    parser.add_argument("--models", type=Path, default=Path("build/self-supervised"))
    arguments = parser.parse_args()
    if arguments.data is None:
        parser.error("name the folder that holds the sets, or set SEMELHA_DATA")
    for name in arguments.only:
        case, steps = CASES[name](Path(arguments.data)), arguments.steps or STEPS[name]
        methods = (*arguments.methods, SUPERVISED)
        models = {method: learned(case, method, steps, arguments.models) for method in methods}
        rows = [row(case, "raw pixels", raw_pixels(), None, None)]
        card = models[methods[0]].card
        rows += [row(case, "untrained", untrained_embedder(card), None, None)]
        rows += [row(case, "untrained, its layers read", read(case, card), None, None)]
        rows += [row(case, method, model, *cost(model)) for method, model in models.items()]
        (measured,) = case.measured
        body = (
            f"At most {steps} steps of 256 of {len(case.learned):,} pictures, whose labels the supervised "
            f"network has. R@1 and MAP@R on {len(measured):,} pictures of {len(measured.classes)} classes of which "
            "none was learned from; 95% interval over classes.\n\n"
            + table(["embedder", "R@1", "95% interval", "MAP@R", "steps", "minutes"], rows)
        )
        write_section(f"Learning without labels: {name}", body)


def learned(case: Case, method: str, steps: int, models: Path) -> Model:
    """The model of that method and so many steps."""
    words = ["--steps", str(steps), "--minutes", "100000"]
    words += [] if method == SUPERVISED else ["--method", method]
    return trained(case, models / f"{case.name}-{method}-{steps}", words, labelled=method == SUPERVISED)


def read(case: Case, card: Card) -> TorchEmbedder:
    """The network of a card with random weights, read as the trained one is, along axes of what is learned from."""
    assert card.input is not None
    network = Network.of_card(card)
    seen, _ = sample(semelha.Dataset(case.name, case.learned), card.input, MAX_PICTURES, seed=0)
    changes = Augmentation(**card.training["augmentation"])
    module = fit_layer_readout(build(network, seed=0), seen, network.dim or 0, augmentation=changes, seed=0)
    return TorchEmbedder(module, card.input, Cosine(), f"read-{card.fingerprint}")


def row(case: Case, title: str, embedder: Embedder, *cost: object) -> list[object]:
    found = figures(case, embedder)
    return [title, found.r_at_1, interval([found]), found.map_at_r, *cost]


if __name__ == "__main__":
    main()
