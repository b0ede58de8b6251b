"""Networks are exported quickly here: see `tests.exported`."""

from tests.exported import cached_exports

__all__ = ["cached_exports"]
