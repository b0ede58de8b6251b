"""What the automatic choice takes, and that it says why, also when it comes from the disk."""

from pathlib import Path

import numpy as np
import pytest

from semelha.index import AutoIndex
from semelha.index.settings import settings
from semelha.metrics import Cosine, Euclidean, Metric


@pytest.mark.parametrize(
    ("metric", "n", "dimension", "recall", "kind", "why"),
    [
        (Euclidean(), 300, 16, 0.9, "linear", "fewer than 600 vectors"),
        (Cosine(), 700, 16, 0.9, "hnsw", "600 vectors or more: a graph is faster"),
        (Cosine(), 700, 16, 1.0, "linear", "a recall of 1"),
        (Euclidean(), 700, 3, 0.9, "tree", "3 dimensions: a tree is exact"),
    ],
)
def test_every_choice_says_why(
    metric: Metric,
    n: int,
    dimension: int,
    recall: float,
    kind: str,
    why: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(settings, "min_graph_size", 600)
    monkeypatch.setattr(settings, "tree_log_margin", 6)
    rows = np.random.default_rng(0).dirichlet(np.ones(dimension), n).astype(np.float32)
    index, again = (AutoIndex(metric, recall=recall) for _ in range(2))
    index.build(np.arange(n), rows)
    index.save(tmp_path)
    again.load(tmp_path)
    for each in (index, again):
        (segment,) = each.stats()["segments"]  # type: ignore[misc]
        assert segment["kind"] == kind
        assert why in segment["why"]


def test_a_moment_that_has_passed_can_be_saved(tmp_path: Path) -> None:
    """Beside writers: what was held at the generation is saved, not what came since."""
    index, again = (AutoIndex(Euclidean()) for _ in range(2))
    index.build(np.arange(5), np.eye(5, dtype=np.float32))
    then = index.snapshot()
    index.add(np.arange(5, 8), np.ones((3, 5), np.float32))
    index.remove(np.arange(2))
    index.save(tmp_path, generation=7, snapshot=then)
    assert again.load(tmp_path) == 7
    assert set(again.search(np.ones((1, 5), np.float32), 9).ids[0].tolist()) == {-1, 0, 1, 2, 3, 4}
    index.save(tmp_path, generation=8)
    assert again.load(tmp_path) == 8
    assert set(again.search(np.ones((1, 5), np.float32), 9).ids[0].tolist()) == {-1, 2, 3, 4, 5, 6, 7}
