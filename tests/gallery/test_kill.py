"""Kill -9 while enrolling: the gallery opens, and everything that was acknowledged is there."""

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.gallery.made import DELTA, GRAPH, nearest
from tests.tiny_model import tiny_model

from semelha.embedders import Model
from semelha.gallery import Gallery
from semelha.index.settings import settings

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


@pytest.mark.parametrize("kills", [4, pytest.param(10, marks=pytest.mark.slow)])
def test_killed_at_random_moments(kills: int, tiny: Model, tmp_path: Path) -> None:
    Gallery.create(tmp_path / "gallery", tiny).close()
    chance = random.Random(0)
    acknowledged: set[int] = set()
    for attempt in range(kills):
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


MERGE = """
import sys
from tests.gallery.made import enroll, nearest, small_segments
from semelha.gallery import Gallery
small_segments()
gallery = Gallery.open(sys.argv[1], threads=1)
number = int(sys.argv[2])
while True:
    enroll(gallery, f"s{number}", number, 25)
    print(number, flush=True)
    nearest(gallery, number)
    if number % 3 == 0:
        gallery.remove(f"s{number}")
        print(-number, flush=True)
    number += 25
"""


def test_killed_while_segments_are_merged_and_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Whenever it is: the index on the disk is whole, of the old moment or the new one, and nothing is lost."""
    monkeypatch.setattr(settings, "max_delta_size", DELTA)
    monkeypatch.setattr(settings, "min_graph_size", GRAPH)
    Gallery.create(tmp_path / "gallery", tiny_model(tmp_path / "model", dim=16), recall=0.9).close()
    chance = random.Random(0)
    there: set[int] = set()
    generations = set()
    for attempt in range(5):
        process = subprocess.Popen(
            [sys.executable, "-c", MERGE, str(tmp_path / "gallery"), str(1 + 10_000 * attempt)],
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
        )
        assert process.stdout is not None
        lines = [process.stdout.readline().strip()]
        time.sleep(chance.uniform(0.1, 0.6))
        os.kill(process.pid, signal.SIGKILL)
        output, _ = process.communicate()
        numbers = [int(line) for line in [*lines, *output.split("\n")[:-1]]]
        there |= {number for number in numbers if number > 0}
        there -= {-number for number in numbers if number < 0}
        with Gallery.open(tmp_path / "gallery", threads=1) as gallery:
            names = {subject.name for subject in gallery.subjects()}
            # The last that was enrolled may be removed without that it was said.
            assert {f"s{number}" for number in there} - names <= {f"s{numbers[-1]}"}
            there = {int(name[1:]) for name in names}
            assert gallery.index_stats()["vectors"] == 25 * len(names)
            for number in chance.sample(sorted(there), min(20, len(there))):
                assert nearest(gallery, number + 24) == (f"s{number}", str(number + 24))
            generations.add(gallery.index_stats()["on_disk"])
    assert len(generations) > 2, "there were merges, which were saved"
    assert caplog.records == []
