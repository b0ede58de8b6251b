"""Kill -9 while enrolling: the gallery opens, and everything that was acknowledged is there."""

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

from semelha.embedders import Model
from semelha.gallery import Gallery

ENROLL = """
import sys
from semelha.gallery import Gallery
from tests.tiny_model import noise
gallery = Gallery.open(sys.argv[1])
number = int(sys.argv[2])
while True:
    gallery.enroll(f"subject {number}", [noise(2 * number), noise(2 * number + 1)])
    print(number, flush=True)
    number += 1
"""


def test_killed_ten_times_at_random_moments(tiny: Model, tmp_path: Path) -> None:
    Gallery.create(tmp_path / "gallery", tiny).close()
    chance = random.Random(0)
    acknowledged: set[int] = set()
    for attempt in range(10):
        process = subprocess.Popen(
            [sys.executable, "-c", ENROLL, str(tmp_path / "gallery"), str(10_000 * attempt)],
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
        )
        assert process.stdout is not None
        acknowledged.add(int(process.stdout.readline()))
        time.sleep(chance.uniform(0, 0.3))
        os.kill(process.pid, signal.SIGKILL)
        output, _ = process.communicate()
        acknowledged.update(int(line) for line in output.split("\n")[:-1])
        with Gallery.open(tmp_path / "gallery") as gallery:
            examples = {subject.name: subject.examples for subject in gallery.subjects()}
            assert {f"subject {number}" for number in acknowledged} <= set(examples)
            assert set(examples.values()) == {2}, "a subject is there by half"
    database = sqlite3.connect(tmp_path / "gallery" / "gallery.sqlite")
    assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    database.close()
