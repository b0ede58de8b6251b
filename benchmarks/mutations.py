"""Whether the fast tests notice a defect: ten lines are changed, one at a time, and the tests of the package must fail.

    python benchmarks/mutations.py [--only PACKAGE ...]

Each change is made in a temporary copy of the source. A line that is no longer there is an error: choose another.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from _results import table, write_section

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Mutation:
    """A change of one line in `file` (below src/semelha), and the folder or file below tests that must notice it."""

    file: str
    line: str
    changed: str
    breaks: str
    tests: str

    def apply(self, source: Path) -> None:
        """Change the line in a copy of src/semelha."""
        path = source / self.file
        text = path.read_text(encoding="utf-8")
        if text.count(self.line) != 1:
            raise SystemExit(f"{self.file} has the line {text.count(self.line)} times, not once: {self.line!r}")
        path.write_text(text.replace(self.line, self.changed), encoding="utf-8")


MUTATIONS = [
    Mutation(
        "metrics/vectors.py",
        "return q @ array_namespace(q).matrix_transpose(convert_like(q, self.L))",
        "return 2 * q @ array_namespace(q).matrix_transpose(convert_like(q, self.L))",
        "Mahalanobis distances are twice as large",
        "metrics",
    ),
    Mutation(
        "measures/retrieval.py",
        "np.arange(1, hits.shape[1] + 1)",
        "np.arange(2, hits.shape[1] + 2)",
        "precision at k divides by k + 1",
        "measures",
    ),
    Mutation(
        "features/shape.py",
        "np.minimum(_normalized(blocks), 0.2)",
        "np.minimum(_normalized(blocks), 0.3)",
        "HOG blocks are clipped at another value",
        "features",
    ),
    Mutation(
        "images/decode.py",
        "ImageOps.exif_transpose(image, in_place=True)",
        "pass",
        "photographs are not turned upright",
        "images/test_decode.py",
    ),
    Mutation(
        "linear/closed_form.py",
        "invertible(inside / len(x), ",
        "invertible(inside / len(x) ** 0.5, ",
        "LDA scales by another covariance",
        "linear",
    ),
    Mutation(
        "deep/losses/distances.py",
        "references.own] = False",
        "references.own] = True",
        "each picture is its own positive",
        "deep/losses",
    ),
    Mutation(
        "index/archive.py",
        "if own != prefix[-8:].hex():",
        "if False:",
        "a damaged header of an index file is not noticed",
        "index/test_archive.py",
    ),
    Mutation(
        "store/store.py",
        'self._db.execute("ROLLBACK")',
        'self._db.execute("COMMIT")',
        "half of a failed change stays in the database",
        "store",
    ),
    Mutation(
        "recognition/calibration.py",
        "(self.largest_weight + lower) / (self.n + 1)",
        "lower / self.n",
        "p-values are too small: more strangers are accepted than promised",
        "recognition",
    ),
    Mutation(
        "gallery/enrollment.py",
        "if fingerprint != model.fingerprint:",
        "if False:",
        "vectors of another model are enrolled",
        "gallery/test_gallery.py",
    ),
]


def failing_test(mutation: Mutation) -> str:
    """The first fast test that fails under the mutation; empty if all pass."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        for name in ("src", "tests"):
            shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", copy)
        mutation.apply(copy / "src" / "semelha")
        command = [sys.executable, "-m", "pytest", "-x", "-p", "no:cacheprovider", f"tests/{mutation.tests}"]
        paths = {"PYTHONPATH": str(copy / "src")}
        ran = subprocess.run(command, cwd=copy, env={**os.environ, **paths}, capture_output=True, text=True)
    found = re.search(r"^(?:FAILED|ERROR) \S*/(\S+?)(?:\[.*)?(?: - .*)?$", ran.stdout, flags=re.MULTILINE)
    if ran.returncode not in (0, 1) or (ran.returncode == 1 and not found):
        raise SystemExit(f"the tests of {mutation.tests} do not run:\n{ran.stdout[-2000:]}{ran.stderr[-2000:]}")
    return found[1] if found else ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", default=None, help="packages, as in: metrics index")
    only = parser.parse_args().only
    chosen = [each for each in MUTATIONS if only is None or each.file.split("/")[0] in only]
    for mutation in chosen:  # all of them, before the first test runs
        with tempfile.TemporaryDirectory() as folder:
            shutil.copytree(ROOT / "src" / "semelha", folder, dirs_exist_ok=True)
            mutation.apply(Path(folder))
    rows = []
    for mutation in chosen:
        rows.append([f"`{mutation.file}`", mutation.breaks, failing_test(mutation)])
        print(*rows[-1], sep=" | ", flush=True)
    noticed = sum(bool(row[2]) for row in rows)
    for row in rows:
        row[2] = f"`{row[2]}`" if row[2] else "**none**"
    text = f"{noticed} of {len(rows)} changes of one line turn a fast test red.\n\n"
    if only is None:
        write_section("Mutations", text + table(["File", "What the change breaks", "First test that fails"], rows))
    if noticed < len(rows):
        raise SystemExit("a defect was not noticed")


if __name__ == "__main__":
    main()
