"""The kinds of index. They differ in what makes their segments; everything else is `SegmentedIndex`."""

from __future__ import annotations

from typing import Literal, final

from semelha.index.auto import AutoMaker
from semelha.index.cells import CellMaker
from semelha.index.flat import FlatMaker
from semelha.index.graph import Quantize
from semelha.index.graph_maker import GraphMaker
from semelha.index.segmented import SegmentedIndex
from semelha.index.tree import TreeMaker
from semelha.metrics import Metric


@final
class LinearIndex(SegmentedIndex):
    """Exact: every vector is compared. The right choice up to some tens of thousands of vectors.

    FAISS scans the metric's maps in float32, and what it leaves over is ranked in float64. A metric without exact maps
    is scanned as `Metric.nearest` does, with the threads that NumPy takes; `stats` says so.

    Parameters
    ----------
    metric, threads, background
        As for `SegmentedIndex`.
    """

    def __init__(self, metric: Metric, *, threads: int | None = None, background: bool = True) -> None:
        super().__init__(metric, FlatMaker(), threads=threads, background=background)


@final
class TreeIndex(SegmentedIndex):
    """Exact: a KD-tree or a ball tree of scikit-learn, quick in up to some ten dimensions.

    Parameters
    ----------
    metric : Metric
        With exact maps.
    tree : {"kd", "ball"}
    leaf : int
        Rows of a leaf.
    threads, background
        As for `SegmentedIndex`.
    """

    def __init__(
        self,
        metric: Metric,
        *,
        tree: Literal["kd", "ball"] = "kd",
        leaf: int = 40,
        threads: int | None = None,
        background: bool = True,
    ) -> None:
        super().__init__(metric, TreeMaker(tree, leaf), threads=threads, background=background)


@final
class CellIndex(SegmentedIndex):
    """Approximate: rows in cells around centroids, few of which are probed (IVF). Built much quicker than a graph.

    Parameters
    ----------
    metric : Metric
        With maps, or with a bound that has them.
    recall : float
        Part of the ten nearest that is to be found; how many cells are probed for it is found out on vectors held back.
    quantize : {"f32", "8bit"}
        How vectors are compared; what is found is ranked by the vectors themselves.
    cells : int, optional
        By default four times the root of the number of vectors of a segment.
    seed : int
    threads, background
        As for `SegmentedIndex`.
    """

    def __init__(
        self,
        metric: Metric,
        *,
        recall: float = 0.99,
        quantize: Literal["f32", "8bit"] = "f32",
        cells: int | None = None,
        seed: int = 0,
        threads: int | None = None,
        background: bool = True,
    ) -> None:
        super().__init__(metric, CellMaker(recall, quantize, cells, seed), threads=threads, background=background)


@final
class HNSWIndex(SegmentedIndex):
    """Approximate: a hierarchical graph of near neighbors. The quickest for many vectors; slow to build.

    Parameters
    ----------
    metric : Metric
        With maps, or with a bound that has them.
    recall : float
        Part of the ten nearest that is to be found. How deep the graph is searched for it is found out on vectors held
        back; where no depth keeps it, the segment is scanned, and `stats` says so.
    quantize : {"f32", "f16", "8bit"}
        How vectors are compared; what is found is ranked by the vectors themselves.
    links : int
        M: neighbors that a vector has in the graph; twice as many in its lowest layer.
    effort : int
        efConstruction: how deep neighbors are searched for while it is built.
    seed : int
    threads, background
        As for `SegmentedIndex`.
    """

    def __init__(
        self,
        metric: Metric,
        *,
        recall: float = 0.99,
        quantize: Quantize = "f32",
        links: int = 16,
        effort: int = 150,
        seed: int = 0,
        threads: int | None = None,
        background: bool = True,
    ) -> None:
        maker = GraphMaker(recall, quantize, links, effort, seed)
        super().__init__(metric, maker, threads=threads, background=background)


@final
class AutoIndex(SegmentedIndex):
    """Chooses for each segment by its size, its dimension, the metric and the recall that is wanted; says why.

    Parameters
    ----------
    metric : Metric
    recall : float
        1 for all neighbors always.
    seed : int
    threads, background
        As for `SegmentedIndex`.
    """

    def __init__(
        self,
        metric: Metric,
        *,
        recall: float = 0.99,
        seed: int = 0,
        threads: int | None = None,
        background: bool = True,
    ) -> None:
        super().__init__(metric, AutoMaker(recall, seed), threads=threads, background=background)
