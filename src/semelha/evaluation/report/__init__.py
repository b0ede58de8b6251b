"""One self-contained HTML file that shows how good a model is, and on what."""

from semelha.evaluation.report.care import write_check_report, write_clusters_report
from semelha.evaluation.report.page import write_report

__all__ = ["write_check_report", "write_clusters_report", "write_report"]
