"""Call a server of semelha: enroll, identify, correct.

    python examples/client.py                                                # starts a server on this machine itself
    python examples/client.py http://127.0.0.1:8000 photos --key semelha_…   # photos/<class>/<picture>

Needs the extra `client`; the server needs `serve`. Of each class all pictures but one are enrolled, and the last one is
identified.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

import semelha
from semelha.features import HOG


def main() -> None:
    parser = argparse.ArgumentParser(description="Call a server of semelha.")
    parser.add_argument("url", nargs="?", help="address of a server; by default one is started")
    parser.add_argument("photos", nargs="?", help="photos/<class>/<picture>; by default characters are drawn")
    parser.add_argument("--key", help="API key with the role enroll")
    arguments = parser.parse_args()
    pictures = semelha.read_dataset(arguments.photos) if arguments.photos else semelha.glyphs(["Hebrew"])
    if arguments.url:
        use(arguments.url, arguments.key, pictures)
    else:
        with tempfile.TemporaryDirectory() as folder, server(Path(folder)) as url:
            use(url, None, pictures)


def use(url: str, key: str | None, pictures: semelha.Dataset) -> None:
    """Enroll pictures, identify others, and correct the first wrong answer."""
    _, last = np.unique(pictures.labels[::-1], return_index=True)
    new = pictures.select(len(pictures) - 1 - last)
    enrolled = pictures.select(np.setdiff1d(np.arange(len(pictures)), len(pictures) - 1 - last))
    with semelha.Client(url, key=key) as gallery:
        gallery.enroll_dataset(enrolled)
        print(f"{len(gallery)} subjects are enrolled at {url}")
        answers = gallery.identify_many(new)
        wrong = [(picture, one) for picture, one in zip(new, answers, strict=True) if one.subject != picture.label]
        print(f"{len(new) - len(wrong)} of {len(new)} new pictures get the right name")
        for picture, answer in wrong[:1]:
            if answer.subject is not None:
                gallery.reject(picture, answer.subject)
            gallery.enroll(picture.label, picture)
            print(f"{picture.name} was {answer.subject}; now it is {gallery.identify(picture).subject}")


@contextmanager
def server(folder: Path) -> Iterator[str]:
    """Serve an empty gallery on a free port of this machine."""
    model = semelha.train(semelha.glyphs(["Cyrillic"]), out=folder / "model", method="lda", features=HOG((48, 48)))
    semelha.Gallery.create(folder / "gallery", model).close()
    command = [sys.executable, "-m", "semelha.cli", "serve", str(folder / "gallery"), "--port", "0"]
    settings = {"SEMELHA_KEYS": str(folder / "keys.json"), "SEMELHA_STATE": str(folder / "state")}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | settings) as process:
        try:
            assert process.stdout
            line = process.stdout.readline()  # semelha serves gallery at http://127.0.0.1:…; its endpoints: …
            yield "http" + line.split("http")[1].split(";")[0]
        finally:
            process.terminate()


if __name__ == "__main__":
    main()
