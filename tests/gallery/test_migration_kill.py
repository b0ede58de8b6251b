"""Kill -9 at any point of a migration: the old gallery or the new one is whole, and called again it goes on."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tests.gallery.made import exact
from tests.gallery.moved import check_of, rows

from semelha.embedders import Model
from semelha.gallery import Gallery, migrate
from semelha.gallery.migration import reembed

MIGRATE = """
import os, shutil, signal, sys, traceback
from pathlib import Path
from semelha.gallery import folder, migrate
from semelha.gallery.migration import migration, reembed
from semelha.store import staged_vectors, store
reembed.BATCH = 5

def die(*arguments, **named):
    os.kill(os.getpid(), signal.SIGKILL)

def before(owner, name, time=1):
    whole, calls = getattr(owner, name), []
    def dying(*arguments, **named):
        calls.append(1)
        if len(calls) == time:
            die()
        return whole(*arguments, **named)
    setattr(owner, name, dying)

def after(owner, name):
    whole = getattr(owner, name)
    def dying(*arguments, **named):
        whole(*arguments, **named)
        die()
    setattr(owner, name, dying)

# The process that was started only forks: what migrates in the children is imported once.
for gallery, point in zip(sys.argv[2::2], sys.argv[3::2]):
    child = os.fork()
    if not child:
        try:
            exec(point)
            migrate(gallery, sys.argv[1])
        except BaseException:
            traceback.print_exc()
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL, point
"""

# Where it is killed, whether the new model has taken over by then, and how many batches are embedded for good.
POINTS = {
    "in the first batch": ("before(staged_vectors.StagedVectors, 'put')", False, 0),
    "in the third batch": ("before(staged_vectors.StagedVectors, 'put', 3)", False, 2),
    "while the model is copied": ("before(os, 'rename')", False, 0),
    "before the last step": ("before(store.Store, 'switch_model')", False, 5),
    "while writers wait": ("before(migration._LastRound, '__call__')", False, 5),
    "in the transaction": ("after(store, 'replace_vectors')", False, 5),
    "at once after the transaction": ("after(store.Store, 'switch_model')", True, 5),
    "before the new model is put in place": ("before(os, 'rename', 3)", True, 5),
    "before the settings are": ("before(os, 'replace')", True, 5),
    "before it is tidied up": ("before(shutil, 'rmtree', 3)", True, 5),
    "before the index is made": ("before(migration.Gallery, 'open')", True, 5),
}


@pytest.fixture(scope="module")
def killed(tiny: Model, new: Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of galleries, each named by the point at which its migration was killed."""
    folder = tmp_path_factory.mktemp("killed")
    with Gallery.create(folder / "whole", tiny) as gallery:
        for number in range(12):
            gallery.enroll(f"s{number}", [exact(2 * number), exact(2 * number + 1)])
    arguments = []
    for name, (point, *_) in POINTS.items():
        shutil.copytree(folder / "whole", folder / name)
        arguments += [str(folder / name), point]
    process = subprocess.run(
        [sys.executable, "-c", MIGRATE, str(new.folder), *arguments],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert process.returncode == 0, process.stderr
    return folder


@pytest.mark.parametrize("point", POINTS)
def test_killed_at_a_point(point: str, killed: Path, tiny: Model, new: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    path, (_, moved, batches) = killed / point, POINTS[point]
    with Gallery.open(path) as gallery:
        assert gallery.model.fingerprint == (new if moved else tiny).fingerprint
        for number in range(12):
            assert gallery.identify(exact(2 * number)).subject == f"s{number}"
        gallery.enroll("meanwhile", exact(100))

    embedded: list[int] = []
    whole = type(new.extractor).vectors

    def counted(self: object, prepared: np.ndarray) -> np.ndarray:
        if prepared.any():  # a model that is loaded is tried with black pictures
            embedded.append(len(prepared))
        return whole(self, prepared)

    monkeypatch.setattr(reembed, "BATCH", 5)
    monkeypatch.setattr(type(new.extractor), "vectors", counted)
    assert migrate(path, new).migrated is not moved
    assert sum(embedded) == (0 if moved else max(25 - 5 * batches, 1)), "nothing is embedded twice"
    check_of(path, new)


ENROLL = """
import sys
from semelha.errors import GalleryMoved
from semelha.gallery import Gallery
from tests.gallery.made import exact
number = 1000
while number < 2000:
    with Gallery.open(sys.argv[1]) as gallery:
        print("opened", gallery.model.fingerprint, flush=True)
        try:
            while True:
                gallery.enroll(f"subject {number}", [exact(number)])
                print(number, flush=True)
                if number % 3 == 0:
                    gallery.rename(f"subject {number}", f"renamed {number}")
                if number % 3 == 1:
                    gallery.remove(f"subject {number}")
                assert gallery.identify(exact(number))
                number += 1
        except GalleryMoved:
            number += 1
"""


def test_another_process_enrolls_without_a_pause(tiny: Model, new: Model, tmp_path: Path) -> None:
    """It is told once, opens the gallery again, and goes on: what was acknowledged is there, all of the new model."""
    path = tmp_path / "gallery"
    with Gallery.create(path, tiny) as gallery:
        for number in range(150):
            gallery.enroll(f"s{number}", exact(number))
    process = subprocess.Popen(
        [sys.executable, "-c", ENROLL, str(path)], stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]
    )
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(4)]
    migrate(path, new)
    while len([line for line in lines if line.startswith("opened")]) < 2 or not lines[-1].strip().isdigit():
        lines.append(process.stdout.readline())
        assert lines[-1], "it has ended by itself"
    os.kill(process.pid, signal.SIGKILL)
    lines += process.communicate()[0].splitlines()
    assert [line.split()[1] for line in lines if line.startswith("opened")] == [tiny.fingerprint, new.fingerprint]
    acknowledged = {int(line) for line in lines if line.strip().isdigit()}
    names = {name for (name,) in rows(path, "SELECT name FROM subjects")}
    for number in acknowledged:
        fates = {0: {f"renamed {number}", f"subject {number}"}, 1: {f"subject {number}"}, 2: {f"subject {number}"}}
        if number % 3 != 1:
            assert names & fates[number % 3], f"{number} is lost"
    assert len(acknowledged) > 4
    check_of(path, new)
