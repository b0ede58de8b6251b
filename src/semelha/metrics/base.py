"""The base class of all metrics: distances between all pairs, between rows, and the nearest neighbors.

A metric is a distance: smaller is nearer. Logarithms are natural. Arrays may be NumPy's, torch's or those of any other
array API library, and results are of the same library.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from copy import copy
from math import inf
from typing import Any, ClassVar, Literal, NamedTuple, Self

from semelha.errors import UsageError
from semelha.metrics.array_math import array_namespace, detached
from semelha.metrics.checks import as_rows, check_distances, check_finite, check_histograms

Array = Any
"""An array of NumPy, torch or another array API library."""

Domain = Literal["vectors", "histograms", "gaussians"]
Search = Literal["maps", "bound", "scan"]


class Nearest(NamedTuple):
    """Positions of the nearest stored rows of each query, int64, and their distances, float64: (queries, k) each.

    Nearest first, ties by position.
    """

    positions: Array
    distances: Array


class Metric(ABC):
    """A distance between rows: a `MappedMetric` if it is two maps and a link, else a `ScannedMetric`.

    Attributes
    ----------
    name : str
        Name of the metric in a model card.
    domain : {"vectors", "histograms", "gaussians"}
        What a row is: finite numbers; numbers of 0 or more that sum to 1; a mean and a covariance (`pack_gaussians`).
    is_symmetric : bool
        f(q, s) = f(s, q) holds.
    has_triangle_inequality : bool
        f(a, c) ≤ f(a, b) + f(b, c) holds.
    is_cosine : bool
        It is the cosine distance, which depends on the directions of vectors alone.
    max_distance : float
        Largest distance between unit vectors (domain "vectors") or between histograms; infinite if unbounded.
    has_chord_length : bool
        The distance of two unit vectors determines their Euclidean distance: see `chord_length`.
    has_root_maps : bool
        It orders histograms as the Euclidean distance of their square roots does.
    search : {"maps", "bound", "scan"}
        How `nearest` searches: by a matrix product; by a scan of the rows that a bound does not exclude; by a scan of
        all rows. Results are exact in each case.
    array_names : tuple of str
        Arrays that the metric consists of, by the names of its constructor's parameters.
    """

    name: ClassVar[str]
    domain: ClassVar[Domain] = "vectors"
    is_symmetric: ClassVar[bool] = True
    has_triangle_inequality: ClassVar[bool] = False
    is_cosine: ClassVar[bool] = False
    max_distance: ClassVar[float] = inf
    has_chord_length: ClassVar[bool] = False
    has_root_maps: ClassVar[bool] = False
    search: ClassVar[Search]
    array_names: ClassVar[tuple[str, ...]] = ()

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"

    def parameters(self) -> dict[str, object]:
        """Return the parameters that a model card stores beside the name and the arrays."""
        return {}

    def arrays(self) -> dict[str, Array]:
        """Return the arrays by name: stored beside a model card, learned by a network."""
        return {name: getattr(self, name) for name in self.array_names}

    def with_arrays(self, arrays: Mapping[str, Array]) -> Self:
        """Return a copy with other arrays of the same names; their values are not checked. Raises `UsageError`."""
        if sorted(arrays) != sorted(self.array_names):
            raise UsageError(f"the metric {self.name} has the arrays {list(self.array_names)}, not {sorted(arrays)}")
        other = copy(self)
        for name, value in arrays.items():
            setattr(other, name, value)
        return other

    def check(self, x: Array, what: str = "the array") -> None:
        """Raise `UsageError` for the first row that the metric cannot take, with what would be right."""
        if self.domain == "histograms":
            check_histograms(x, what)
        else:
            check_finite(x, what)

    def pairwise(self, q: Array, s: Array, *, check: bool = True) -> Array:
        """Compute the distance of every q to every s: (n, d), (m, d) → (n, m).

        Integers become float64, half precision float32; otherwise the result has the more precise dtype. With
        `check=False` the values are not checked: for valid rows, such as embeddings in a loss. Raises `UsageError` for
        a row that the metric cannot take.
        """
        distances = self._pairwise(*self.as_checked_rows(q, s, check))
        if check:
            check_distances(distances)
        return distances

    def between(self, q: Array, s: Array, *, check: bool = True) -> Array:
        """Compute the distance of each q to the s in the same row: (n, d), (n, d) → (n,). Exact near 0.

        Parameters, dtypes and errors are as in `pairwise`; the numbers of rows must be equal.
        """
        q, s = self.as_checked_rows(q, s, check)
        if q.shape[0] != s.shape[0]:
            raise UsageError(f"between compares row by row, and there are {q.shape[0]} rows and {s.shape[0]}")
        distances = self.between_unchecked(q, s)
        if check:
            check_distances(distances)
        return distances

    def nearest(self, q: Array, s: Array, k: int) -> Nearest:
        """Find the k nearest s of each q, exactly: (n, d), (m, d) → positions and distances, each (n, k).

        Candidates are ranked by `between` in float64, ties by position. Memory is that of the maps and a few blocks,
        never (n, m). The result has no gradient. Raises `UsageError` for a row that the metric cannot take, or a k that
        is not within 1 … m.
        """
        q, s = self.as_checked_rows(q, s)
        if not 1 <= k <= s.shape[0]:
            raise UsageError(f"k is {k}: it must be within 1 and the {s.shape[0]} rows to search")
        xp = array_namespace(q, s)
        q, s = (xp.astype(detached(x), xp.float64) for x in (q, s))
        positions, distances = self._nearest(q, s, k)
        check_distances(distances)
        return Nearest(positions, distances)

    def as_checked_rows(self, q: Array, s: Array, check: bool = True) -> tuple[Array, Array]:
        """Convert both arrays to rows of one floating-point dtype, and check them unless `check` is False."""
        q, s = as_rows(q, s)
        if check:
            self.check(q, "the first array")
            if s is not q:
                self.check(s, "the second array")
        return q, s

    def chord_length(self, distance: Array) -> Array:
        """Compute the Euclidean distance of unit vectors from their distance by this metric, elementwise.

        Raises `UsageError` if the metric has no such function (`has_chord_length`).
        """
        raise UsageError(f"the Euclidean distance of unit vectors cannot be computed from the metric {self.name}")

    @abstractmethod
    def between_unchecked(self, q: Array, s: Array) -> Array:
        """Compute `between` of valid rows of one dtype, without any check."""

    @abstractmethod
    def _pairwise(self, q: Array, s: Array) -> Array:
        """Compute `pairwise` of valid rows."""

    @abstractmethod
    def _nearest(self, q: Array, s: Array, k: int) -> tuple[Array, Array]:
        """Compute `nearest` of valid rows in float64."""
