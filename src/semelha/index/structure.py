"""What a segment is searched by, and what makes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Protocol

from numpy.typing import NDArray

from semelha.index.cells import Cells
from semelha.index.flat import Flat
from semelha.index.graph import Graph
from semelha.index.rows import Found, Hidden, Rows
from semelha.index.space import Queries, Space
from semelha.index.tree import Tree


class Structure(Protocol):
    """A way to search rows. It never changes; the rows that it was made of are handed to it."""

    kind: ClassVar[str]

    def nearest(self, rows: Rows, queries: Queries, k: int, hidden: Hidden | None = None) -> Found:
        """The k nearest of each query, or all where fewer are not hidden."""
        ...

    def card(self) -> dict[str, Any]:
        """What to keep beside the arrays, for JSON."""
        ...

    def arrays(self, rows: Rows) -> dict[str, NDArray[Any]]:
        """What to keep beside the rows."""
        ...

    def stats(self) -> dict[str, object]:
        """What there is to say of it."""
        ...


class Maker(Protocol):
    """Settings of a structure, from which it is made; a frozen dataclass.

    Attributes
    ----------
    recall : float
        That it promises; 1 where it is exact.
    """

    @property
    def recall(self) -> float: ...

    def check(self, space: Space) -> None:
        """Raises `UsageError` for a metric that the structure cannot search."""
        ...

    def make(self, rows: Rows, stop: Callable[[], None]) -> tuple[Rows, Structure]:
        """The rows in the order that the structure wants, and the structure. `stop` may raise, to end it."""
        ...


STRUCTURES: Mapping[str, type[Flat] | type[Tree] | type[Cells] | type[Graph]] = {
    kind.kind: kind for kind in (Flat, Tree, Cells, Graph)
}
"""Every structure by what a file calls it."""
