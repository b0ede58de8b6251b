"""Two coordinates for vectors: by principal components at once, by t-SNE or UMAP in a process of its own.

Run as a program it computes t-SNE or UMAP: METHOD SEED VECTORS.npy COORDINATES.npy.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from semelha.embedders import Progress
from semelha.errors import MissingExtra, SemelhaError, UsageError
from semelha.metrics import Metric
from semelha.metrics.mapped import MappedMetric

Method = Literal["pca", "tsne", "umap"]
METHODS: tuple[Method, ...] = get_args(Method)
PACKAGES = {"tsne": ("sklearn", "scikit-learn"), "umap": ("umap", "umap-learn")}
"""What a method needs: the module, and the name of its package."""
BLOCK = 1 << 13  # rows at a time
COMPONENTS = 50  # principal components that t-SNE and UMAP begin with
MIN_ROWS = 8  # for them; principal components serve for fewer
POLL = 0.2  # seconds


def checked_method(method: str, *, needs_package: bool = True) -> Method:
    """The method. Raises `UsageError` if it is none, and `MissingExtra` if it needs a package that is missing."""
    for one in METHODS:
        if one == method:
            if needs_package and one in PACKAGES and find_spec(PACKAGES[one][0]) is None:
                package = PACKAGES[one][1]
                raise MissingExtra(f"the map by {one} needs the package {package}: pip install {package}")
            return one
    raise UsageError(f"method is {method!r:.40}: it must be one of {', '.join(METHODS)}")


def principal_components(
    vectors: NDArray[np.float32], metric: Metric, count: int = 2
) -> tuple[NDArray[np.float32], float]:
    """The first principal components (n, count) of vectors (n, d) as the metric compares them.

    From the covariance, whose size does not depend on n. Also returns the share of the variance that they have. The
    coefficient of the largest size is positive, so that the same vectors give the same components.
    """
    rows = _compared(vectors, metric)
    n, dim = rows.shape
    if not n:
        return np.zeros((0, count), np.float32), 0.0
    mean = rows.mean(axis=0, dtype=np.float64).astype(np.float32)
    covariance = np.zeros((dim, dim))
    for start in range(0, n, BLOCK):
        centered = rows[start : start + BLOCK] - mean
        covariance += centered.T @ centered
    values, directions = np.linalg.eigh(covariance)
    directions = directions[:, ::-1][:, :count]
    largest = np.abs(directions).argmax(axis=0)
    directions *= np.where(directions[largest, np.arange(directions.shape[1])] < 0, -1, 1)
    scores = np.zeros((n, count), np.float32)
    for start in range(0, n, BLOCK):
        part = slice(start, start + BLOCK)
        scores[part, : directions.shape[1]] = (rows[part] - mean) @ directions.astype(np.float32)
    total = float(values.sum())
    return scores, float(values[::-1][:count].sum()) / total if total > 0 else 0.0


def neighbor_layout(
    method: Method, vectors: NDArray[np.float32], metric: Metric, seed: int, progress: Progress | None
) -> NDArray[np.float32]:
    """Coordinates (n, 2) by t-SNE or UMAP, computed in a child process, which ends when `progress` raises an error.

    Raises `SemelhaError` if the child fails.
    """
    rows, _ = principal_components(vectors, metric, min(COMPONENTS, vectors.shape[1]))
    if len(rows) < MIN_ROWS:
        return np.ascontiguousarray(rows[:, :2], np.float32)
    with tempfile.TemporaryDirectory(prefix="semelha-map-") as folder:
        source, target, errors = (Path(folder) / name for name in ("vectors.npy", "coordinates.npy", "errors"))
        np.save(source, rows)
        command = [sys.executable, "-P", "-m", "semelha.gallery.layouts", method, str(seed), str(source), str(target)]
        with open(errors, "wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as child:
            try:
                while child.poll() is None:
                    if progress is not None:
                        progress(0, len(rows))
                    time.sleep(POLL)
            finally:
                if child.poll() is None:
                    child.kill()
        if child.returncode or not target.exists():
            lines = errors.read_text("utf-8", "replace").strip().splitlines() or ["no reason was given"]
            raise SemelhaError(f"the map by {method} could not be computed: {lines[-1][:200]}")
        found: NDArray[np.float32] = np.load(target, allow_pickle=False)
    if found.shape != (len(rows), 2) or not np.isfinite(found).all():
        raise SemelhaError(f"the map by {method} could not be computed: it has coordinates that are no numbers")
    return found


def scaled(coordinates: NDArray[np.float32]) -> NDArray[np.float32]:
    """Coordinates (n, 2) moved and scaled into −1..1, both axes alike."""
    if not len(coordinates):
        return coordinates
    low, high = coordinates.min(axis=0), coordinates.max(axis=0)
    half = float((high - low).max()) / 2
    moved: NDArray[np.float32] = (coordinates - (low + high) / 2) / np.float32(half or 1.0)
    return np.clip(moved, -1, 1)


def _compared(vectors: NDArray[np.float32], metric: Metric) -> NDArray[np.float32]:
    """Vectors whose Euclidean distances are in the order of the metric, where it has such: those of unit length, …"""
    if not (isinstance(metric, MappedMetric) and metric.maps_are_equal) or not len(vectors):
        return vectors
    parts = [
        np.asarray(metric.query_map(vectors[start : start + BLOCK]), np.float32)
        for start in range(0, len(vectors), BLOCK)
    ]
    return np.concatenate(parts)


def _compute(method: str, seed: int, rows: NDArray[np.float32]) -> Any:
    if method == "tsne":
        from sklearn.manifold import TSNE

        perplexity = min(30.0, (len(rows) - 1) / 3)
        return TSNE(perplexity=perplexity, init="pca", random_state=seed, n_jobs=-1).fit_transform(rows)
    from umap import UMAP

    return UMAP(n_neighbors=min(15, len(rows) - 1), random_state=seed).fit_transform(rows)


if __name__ == "__main__":
    name, number, vectors_file, coordinates_file = sys.argv[1:]
    made = _compute(name, int(number), np.load(vectors_file, allow_pickle=False))
    np.save(coordinates_file, np.asarray(made, np.float32))
