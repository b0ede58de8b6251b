"""Say "unknown" at a chosen rate, and measure the rate that is reached.

    python examples/unknown_at_a_rate.py                         # on patterns that it draws
    python examples/unknown_at_a_rate.py photos --fpir 0.02      # photos/<class>/<picture>

Half of the classes are enrolled with half of their pictures. The gallery is calibrated so that at most a share `--fpir`
of strangers gets a name. Then it is asked about the other half of the pictures, and about the classes that it does not
have.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

import semelha
from semelha.features import HOG


def main() -> None:
    parser = argparse.ArgumentParser(
        description='Say "unknown" at a chosen rate, and measure the rate that is reached.'
    )
    parser.add_argument("photos", nargs="?", help="photos/<class>/<picture>; by default patterns are drawn")
    parser.add_argument("--model", help="a model folder; by default the pretrained model")
    parser.add_argument("--fpir", type=float, default=0.05, help="share of strangers that may get a name")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if arguments.photos:
            pictures, model = semelha.read_dataset(arguments.photos), arguments.model
        else:
            pictures, others = things("thing", 200, seed=0), things("other", 100, seed=1)
            features = HOG((32, 32), channels=3)
            model = semelha.train(others, out=Path(folder) / "model", method="lda", features=features)
        random = np.random.default_rng(0)
        enrolled = random.permutation(pictures.classes)[::2]
        is_enrolled = np.isin(pictures.labels, enrolled)
        is_example = is_enrolled & (random.random(len(pictures)) < 0.5)
        known = pictures.select(np.flatnonzero(is_enrolled & ~is_example))
        strangers = pictures.select(np.flatnonzero(~is_enrolled))
        with semelha.Gallery.create(Path(folder) / "gallery", model) as gallery:
            gallery.enroll_dataset(pictures.select(np.flatnonzero(is_example)))
            rule = gallery.calibrate(fpir=arguments.fpir)
            of_known, of_strangers = gallery.identify_many(known), gallery.identify_many(strangers)
    named = np.mean([answer.decision == "known" for answer in of_strangers])
    missed = np.mean([answer.subject != picture.label for picture, answer in zip(known, of_known, strict=True)])
    print(f"Asked for: at most {rule.fpir:.1%} of strangers get a name.")
    print(f"Measured: {named:.1%} of {len(strangers)} pictures of {len(set(strangers.labels))} strangers get one.")
    print(f"Its price: {missed:.1%} of {len(known)} pictures of enrolled things are unknown or get a wrong name.")


def things(name: str, classes: int, *, seed: int, each: int = 6) -> semelha.Dataset:
    """Draw pictures of colored patterns: each a little turned, shifted, and in another light."""
    random = np.random.default_rng(seed)
    pictures = []
    for thing in range(classes):
        tiles = Image.fromarray(random.integers(0, 256, (6, 6, 3), np.uint8))
        pattern = tiles.resize((60, 60), Image.Resampling.BICUBIC)
        for number in range(each):
            left, top = (int(place) for place in random.integers(3, 10, 2))
            seen = pattern.rotate(random.uniform(-7, 7)).crop((left, top, left + 48, top + 48))
            lit = np.asarray(seen) * random.uniform(0.7, 1.1) + random.normal(0, 8, (48, 48, 3))
            label = f"{name} {thing}"
            pictures.append(semelha.Picture(lit.clip(0, 255).astype(np.uint8), label, f"{label} seen {number}"))
    return semelha.Dataset(name, tuple(pictures))


if __name__ == "__main__":
    main()
