"""Power cuts: nothing that was acknowledged is lost, and every state opens.

    python benchmarks/power_cut.py [--cuts 200] [--control 20] [--seed 0]

A process trains, derives, creates galleries, enrolls, removes, saves the index, migrates and backs up on an ext4
file system in an image on a loop device, and notes each step when it is acknowledged, outside. At random moments the
process is stopped and the image copied: it has what the file system wrote to the device until then, and nothing of
what it still holds in memory. Each copy is mounted, which replays its journal, and compared with the notes. Needs root
and a loop device.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from _results import table, write_section
from semelha import Gallery, load_embedder
from semelha.errors import SemelhaError

ROOT = Path(__file__).resolve().parents[1]
SIZE = 192 << 20  # bytes of the image

WORK = """
import itertools, json, shutil, sys
from pathlib import Path
import semelha
from semelha.gallery import backup
from semelha.index.settings import settings
from tests.tiny_model import noise, tiny_model
glyphs = semelha.glyphs(["Lao"], size=32)
settings.max_delta_size = 8  # so that a small gallery has an index on disk
disk, notes, outside = map(Path, sys.argv[1:])
first, second = tiny_model(outside / "a"), tiny_model(outside / "b", seed=1, dim=12)
log = open(notes, "w")
def step(kind, run, **what):
    for state in ("begin", "done"):
        if state == "done":
            run()
        print(json.dumps({"state": state, "kind": kind, **what}), file=log, flush=True)
for cycle in itertools.count():
    place = f"shop{cycle}"
    path = disk / place
    step("model", lambda: semelha.derive([first], views=2, out=disk / f"derived{cycle}"), name=f"derived{cycle}")
    data = glyphs.select(range(40))
    out = disk / f"trained{cycle}"
    step("model", lambda: semelha.train(data, method="pca-whitening", out=out), name=f"trained{cycle}")
    step("create", lambda: semelha.Gallery.create(path, first).close(), gallery=place)
    gallery = semelha.Gallery(path)
    for number in range(12):
        name = f"s{number}"
        step("enroll", lambda: gallery.enroll(name, noise(number)), gallery=place, subject=name)
    step("save", lambda: gallery.flush(rebuild=True), gallery=place)
    step("remove", lambda: gallery.remove("s3"), gallery=place, subject="s3")
    step("enroll", lambda: gallery.enroll("later", noise(50)), gallery=place, subject="later")
    step("calibrate", lambda: gallery.calibrate(fpir=0.3), gallery=place)
    gallery.close()
    step("migrate", lambda: semelha.migrate(path, second), gallery=place, model=second.fingerprint)
    step("backup", lambda: backup(path, disk / f"copy{cycle}"), gallery=place, name=f"copy{cycle}")
    for old in disk.iterdir():
        if old.name.endswith(str(cycle - 1)) and old.name != "lost+found":
            step("delete", lambda: shutil.rmtree(old), name=old.name)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cuts", type=int, default=200)
    parser.add_argument("--control", type=int, default=20, help="cuts of a process that does not sync")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    if os.getuid() or not Path("/dev/loop-control").exists():
        raise SystemExit("this needs root and a loop device")
    faults, after = cuts(arguments.cuts, arguments.seed, is_synced=True)
    unsynced, _ = cuts(arguments.control, arguments.seed, is_synced=False)
    rows = [[kind, count] for kind, count in sorted(after.items())]
    body = (
        f"{arguments.cuts} power cuts, by the last step that had begun or was acknowledged: **{len(faults)} faults** "
        "(something acknowledged is not there, or a gallery or a model does not open). The control, where the process "
        f"syncs nothing but the database: {arguments.control} cuts, {len(unsynced)} faults.\n\n"
        + table(["step", "cuts"], rows)
    )
    write_section("Power cuts", body)


def cuts(count: int, seed: int, *, is_synced: bool) -> tuple[list[str], Counter[str]]:
    """Faults after power cuts at random moments, and at which steps these were."""
    random = np.random.default_rng(seed)
    faults, after = [], Counter[str]()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        image, notes = folder / "image", folder / "notes"
        with open(image, "wb") as file:
            file.truncate(SIZE)
        run("mkfs.ext4", "-q", "-F", str(image))
        with mounted(image, folder / "disk") as disk:
            worker = start(disk, notes, folder, is_synced)
            try:
                for cut in range(count):
                    time.sleep(random.uniform(0.05, 0.8))
                    copy = folder / f"copy-{cut}"
                    known = copied(worker, image, notes, copy)
                    with mounted(copy, folder / "check") as check:
                        found = lost_in_child(check, known)
                    copy.unlink()
                    faults += found
                    after[known[-1]["kind"]] += 1
                    for one in found if is_synced else ():
                        print(f"cut {cut}: {one}", flush=True)
            finally:
                worker.kill()
                worker.wait()
    return faults, after


def start(disk: Path, notes: Path, folder: Path, is_synced: bool) -> subprocess.Popen[bytes]:
    environment = os.environ | {"PYTHONPATH": f"{ROOT / 'src'}:{ROOT}", "SEMELHA_CACHE": str(folder / "cache")}
    (folder / "outside").mkdir()
    program = WORK if is_synced else "import os\nos.fsync = lambda descriptor: None\n" + WORK
    command = [sys.executable, "-c", program, str(disk), str(notes), str(folder / "outside")]
    worker = subprocess.Popen(command, env=environment)
    while not notes.exists() or len(notes.read_bytes().splitlines()) < 2:
        if worker.poll() is not None:
            raise SystemExit("the process ended before its first step")
        time.sleep(0.05)
    return worker


def copied(worker: subprocess.Popen[bytes], image: Path, notes: Path, out: Path) -> list[dict[str, str]]:
    """Stop the process, copy the image as it is at one moment, and return what was noted until then."""
    if worker.poll() is not None:
        raise SystemExit("the process has ended")
    os.kill(worker.pid, signal.SIGSTOP)
    while "T" not in Path(f"/proc/{worker.pid}/stat").read_text().rpartition(")")[2].split()[0]:
        time.sleep(0.002)  # a write or a sync that runs is finished first
    known = [json.loads(line) for line in notes.read_text().splitlines()]
    while True:  # until the kernel writes nothing between two copies
        shutil.copyfile(image, out)
        if subprocess.run(["cmp", "-s", str(image), str(out)]).returncode == 0:
            break
    os.kill(worker.pid, signal.SIGCONT)
    return known


def lost_in_child(disk: Path, notes: list[dict[str, str]]) -> list[str]:
    """`lost`, in a process that holds no file of the disk open when it has ended."""
    context = multiprocessing.get_context("fork")
    answers = context.SimpleQueue()
    child = context.Process(target=lambda: answers.put(lost(disk, notes)))
    child.start()
    child.join()
    return answers.get() if child.exitcode == 0 else [f"the comparison ended with {child.exitcode}"]


def lost(disk: Path, notes: list[dict[str, str]]) -> list[str]:
    """What is not as it was acknowledged, on a disk after a power cut."""
    done = [note for note in notes if note["state"] == "done"]
    begun = notes[-1] if notes[-1]["state"] == "begin" else {}
    deleted = {note["name"] for note in notes if note["kind"] == "delete"}
    faults = []
    for note in done:
        name = note.get("name") or note["gallery"]
        if name in deleted or note["kind"] == "delete":
            continue
        if not (disk / name).is_dir():
            faults.append(f"{note} is not there")
    for place in sorted(disk.iterdir()):
        if place.name.startswith(".") or place.name == "lost+found" or place.name in deleted:
            continue
        try:
            if not place.name.startswith(("shop", "copy")):
                load_embedder(place)
                continue
            with Gallery(place) as gallery:
                if place.name.startswith("shop"):
                    faults += differences(gallery, place.name, done, begun)
        except SemelhaError as error:
            faults.append(f"{place.name} does not open: {error}")
    return faults


def differences(gallery: Gallery, place: str, done: list[dict[str, str]], begun: dict[str, str]) -> Iterator[str]:
    """What a gallery lacks or has against its acknowledged steps; a step that had begun may be there or not."""
    mine = [note for note in done if note.get("gallery") == place]
    expected = {note["subject"] for note in mine if note["kind"] == "enroll"}
    expected -= {note["subject"] for note in mine if note["kind"] == "remove"}
    open_step = {begun.get("subject", "")} if begun.get("gallery") == place else set()
    if (different := set(gallery) ^ expected) - open_step:
        yield f"{place}: subjects {sorted(different)} differ"
    models = [note["model"] for note in mine if note["kind"] == "migrate"]
    if models and gallery.model.fingerprint != models[-1]:
        yield f"{place}: the migration is lost"
    if len(gallery):
        gallery.identify_vectors(np.eye(1, gallery.model.dim, dtype=np.float32))
    calibrated = any(note["kind"] == "calibrate" for note in mine)
    if calibrated and gallery.calibration is None:
        yield f"{place}: the calibration is lost"


@contextmanager
def mounted(image: Path, place: Path) -> Iterator[Path]:
    place.mkdir(exist_ok=True)
    run("mount", "-o", "loop", str(image), str(place))
    try:
        yield place
    finally:
        run("umount", str(place))


def run(*command: str) -> None:
    subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
