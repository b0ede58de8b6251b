"""Maps of a gallery: all examples in two dimensions, so that what is alike lies close together."""

from __future__ import annotations

import io
import logging
import threading
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from semelha.embedders import Model, Progress
from semelha.files import write_file
from semelha.gallery.layouts import Method, neighbor_layout, principal_components, scaled
from semelha.index.checks import check_seed
from semelha.store import View

logger = logging.getLogger(__name__)

MAX_POINTS = 20_000  # of a map by t-SNE or UMAP, for which a processor takes some minutes


@dataclass(frozen=True, eq=False)
class Map:
    """The examples of a gallery in two dimensions.

    Attributes
    ----------
    method : {"pca", "tsne", "umap"}
    examples : (n,) int64
        Numbers of the examples.
    subject_of : (n,) int64
        The place of the subject of each in `subjects`.
    subjects : tuple of str
    coordinates : (n, 2) float32
        Within −1..1.
    revision : int
        `Gallery.revision` when they were computed: examples that are newer are left out.
    note : str
        What the map shows of the distances, and what is left out.
    """

    method: Method
    examples: NDArray[np.int64]
    subject_of: NDArray[np.int64]
    subjects: tuple[str, ...]
    coordinates: NDArray[np.float32]
    revision: int
    note: str

    def __len__(self) -> int:
        return len(self.examples)


@dataclass(frozen=True, eq=False)
class _Layout:
    """Coordinates of examples, by number, at a change of the gallery."""

    change: int
    examples: NDArray[np.int64]
    coordinates: NDArray[np.float32]
    note: str


class Maps:
    """The maps of a gallery. Those by t-SNE and UMAP are files of its folder, so that every process has them."""

    def __init__(self, folder: Path, model: Model) -> None:
        self._folder = folder
        self._model = model
        self._lock = threading.Lock()
        self._pca: _Layout | None = None

    def computed(self, view: View, method: Method, seed: int, progress: Progress | None) -> Map:
        """Compute a map, unless that of the present change is known: see `Gallery.map`."""
        check_seed(seed)
        if method == "pca":
            with self._lock:
                if self._pca is None or self._pca.change != view.change:
                    self._pca = self._components(view)
                return _map(view, method, self._pca)
        layout = self._neighbors(view, method, seed, progress)
        self._save(method, layout)
        return _map(view, method, layout)

    def known(self, view: View, method: Method) -> Map | None:
        """The last map that was computed, without examples that were removed since; None if there is none."""
        layout = self._read(method)
        return None if layout is None else _map(view, method, layout)

    def _components(self, view: View) -> _Layout:
        ids, vectors = view.added_since(0)
        order = np.argsort(ids, kind="stable")
        coordinates, share = principal_components(vectors, self._model.metric)
        note = f"the two directions have {share:.0%} of the variance"
        return _Layout(view.change, ids[order], scaled(coordinates[order]), note)

    def _neighbors(self, view: View, method: Method, seed: int, progress: Progress | None) -> _Layout:
        ids, vectors = view.added_since(0)
        total = len(ids)
        rows = np.argsort(ids, kind="stable")
        if total > MAX_POINTS:
            rows = np.sort(np.random.default_rng(seed).permutation(rows)[:MAX_POINTS])
        coordinates = neighbor_layout(method, vectors[rows], self._model.metric, seed, progress)
        note = "neighbors stay neighbors, and distances between groups say little"
        if total > MAX_POINTS:
            note += f"; {MAX_POINTS:,} of {total:,} examples, drawn at random"
        return _Layout(view.change, ids[rows], scaled(coordinates), note)

    def _path(self, method: Method) -> Path:
        return self._folder / f"map-{method}.npz"

    def _save(self, method: Method, layout: _Layout) -> None:
        file = io.BytesIO()
        np.savez(
            file,
            examples=layout.examples,
            coordinates=layout.coordinates,
            change=np.int64(layout.change),
            note=np.array(layout.note),
            model=np.array(self._model.fingerprint),
        )
        write_file(self._path(method), [file.getvalue()], private=True)

    def _read(self, method: Method) -> _Layout | None:
        """The layout on the disk; None if there is none, it is of another model, or it is damaged."""
        try:
            with open(self._path(method), "rb") as opened, np.load(opened, allow_pickle=False) as file:
                examples, coordinates = file["examples"], file["coordinates"]
                layout = _Layout(int(file["change"]), examples, coordinates, str(file["note"]))
                is_ours = str(file["model"]) == self._model.fingerprint
        except FileNotFoundError:
            return None
        except Exception as error:  # numpy and zipfile raise many kinds for damaged files
            logger.warning("%s cannot be used: compute the map again (%s)", self._path(method), error)
            return None
        shapes = examples.ndim == 1 and examples.dtype == np.int64 and coordinates.shape == (len(examples), 2)
        return layout if is_ours and shapes else None


def _map(view: View, method: Method, layout: _Layout) -> Map:
    """A layout with the present names, without examples that were removed since."""
    of = view.subjects_of(layout.examples.tolist())
    names = view.names()
    kept = np.array([example in of for example in layout.examples.tolist()], bool)
    examples = layout.examples[kept]
    numbers = np.array([of[example] for example in examples.tolist()], np.int64)
    distinct, subject_of = np.unique(numbers, return_inverse=True)
    subjects = tuple(names[number] for number in distinct.tolist())
    coordinates = layout.coordinates[kept]
    return Map(method, examples, subject_of, subjects, coordinates, layout.change, layout.note)
