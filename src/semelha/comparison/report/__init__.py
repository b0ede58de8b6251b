"""The HTML report of a comparison: a recommendation, figures with intervals, costs, and pictures."""

from semelha.comparison.report.page import write_comparison_report

__all__ = ["write_comparison_report"]
