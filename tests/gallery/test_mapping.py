"""Maps: principal components at once, t-SNE in a process of its own, and the names of now."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.tiny_model import tiny_model

from semelha.embedders import Model
from semelha.errors import MissingExtra, SemelhaError, UsageError
from semelha.gallery import Gallery, layouts, mapping, migrate
from semelha.gallery.layouts import neighbor_layout, principal_components, scaled
from semelha.metrics import Cosine, Euclidean

GROUPS, EACH = 3, 6


def blobs(groups: int = GROUPS, each: int = EACH, dim: int = 8) -> np.ndarray:
    """(groups · each, dim) float32: tight groups that lie far apart."""
    random = np.random.default_rng(0)
    centers = np.repeat(random.normal(size=(groups, dim)), each, axis=0)
    return (centers + 0.05 * random.normal(size=centers.shape)).astype(np.float32)


@pytest.fixture
def gallery(tiny: Model, tmp_path: Path) -> Iterator[Gallery]:
    with Gallery.create(tmp_path / "shop", tiny, threads=1) as made:
        for number, vectors in enumerate(blobs(dim=tiny.dim).reshape(GROUPS, EACH, -1)):
            made.enroll_vectors(f"s{number}", vectors, ["x"] * EACH, fingerprint=tiny.fingerprint)
        yield made


def separation(coordinates: np.ndarray) -> float:
    """Distance between groups over the spread of a group."""
    groups = coordinates.reshape(GROUPS, EACH, 2).astype(float)
    centers = groups.mean(axis=1)
    between = min(np.linalg.norm(centers[a] - centers[b]) for a in range(GROUPS) for b in range(a))
    return float(between / groups.std(axis=1).max())


def test_components_are_those_of_a_singular_value_decomposition() -> None:
    rows = np.random.default_rng(1).normal(size=(300, 6)).astype(np.float32) * [5, 3, 1, 1, 1, 1]
    found, share = principal_components(rows.astype(np.float32), Euclidean())
    centered = rows - rows.mean(axis=0)
    u, s, _ = np.linalg.svd(centered, full_matrices=False)
    assert np.abs(found) == pytest.approx(np.abs(u[:, :2] * s[:2]), abs=1e-3)
    assert share == pytest.approx((s[:2] ** 2).sum() / (s**2).sum())


def test_vectors_are_laid_out_as_the_metric_compares_them() -> None:
    """The cosine distance does not see lengths, so neither does the map."""
    rows = blobs()
    longer = rows * np.random.default_rng(0).uniform(1, 100, (len(rows), 1)).astype(np.float32)
    assert principal_components(longer, Cosine())[0] == pytest.approx(principal_components(rows, Cosine())[0], abs=1e-5)


@pytest.mark.parametrize("shape", [(0, 4), (1, 4), (2, 4), (5, 1)])
def test_few_vectors_have_coordinates_too(shape: tuple[int, int]) -> None:
    rows = np.arange(shape[0] * shape[1], dtype=np.float32).reshape(shape)
    found = scaled(principal_components(rows, Euclidean())[0])
    assert found.shape == (shape[0], 2)
    assert np.isfinite(found).all()
    assert np.abs(found).max(initial=0) <= 1


def test_a_map_has_every_example_with_its_subject(gallery: Gallery) -> None:
    found = gallery.map()
    assert (found.method, len(found), found.revision) == ("pca", GROUPS * EACH, gallery.revision)
    assert found.coordinates.dtype == np.float32
    assert np.abs(found.coordinates).max() == 1
    assert [found.subjects[place] for place in found.subject_of] == [
        f"s{n}" for n in range(GROUPS) for _ in range(EACH)
    ]
    assert separation(found.coordinates) > 5
    assert "of the variance" in found.note
    gallery.rename("s0", "renamed")
    gallery.remove("s1")
    again = gallery.map()
    assert (again.subjects, len(again)) == (("renamed", "s2"), 12)
    assert np.array_equal(again.examples, np.sort(again.examples))


@pytest.mark.folder_only
def test_t_sne_is_saved_for_all_processes(gallery: Gallery, new: Model) -> None:
    pytest.importorskip("sklearn")
    assert gallery.last_map("tsne") is None
    seen: list[tuple[int, int]] = []
    found = gallery.map("tsne", progress=lambda *counts: seen.append(counts))
    assert separation(found.coordinates) > 1
    assert set(seen) == {(0, GROUPS * EACH)}
    with Gallery(gallery.path, threads=1) as other:
        known = other.last_map("tsne")
        assert known is not None
        assert np.array_equal(known.coordinates, found.coordinates)
        other.remove("s0")
        known = other.last_map("tsne")
        assert known is not None
        assert (len(known), known.subjects, known.revision) == (12, ("s1", "s2"), found.revision)
    file = gallery.path / "map-tsne.npz"
    content = file.read_bytes()
    file.write_bytes(content[:-40])
    assert gallery.last_map("tsne") is None, "a damaged file is as none"
    file.write_bytes(content)
    gallery.enroll("kept", np.zeros((8, 8, 3), np.uint8))
    migrate(gallery.path, new, drop_missing=True)
    with Gallery(gallery.path, threads=1) as migrated:
        assert migrated.last_map("tsne") is None, "it is of another model"


def test_a_sample_is_drawn_of_many(gallery: Gallery, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("sklearn")
    monkeypatch.setattr(mapping, "MAX_POINTS", 10)
    found = gallery.map("tsne", seed=3)
    assert len(found) == 10
    assert "10 of 18 examples" in found.note


def test_a_callback_that_raises_ends_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    children = []

    class Recorded(subprocess.Popen):  # type: ignore[type-arg]
        def __init__(self, command: list[str], **more: Any) -> None:
            super().__init__([sys.executable, "-c", "import time; time.sleep(60)"], **more)
            children.append(self)

    monkeypatch.setattr(layouts.subprocess, "Popen", Recorded)

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        neighbor_layout("tsne", blobs(), Euclidean(), 0, stop)
    assert children[0].returncode != 0


def test_a_process_that_fails_gives_its_reason() -> None:
    with pytest.raises(SemelhaError, match=r"by tsne could not be computed: \w+"):
        neighbor_layout("tsne", blobs(), Euclidean(), -7, None)


def test_what_cannot_be_is_refused(gallery: Gallery, monkeypatch: pytest.MonkeyPatch) -> None:
    for call in (lambda: gallery.map("mds"), lambda: gallery.last_map("mds"), lambda: gallery.map(seed=-1)):
        with pytest.raises(UsageError):
            call()
    monkeypatch.setattr(layouts, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match="pip install umap-learn"):
        gallery.map("umap")
    assert gallery.last_map("umap") is None


def test_an_empty_gallery_has_an_empty_map(tmp_path: Path) -> None:
    with Gallery.create(tmp_path / "empty", tiny_model(tmp_path / "model"), threads=1) as gallery:
        assert len(gallery.map()) == 0
