"""Interfaces of the search structures of a segment and of their builders, and the table of all structures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Protocol

from numpy.typing import NDArray

from semelha.index.cells import Cells
from semelha.index.flat import Flat
from semelha.index.graph import Graph
from semelha.index.rows import DeletedMask, Found, Rows
from semelha.index.space import Queries, Space
from semelha.index.tree import Tree


class Structure(Protocol):
    """An immutable way to search rows. The caller passes the rows that it was built from."""

    kind: ClassVar[str]

    def nearest(self, rows: Rows, queries: Queries, k: int, deleted: DeletedMask | None = None) -> Found:
        """Find the k nearest rows of each query, or all if fewer are not deleted."""
        ...

    def header(self) -> dict[str, Any]:
        """Settings that are saved beside the arrays, for JSON."""
        ...

    def arrays(self, rows: Rows) -> dict[str, NDArray[Any]]:
        """Arrays that are saved beside the rows."""
        ...

    def stats(self) -> dict[str, object]:
        """Statistics for `Index.stats`."""
        ...


class Builder(Protocol):
    """Settings of a structure and the algorithm that builds it; a frozen dataclass.

    Attributes
    ----------
    recall : float
        Recall that the structure keeps; 1 if it is exact.
    """

    @property
    def recall(self) -> float: ...

    def check(self, space: Space) -> None:
        """Raise `UsageError` for a metric under which the structure cannot search."""
        ...

    def build(self, rows: Rows, stop: Callable[[], None]) -> tuple[Rows, Structure]:
        """Return the rows in the structure's order, and the structure. `stop` is called often, and may raise."""
        ...

    def settings(self) -> dict[str, Any]:
        """Settings as the manifest of a saved index names them, for JSON."""
        ...


STRUCTURES: Mapping[str, type[Flat] | type[Tree] | type[Cells] | type[Graph]] = {
    kind.kind: kind for kind in (Flat, Tree, Cells, Graph)
}
"""Structures by the name that a file gives them."""
