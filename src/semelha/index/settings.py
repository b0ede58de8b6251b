"""Sizes at which an index does something else. Tests lower them, so that a small index shows what a large one does."""

from dataclasses import dataclass


@dataclass(slots=True)
class Settings:
    """The settings of this package, in vectors unless stated otherwise. They are read at each use."""

    max_delta_size: int = 4096
    """The delta is closed at this size: later vectors start a new delta."""

    min_rows: int = 256
    """Fewer rows are scanned: they get no graph and no inverted file."""

    # Sizes at which one structure becomes faster than another, measured by `benchmarks/search.py --curve`.
    min_graph_size: int = 20_000
    """`AutoIndex` scans fewer."""

    min_quantized_size: int = 500_000
    """`AutoIndex` quantizes the vectors of its graphs from this size on."""

    tree_log_margin: int = 9
    """`AutoIndex` takes a tree up to log₂ n − `tree_log_margin` dimensions."""

    chunk: int = 4096
    """Rows that are added to a graph at a time: a build can be stopped between chunks."""

    min_audit_queries: int = 30
    """The recall of a segment is not measured again with fewer queries."""


settings = Settings()
