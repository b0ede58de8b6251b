"""What every metric does, whatever it computes: distances of all pairs, of rows, and the nearest.

Every metric here gives a distance: smaller is nearer. Logarithms are natural. Arrays are NumPy's, torch's or any other
of the array API; what comes in decides what comes out, and nothing is imported for it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from copy import copy
from typing import Any, ClassVar, Literal, NamedTuple, Self

from semelha.errors import UsageError
from semelha.metrics.checks import as_rows, check_distances, check_finite, check_histograms, plain
from semelha.metrics.namespace import array_namespace

Array = Any
"""An array of NumPy, torch or another library of the array API."""

Domain = Literal["vectors", "histograms", "gaussians"]
Search = Literal["maps", "bound", "scan"]


class Nearest(NamedTuple):
    """The nearest stored rows of each query.

    Attributes
    ----------
    positions : (queries, k) int64
        Rows of what is stored, nearest first, ties by position.
    distances : (queries, k) float64
    """

    positions: Array
    distances: Array


class Metric(ABC):
    """A distance between rows: `MappedMetric` where it is two maps and a link, else `ScannedMetric`.

    Attributes
    ----------
    name : str
        What a model card calls it.
    domain : {"vectors", "histograms", "gaussians"}
        What a row is: any finite numbers; numbers of 0 or more that sum to 1; a mean and a covariance
        (`pack_gaussians`).
    symmetric : bool
        f(q, s) = f(s, q) is claimed.
    triangle : bool
        f(a, c) ≤ f(a, b) + f(b, c) is claimed.
    exact_map : bool
        There are maps for it, and any index serves it. If not, `nearest` scans (see `search`).
    search : str
        How `nearest` finds: "maps" (a matrix product), "bound" (a scan of what a bound by a mapped metric leaves
        over) or "scan" (of everything). What is found is exact in each case.
    array_names : tuple of str
        The arrays that it is made of, as its constructor calls them.
    """

    name: ClassVar[str]
    domain: ClassVar[Domain] = "vectors"
    symmetric: ClassVar[bool] = True
    triangle: ClassVar[bool] = False
    exact_map: ClassVar[bool]
    search: ClassVar[Search]
    array_names: ClassVar[tuple[str, ...]] = ()

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"

    def parameters(self) -> dict[str, object]:
        """What a model card must hold to make this metric again, beside its name and its arrays."""
        return {}

    def arrays(self) -> dict[str, Array]:
        """The arrays that it has, by name: what is stored beside a card, and what a network learns."""
        return {name: getattr(self, name) for name in self.array_names}

    def with_arrays(self, arrays: Mapping[str, Array]) -> Self:
        """The same metric with other arrays of the same names, whose values are not looked at."""
        if sorted(arrays) != sorted(self.array_names):
            raise UsageError(f"the metric {self.name} has the arrays {list(self.array_names)}, not {sorted(arrays)}")
        other = copy(self)
        for name, value in arrays.items():
            setattr(other, name, value)
        return other

    def check(self, x: Array, what: str = "the array") -> None:
        """Nothing, or `UsageError` with the first row that this metric cannot take and what would be right."""
        if self.domain == "histograms":
            check_histograms(x, what)
        else:
            check_finite(x, what)

    def pairwise(self, q: Array, s: Array, *, check: bool = True) -> Array:
        """Distances of every q to every s: (n, d), (m, d) → (n, m).

        Integers become float64; otherwise the precision is that of the more precise of the two. With `check=False`
        the values are not looked at: for what is known to be right, such as embeddings inside a loss.

        Raises
        ------
        UsageError
            A row that the metric cannot take.
        """
        found = self._all(*self.ready(q, s, check))
        if check:
            check_distances(found)
        return found

    def between(self, q: Array, s: Array, *, check: bool = True) -> Array:
        """Distance of each q to the s in the same row: (n, d), (n, d) → (n,). As `pairwise`; exact near 0."""
        q, s = self.ready(q, s, check)
        if q.shape[0] != s.shape[0]:
            raise UsageError(f"between compares row by row, and there are {q.shape[0]} rows and {s.shape[0]}")
        found = self._each(q, s)
        if check:
            check_distances(found)
        return found

    def each(self, q: Array, s: Array) -> Array:
        """`between` of rows that are known to be right, and of one type: nothing is looked at."""
        return self._each(q, s)

    def nearest(self, q: Array, s: Array, k: int) -> Nearest:
        """The k nearest s of each q, exactly: (n, d), (m, d) → positions and distances, each (n, k).

        Ranked by `between` in float64, ties by position. The memory is that of the maps and of some blocks, never
        (n, m). There is no gradient.

        Raises
        ------
        UsageError
            A row that the metric cannot take, or k is not within 1 … m.
        """
        q, s = self.ready(q, s, check=True)
        if not 1 <= k <= s.shape[0]:
            raise UsageError(f"k is {k}: it must be within 1 and the {s.shape[0]} rows to search")
        xp = array_namespace(q, s)
        q, s = (xp.astype(plain(x), xp.float64) for x in (q, s))
        positions, distances = self._search(q, s, k)
        check_distances(distances)
        return Nearest(positions, distances)

    def ready(self, q: Array, s: Array, check: bool = True) -> tuple[Array, Array]:
        """Both as floating-point rows of one precision, looked at unless `check` is False. Raises `UsageError`."""
        q, s = as_rows(q, s)
        if check:
            self.check(q, "the first array")
            if s is not q:
                self.check(s, "the second array")
        return q, s

    @abstractmethod
    def _all(self, q: Array, s: Array) -> Array:
        """`pairwise` of rows that are right."""

    @abstractmethod
    def _each(self, q: Array, s: Array) -> Array:
        """`between` of rows that are right."""

    @abstractmethod
    def _search(self, q: Array, s: Array, k: int) -> tuple[Array, Array]:
        """`nearest` of rows that are right, in float64."""


Each = Callable[[Array, Array], Array]
"""Distances row by row: (n, d), (n, d) → (n,)."""
