"""Servers for benchmarks: made pictures, galleries of made vectors, and `semelha serve` as a process."""

from __future__ import annotations

import io
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image

from semelha import Gallery
from semelha.embedders import Model

PER_SUBJECT = 10
PICTURES = 64
INTRINSIC = 32
NOISE = 0.02


def made_pictures(folder: Path) -> list[bytes]:
    """Files like photos in size and detail: smooth fields with some noise."""
    folder.mkdir(parents=True, exist_ok=True)
    random, files = np.random.default_rng(0), []
    for number in range(PICTURES):
        coarse = Image.fromarray(random.integers(0, 256, (9, 12, 3), np.uint8)).resize(
            (480, 360), Image.Resampling.BICUBIC
        )
        noisy = np.asarray(coarse, int) + random.integers(-12, 13, (360, 480, 3))
        file = io.BytesIO()
        Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(file, "JPEG", quality=85)
        (folder / f"{number}.jpg").write_bytes(file.getvalue())
        files.append(file.getvalue())
    (folder / "list.txt").write_text("".join(f"{number}.jpg\n" for number in range(PICTURES)))
    return files


def made(folder: Path, model: Model, examples: int) -> Path:
    """A gallery of made vectors, calibrated, and the vectors in a file."""
    if not (folder / "vectors.npy").exists():
        shutil.rmtree(folder, ignore_errors=True)
        vectors = made_vectors(examples, model.dim)
        with Gallery.create(folder, model, keep_pictures=False) as gallery:
            for number in range(0, examples, PER_SUBJECT):
                some = vectors[number : number + PER_SUBJECT]
                sources = [f"made {number + i}" for i in range(len(some))]
                gallery.enroll_vectors(f"subject {number}", some, sources, fingerprint=model.fingerprint)
            gallery.flush()
            gallery.calibrate(fpir=0.05)
        np.save(folder / "vectors.partial.npy", vectors)
        (folder / "vectors.partial.npy").rename(folder / "vectors.npy")
    return folder


def made_vectors(examples: int, dim: int) -> np.ndarray:
    """Unit vectors in a subspace and some noise, as those of networks are; those of a subject around its center."""
    random = np.random.default_rng(0)
    centers = 2 * random.normal(size=(-(-examples // PER_SUBJECT), INTRINSIC)).astype(np.float32)
    inside = centers.repeat(PER_SUBJECT, axis=0)[:examples]
    inside += random.normal(size=inside.shape).astype(np.float32)
    basis = np.linalg.qr(random.normal(size=(dim, INTRINSIC)))[0].T.astype(np.float32)
    vectors = inside @ basis + NOISE * random.standard_normal((examples, dim), np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@contextmanager
def served(gallery: Path, folder: Path) -> Iterator[tuple[str, int]]:
    """A running server: its address, and its process."""
    words = [sys.executable, "-m", "semelha.cli", "serve", str(gallery), "--port", "0"]
    environment = {
        **os.environ,
        "SEMELHA_KEYS": str(folder / "keys.json"),
        "SEMELHA_STATE": str(folder / "state.sqlite"),
    }
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        try:
            yield "http" + line.split("http")[1].split(";")[0].strip(), process.pid
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


def resident(pid: int) -> float:
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024
