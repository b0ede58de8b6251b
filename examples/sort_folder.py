"""Watch a folder, and move each new picture into a folder with the name of what it shows.

    python examples/sort_folder.py                                  # on patterns that it draws
    python examples/sort_folder.py inbox sorted --gallery shop      # until Ctrl-C; a gallery made by `semelha enroll`

Pictures go to sorted/<subject>, what is not recognized for sure to sorted/unknown, and files that are no pictures to
sorted/unreadable.
"""

import argparse
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

import semelha
from semelha.errors import PictureError
from semelha.features import HOG

SETTLED = 1.0  # seconds since the last change of a file: before that it may still be copied


def main() -> None:
    parser = argparse.ArgumentParser(description="Watch a folder, and sort its pictures by what they show.")
    parser.add_argument("inbox", nargs="?", type=Path, help="folder to watch; by default one is made and sorted once")
    parser.add_argument("sorted", nargs="?", type=Path, default=Path("sorted"), help="folder to move pictures to")
    parser.add_argument("--gallery", type=Path, help="an enrolled and calibrated gallery")
    parser.add_argument("--once", action="store_true", help="sort what is there, and stop")
    arguments = parser.parse_args()
    if arguments.inbox:
        if arguments.gallery is None:
            parser.error("--gallery is missing: make one with `semelha enroll` and `semelha calibrate`")
        with semelha.Gallery.open(arguments.gallery) as gallery:
            while True:
                sort(gallery, arguments.inbox, arguments.sorted, SETTLED)
                if arguments.once:
                    break
                time.sleep(1)
    else:
        with tempfile.TemporaryDirectory() as folder, made_gallery(Path(folder)) as gallery:
            sort(gallery, Path(folder) / "inbox", Path(folder) / "sorted", 0)


def sort(gallery: semelha.Gallery, inbox: Path, out: Path, settled: float) -> None:
    """Move the files of `inbox` that did not change for `settled` seconds."""
    for file in sorted(inbox.iterdir()):
        if not file.is_file() or time.time() - file.stat().st_mtime < settled:
            continue
        try:
            answer = gallery.identify(file)
            name = answer.subject or "unknown"
        except PictureError as error:
            print(error)
            name = "unreadable"
        target = out / name.replace("/", " ") / file.name
        while target.exists():  # nothing is overwritten
            target = target.with_stem(target.stem + "-again")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(file, target)
        print(f"{file.name} → {target.relative_to(out)}")


def made_gallery(folder: Path) -> semelha.Gallery:
    """A gallery of things, and folder/inbox with new pictures of some of them, and of strangers."""
    features = HOG((32, 32), channels=3)
    model = semelha.train(things("other", 100, seed=1), out=folder / "model", method="lda", features=features)
    pictures = things("thing", 90, seed=0)
    is_example = np.array(["seen 5" not in one.name and int(one.label.split()[1]) < 80 for one in pictures])
    gallery = semelha.Gallery.create(folder / "gallery", model)
    gallery.enroll_dataset(pictures.select(np.flatnonzero(is_example)))
    gallery.calibrate(fpir=0.05)
    (folder / "inbox").mkdir()
    for picture in pictures.select(np.flatnonzero(~is_example)[::7]):
        Image.fromarray(picture.pixels()).save(folder / "inbox" / f"{picture.name}.png")
    (folder / "inbox" / "notes.txt").write_text("no picture")
    return gallery


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
