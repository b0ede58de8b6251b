"""Networks are exported by tracing here: see `tests.exported`."""

from tests.exported import quick_exports

__all__ = ["quick_exports"]
