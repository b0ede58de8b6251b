"""A server that is killed under load, that starts again over a large gallery, and whose disk is full.

    python benchmarks/service_faults.py [--kills 20] [--examples 100000] [--cache FOLDER]

Kills: threads enroll and identify, the server is killed with SIGKILL at a random moment, and started again; every
subject whose enrollment was answered must be there, with its picture. Restart: from starting the process to its first
identification. Full disk: a gallery on a small tmpfs (as root on Linux; left out elsewhere) is enrolled into until it
is full: then reads go on, everything that was answered is there, and with room again it goes on.
"""

from __future__ import annotations

import argparse
import itertools
import os
import random
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2 as httpx
import numpy as np

import semelha
from _results import table, write_section
from _service import made, made_pictures, served
from semelha import Gallery
from semelha.gallery import diagnose

CLIENTS = 4
API = "/api/v1"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--examples", type=int, default=100_000)
    parser.add_argument("--cache", type=Path, help="where galleries are kept; a temporary folder if not given")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.cache or Path(temporary)
        pictures = made_pictures(folder / "pictures")
        Gallery.create(Path(temporary) / "killed", semelha.pretrained()).close()
        rows = [killed(Path(temporary), pictures, arguments.kills)]
        large = made(folder / f"served-{arguments.examples}", semelha.pretrained(), arguments.examples)
        rows.append(restarted(large, folder, pictures[0], arguments.examples))
        rows.append(filled(Path(temporary), pictures) if os.getuid() == 0 else ["full disk", "not tried: not root"])
    write_section("The server and what goes wrong", table(["fault", "what happened"], rows))


def killed(folder: Path, pictures: list[bytes], kills: int) -> list[str]:
    gallery, chance, numbers = folder / "killed", random.Random(0), itertools.count()
    acknowledged: set[str] = set()
    identified = 0
    for _ in range(kills):
        with served(gallery, folder) as (address, pid):
            ended = threading.Event()
            answers: list[str] = []

            def enroll(address: str = address, answers: list[str] = answers) -> None:
                for name, answer in enrolled(address, pictures, numbers):
                    if answer.status_code not in (200, 201):
                        raise SystemExit(f"an enrollment failed before the kill: {answer.text}")
                    answers.append(name)

            def identify(address: str = address, ended: threading.Event = ended) -> None:
                nonlocal identified
                with httpx.Client(timeout=30) as client:
                    while not ended.is_set():
                        try:
                            found = client.post(f"{address}{API}/identify", files={"picture": ("a.jpg", pictures[0])})
                        except httpx.TransportError:
                            return
                        identified += found.status_code == 200

            threads = [threading.Thread(target=one) for one in (enroll, identify) for _ in range(CLIENTS)]
            for thread in threads:
                thread.start()
            time.sleep(chance.uniform(0.5, 2.5))
            os.kill(pid, signal.SIGKILL)
            ended.set()
            for thread in threads:
                thread.join()
            acknowledged.update(answers)
        with served(gallery, folder) as (address, _):
            if missing := acknowledged - subjects(address):
                raise SystemExit(f"{len(missing)} of {len(acknowledged)} acknowledged subjects are lost")
    problems = diagnose(gallery)
    return [
        f"kill -9, {kills} times",
        f"{len(acknowledged)} enrollments were answered, beside {identified} identifications; "
        f"all are there after each start; `doctor` finds {len(problems)} problems",
    ]


def enrolled(address: str, pictures: list[bytes], numbers: Iterator[int]) -> Iterator[tuple[str, httpx.Response]]:
    """New subjects, until the server does not answer."""
    with httpx.Client(timeout=30) as client:
        while True:
            number = next(numbers)
            name, files = f"subject {number}", {"picture": ("a.jpg", pictures[number % len(pictures)])}
            try:
                yield name, client.post(f"{address}{API}/subjects", data={"name": name}, files=files)
            except httpx.TransportError:
                return


def subjects(address: str) -> set[str]:
    """The names of all subjects, by pages."""
    names: set[str] = set()
    parameters = {"limit": "1000"}
    with httpx.Client(timeout=60) as client:
        while True:
            page = client.get(f"{address}{API}/subjects", params=parameters).json()
            names.update(one["name"] for one in page["subjects"])
            if page.get("next") is None:
                return names
            parameters["cursor"] = page["next"]


def restarted(gallery: Path, folder: Path, picture: bytes, examples: int) -> list[str]:
    took = []
    for _ in range(5):
        start = time.perf_counter()
        with served(gallery, folder) as (address, pid):
            answer = httpx.post(f"{address}{API}/identify", files={"picture": ("a.jpg", picture)}, timeout=60)
            took.append(time.perf_counter() - start)
            assert answer.status_code == 200, answer.text
            os.kill(pid, signal.SIGKILL)
    return [
        f"start after kill -9, {examples:,} examples",
        f"{np.median(took):.2f} s from the start of the process to its first identification (median of 5; "
        f"{min(took):.2f}–{max(took):.2f})",
    ]


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def filled(folder: Path, pictures: list[bytes]) -> list[str]:
    with small_disk(folder / "disk", "96m") as disk:
        Gallery.create(disk / "gallery", semelha.pretrained()).close()
        ballast = disk / "ballast"
        ballast.write_bytes(b"\0" * (16 << 20))
        acknowledged, refused = set(), {}
        with served(disk / "gallery", folder) as (address, _):
            for name, answer in enrolled(address, pictures, itertools.count()):
                if answer.status_code in (200, 201):
                    acknowledged.add(name)
                    continue
                refused = answer.json()
                break
            found = httpx.post(f"{address}{API}/identify", files={"picture": ("a.jpg", pictures[0])}, timeout=60)
            missing = acknowledged - subjects(address)
            ballast.unlink()
            again = httpx.post(
                f"{address}{API}/subjects",
                data={"name": "again"},
                files={"picture": ("a.jpg", pictures[1])},
                timeout=60,
            )
        with served(disk / "gallery", folder) as (address, _):
            missing |= acknowledged - subjects(address)
    return [
        "full disk",
        f"after {len(acknowledged)} enrollments {refused['status']}: “{refused['detail']}”; identification then "
        f"{found.status_code}; lost: {len(missing)}; an enrollment with room again: {again.status_code}",
    ]


if __name__ == "__main__":
    main()
