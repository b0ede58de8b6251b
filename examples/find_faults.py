"""Find duplicates and wrong labels in a folder of pictures.

    python examples/find_faults.py                                # on characters, some copied and some mislabelled
    python examples/find_faults.py photos --report faults.html    # photos/<class>/<picture>

A folder is embedded by the pretrained model, which needs the extra `train`, unless `--model` names another one. Nothing
in the folder is changed.
"""

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path

import semelha
from semelha.features import HOG
from semelha.gallery import write_check_report

SHOWN = 5  # findings of each kind


def main() -> None:
    parser = argparse.ArgumentParser(description="Find duplicates and wrong labels in a folder of pictures.")
    parser.add_argument("photos", nargs="?", help="photos/<class>/<picture>; by default characters are drawn")
    parser.add_argument("--model", help="a model folder; by default the pretrained model")
    parser.add_argument("--report", type=Path, help="HTML file to write, with the pictures of each finding")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if arguments.photos:
            pictures, model = semelha.read_dataset(arguments.photos), arguments.model
        else:
            pictures = with_faults(semelha.glyphs(["Georgian"]).select(range(500)))
            letters = semelha.glyphs(["Cyrillic"])
            model = semelha.train(letters, out=Path(folder) / "model", method="lda", features=HOG((48, 48)))
        with semelha.Gallery.create(Path(folder) / "gallery", model) as gallery:
            gallery.enroll_dataset(pictures)
            found = gallery.check()
            if arguments.report:
                write_check_report(found, gallery, arguments.report)
    print(found.verdict("en"))
    for kind in ("duplicate", "mislabel"):
        findings = found.of(kind)
        print(f"\n{len(findings)} × {kind}")
        for one in findings[:SHOWN]:
            print(f"  {one.score:.2f}  {one.message}")


def with_faults(pictures: semelha.Dataset) -> semelha.Dataset:
    """The pictures, with three in another class and three copied into another class."""
    classes = pictures.classes
    moved, copied = (10, 210, 410), (110, 310, 490)
    wrong = [replace(pictures.pictures[i], label=classes[(i + 25) % len(classes)]) for i in moved]
    copies = [replace(pictures.pictures[i], label=classes[35], name=f"copy of {i}") for i in copied]
    kept = [picture for i, picture in enumerate(pictures) if i not in moved]
    return replace(pictures, pictures=(*kept, *wrong, *copies))


if __name__ == "__main__":
    main()
