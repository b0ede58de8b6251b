"""Random damage to the files of a gallery: no raw error, and no changed answer without a warning.

    python benchmarks/damage.py [--trials 2000] [--seed 0]

Each trial damages one file of a copy, half of the time the database, and then identifies, lists, verifies, enrolls,
removes, and opens the gallery again. Where the answers are others than before, a warning must have been logged. In the
second half of the trials the gallery counts as a large one, which is checked in the background.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np

from _results import table, write_section

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.gallery.damaging import KINDS, Outcome, make_gallery, try_damage, use, warnings_logged

from semelha.index.settings import settings
from semelha.store.damage import DamageControl

RESULTS = ("same", "error", "warned", "raw error", "other answers in silence")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    settings.max_delta_size = 500  # so that a small gallery has an index on disk
    with tempfile.TemporaryDirectory() as temporary, warnings_logged():
        folder = Path(temporary)
        gallery, probes = make_gallery(folder)
        expected = try_nothing(gallery, probes, folder)
        outcomes = []
        for trial in range(arguments.seed, arguments.seed + arguments.trials):
            if trial == arguments.seed + arguments.trials // 2:
                DamageControl.checked_at_once = 0
            outcomes.append(try_damage(gallery, probes, expected, trial, folder))
            if outcomes[-1].result in RESULTS[3:]:
                print(trial, outcomes[-1], flush=True)
    write_section("Damaged files", body_of(outcomes))


def try_nothing(gallery: Path, probes: np.ndarray, folder: Path) -> list[object]:
    shutil.copytree(gallery, folder / "reference")
    return use(folder / "reference", probes)


def body_of(outcomes: list[Outcome]) -> str:
    counts = Counter((one.damage, one.result) for one in outcomes)
    rows = [[kind, *(counts[kind, result] for result in RESULTS)] for kind in KINDS]
    rows.append(["all", *(sum(one.result == result for one in outcomes) for result in RESULTS)])
    files = Counter(one.file.split("/")[0] for one in outcomes)
    where = ", ".join(f"{name} {count:,}" for name, count in files.most_common())
    return (
        f'{len(outcomes):,} damages, of {where}. "error" is one sentence of semelha, "warned" are other answers '
        "after a warning that names what is left out; the last two columns are faults.\n\n"
        + table(["damage", *RESULTS], rows)
    )


if __name__ == "__main__":
    main()
