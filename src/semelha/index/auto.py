"""Which structure serves best: by size, dimension, metric and the recall that is wanted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import log2

from semelha.errors import UsageError
from semelha.index.flat import FlatMaker
from semelha.index.graph import Quantize
from semelha.index.graph_maker import GraphMaker
from semelha.index.promise import check_seed
from semelha.index.rows import Rows
from semelha.index.space import Space
from semelha.index.structure import Structure
from semelha.index.tree import TreeMaker
from semelha.metrics.mapped import MappedMetric

# Where one becomes quicker than another, as `benchmarks/search.py --curve` measures it.
GRAPH = 20_000
QUANTIZED = 500_000
TREE = 9  # a tree wins up to log₂ n − 9 dimensions


@dataclass(frozen=True)
class Choice:
    """What makes a segment, and why."""

    maker: FlatMaker | TreeMaker | GraphMaker
    why: str


@dataclass(frozen=True)
class AutoMaker:
    """Makes what `choose` says.

    Attributes
    ----------
    recall : float
        1 for all neighbors always.
    seed : int
    """

    recall: float = 0.99
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.recall <= 1:
            raise UsageError(f"recall is {self.recall}: it lies above 0, and 1 asks for all neighbors always")
        check_seed(self.seed)

    def check(self, space: Space) -> None:
        """Every metric can be served."""

    def make(self, rows: Rows, stop: Callable[[], None] = lambda: None) -> tuple[Rows, Structure]:
        """The rows in the order that the structure wants, and the structure."""
        choice = choose(rows.space, len(rows), rows.vectors.shape[1], self.recall, self.seed)
        return replace(choice.maker, why=choice.why).make(rows, stop)


def choose(space: Space, n: int, dimension: int, recall: float, seed: int = 0) -> Choice:
    """The structure for n vectors of a dimension.

    Parameters
    ----------
    space : Space
        Of the metric.
    n, dimension : int
    recall : float
        1 for all neighbors always.
    seed : int
    """
    metric = space.metric
    if space.maps is None:
        return Choice(FlatMaker(), f"{metric.name} has no maps: every vector is compared")
    if isinstance(metric, MappedMetric) and dimension <= log2(max(n, 1)) - TREE:
        return Choice(TreeMaker(), f"{dimension} dimensions: a tree finds all neighbors, and quickly")
    if recall == 1:
        return Choice(FlatMaker(), "all neighbors are wanted: every vector is compared")
    if n < GRAPH:
        return Choice(FlatMaker(), f"fewer than {GRAPH:,} vectors: a scan is quick enough, and finds all neighbors")
    quantize: Quantize = "8bit" if n >= QUANTIZED else "f32"
    return Choice(GraphMaker(recall, quantize, seed=seed), f"{GRAPH:,} vectors or more: a graph is quicker")
