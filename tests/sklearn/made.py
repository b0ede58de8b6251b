"""Vectors and pictures of subjects for the tests of the estimators."""

from pathlib import Path

import numpy as np
from PIL import Image
from tests.tiny_model import noise


def clusters(subjects: int, examples: int, seed: int, *, spread: float = 0.2) -> tuple[np.ndarray, np.ndarray]:
    """Vectors (n, 8) around a random center for each subject, and the numbers of the subjects (n,)."""
    random = np.random.default_rng(seed)
    y = np.repeat(np.arange(subjects), examples)
    return random.normal(size=(subjects, 8))[y] + spread * random.normal(size=(len(y), 8)), y


def pictures(folder: Path, subjects: int, examples: int = 2, seed: int = 0) -> tuple[list[str], list[str]]:
    """Files of noisy pictures, one base for each subject, and the names of the subjects."""
    paths, names = [], []
    for subject in range(subjects):
        for example in range(examples):
            base = noise(1000 * seed + subject).astype(int)
            changed = base + noise(50_000 + 1000 * seed + 10 * subject + example) // 4
            path = folder / f"{seed}-{subject}-{example}.png"
            Image.fromarray(np.clip(changed, 0, 255).astype(np.uint8)).save(path)
            paths.append(str(path))
            names.append(f"subject {seed}-{subject}")
    return paths, names
