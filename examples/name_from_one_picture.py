"""Name things from one picture of each, without training on them.

    python examples/name_from_one_picture.py            # on characters that it draws
    python examples/name_from_one_picture.py photos     # photos/<class>/<picture>

The first picture of each class is enrolled, and the others are named. A folder is embedded by the pretrained model,
which needs the extra `train`, unless `--model` names another one.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np

import semelha
from semelha.features import HOG

SHOWN = 5


def main() -> None:
    parser = argparse.ArgumentParser(description="Name things from one picture of each.")
    parser.add_argument("photos", nargs="?", help="photos/<class>/<picture>; by default characters are drawn")
    parser.add_argument("--model", help="a model folder; by default the pretrained model")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if arguments.photos:
            pictures, model = semelha.read_dataset(arguments.photos), arguments.model
        else:
            pictures = semelha.glyphs(["Georgian"])
            letters = semelha.glyphs(["Cyrillic"])  # other characters, to learn what makes characters look alike
            model = semelha.train(letters, out=Path(folder) / "model", method="lda", features=HOG((48, 48)))
        _, first = np.unique(pictures.labels, return_index=True)  # position of the first picture of each class
        others = pictures.select(np.setdiff1d(np.arange(len(pictures)), first))
        with semelha.Gallery.create(Path(folder) / "gallery", model) as gallery:
            gallery.enroll_dataset(pictures.select(first))
            answers = gallery.identify_many(others)
    for picture, answer in list(zip(others, answers, strict=True))[:SHOWN]:
        print(f"{picture.name} shows {answer.subject}, at a distance of {answer.distance:.2f}")
    right = np.mean([answer.subject == picture.label for picture, answer in zip(others, answers, strict=True)])
    print(f"{right:.0%} of {len(others)} pictures get the right one of {len(first)} names.")


if __name__ == "__main__":
    main()
