"""The five kinds of index: exact by scan or tree, approximate by inverted file (IVF) or HNSW, and chosen automatically.

Each is an `Index` with its own builder of segments: `metric`, `threads`, methods and errors are those of `Index`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import log2
from typing import Any, Literal, final

from semelha.errors import UsageError
from semelha.index.base import Index
from semelha.index.cells import CellBuilder
from semelha.index.checks import check_seed
from semelha.index.exact import FlatBuilder, TreeBuilder
from semelha.index.graph import GraphBuilder, Quantize
from semelha.index.rows import Rows
from semelha.index.segment import Structure
from semelha.index.settings import settings
from semelha.index.space import Space
from semelha.metrics import MappedMetric, Metric


@final
class LinearIndex(Index):
    """Exact search by comparing every vector. Fast enough up to some tens of thousands of vectors.

    FAISS scans the metric's maps in float32; the best candidates are re-ranked in float64. A metric without exact maps
    is scanned by `Metric.nearest` in the threads of NumPy, and `stats` reports it.
    """

    def __init__(self, metric: Metric, *, threads: int | None = None) -> None:
        super().__init__(metric, FlatBuilder(), threads=threads)


@final
class TreeIndex(Index):
    """Exact search in a KD-tree or ball tree of scikit-learn, fast up to about ten dimensions, with exact maps only.

    Parameters
    ----------
    tree : {"kd", "ball"}
    leaf_size : int
        Rows in a leaf, as in scikit-learn.
    """

    def __init__(
        self, metric: Metric, *, tree: Literal["kd", "ball"] = "kd", leaf_size: int = 40, threads: int | None = None
    ) -> None:
        super().__init__(metric, TreeBuilder(tree, leaf_size), threads=threads)


@final
class IVFIndex(Index):
    """Approximate search in an inverted file: rows in cells around centroids, few of which are searched.

    It is built much faster than an HNSW graph. It takes metrics with maps, or with a bound that has them.

    Parameters
    ----------
    recall : float
        Mean part of the ten nearest that is found. The number of cells to search (`nprobe`) is measured for it on
        held-out vectors.
    quantize : {"f32", "8bit"}
        How vectors are compared; candidates are re-ranked by the exact vectors.
    n_cells : int, optional
        Cells of a segment (`nlist`); by default four times the square root of its size.
    seed : int
        Seed of the centroids and of the held-out vectors.
    """

    def __init__(
        self,
        metric: Metric,
        *,
        recall: float = 0.99,
        quantize: Literal["f32", "8bit"] = "f32",
        n_cells: int | None = None,
        seed: int = 0,
        threads: int | None = None,
    ) -> None:
        super().__init__(metric, CellBuilder(recall, quantize, n_cells, seed), threads=threads)


@final
class HNSWIndex(Index):
    """Approximate search in a hierarchical navigable small-world graph. The fastest for many vectors; slow to build.

    It takes metrics with maps, or with a bound that has them.

    Parameters
    ----------
    recall : float
        Mean part of the ten nearest that is found. The search depth (`efSearch`) is measured for it on held-out
        vectors. If no depth keeps it, the segment is scanned, and `stats` reports it.
    quantize : {"f32", "f16", "8bit"}
        How vectors are compared; candidates are re-ranked by the exact vectors.
    M : int
        Links of a vector in the graph, 2 to 512; twice as many in the lowest layer.
    ef_construction : int
        Search depth during construction, 1 or more.
    seed : int
        Seed of the held-out vectors.
    """

    def __init__(
        self,
        metric: Metric,
        *,
        recall: float = 0.99,
        quantize: Quantize = "f32",
        M: int = 16,
        ef_construction: int = 150,
        seed: int = 0,
        threads: int | None = None,
    ) -> None:
        super().__init__(metric, GraphBuilder(recall, quantize, M, ef_construction, seed), threads=threads)


@final
class AutoIndex(Index):
    """Chooses the structure of each segment by its size, dimension, metric and recall; `stats` reports why.

    Parameters
    ----------
    recall : float
        Mean part of the ten nearest that is found; 1 for exact search.
    seed : int
        Seed of the held-out vectors.
    """

    def __init__(self, metric: Metric, *, recall: float = 0.99, seed: int = 0, threads: int | None = None) -> None:
        super().__init__(metric, AutoBuilder(recall, seed), threads=threads)


@dataclass(frozen=True)
class AutoBuilder:
    """Builds the structure that `choose` returns. See `AutoIndex`."""

    recall: float = 0.99
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.recall <= 1:
            raise UsageError(f"recall is {self.recall}: it must lie above 0, up to 1 for exact search")
        check_seed(self.seed)

    def check(self, space: Space) -> None:
        """Accept every metric."""

    def build(self, rows: Rows, check_cancelled: Callable[[], None] = lambda: None) -> tuple[Rows, Structure]:
        builder = choose(rows.space, len(rows), rows.vectors.shape[1], self.recall, self.seed)
        return builder.build(rows, check_cancelled)

    def settings(self) -> dict[str, Any]:
        return {"kind": "AutoMaker", "recall": self.recall, "seed": self.seed}


def choose(
    space: Space, n: int, dimension: int, recall: float, seed: int = 0
) -> FlatBuilder | TreeBuilder | GraphBuilder:
    """Choose the builder for n vectors; `recall` is 1 for exact search. It carries the reason, for `Index.stats`."""
    metric = space.metric
    if space.maps is None:
        return FlatBuilder(f"{metric.name} has no maps: a linear scan")
    if isinstance(metric, MappedMetric) and dimension <= log2(max(n, 1)) - settings.tree_log_margin:
        return TreeBuilder(reason=f"{dimension} dimensions: a tree is exact and fastest")
    if recall == 1:
        return FlatBuilder("a recall of 1: a linear scan")
    size = settings.min_graph_size
    if n < size:
        return FlatBuilder(f"fewer than {size:,} vectors: a scan is exact and fast enough")
    quantize: Quantize = "8bit" if n >= settings.min_quantized_size else "f32"
    return GraphBuilder(recall, quantize, seed=seed, reason=f"{size:,} vectors or more: a graph is faster")
