"""One self-contained HTML file that shows how good a model is, and on what."""

from semelha.evaluation.report.page import write_report

__all__ = ["write_report"]
