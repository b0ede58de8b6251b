"""The HTML report of an evaluation: figures, curves, and pictures of right and wrong answers."""

from semelha.evaluation.report.page import write_report

__all__ = ["write_report"]
