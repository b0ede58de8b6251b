"""Re-embed a gallery with another model while it stays in use."""

from semelha.gallery.migration.migration import MigrationResult, migrate

__all__ = ["MigrationResult", "migrate"]
