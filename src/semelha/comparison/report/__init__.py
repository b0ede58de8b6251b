"""The HTML reports of a comparison and of a tuning: a verdict, figures with intervals, and plots."""

from semelha.comparison.report.page import write_comparison_report
from semelha.comparison.report.tuning import write_tuning_report

__all__ = ["write_comparison_report", "write_tuning_report"]
