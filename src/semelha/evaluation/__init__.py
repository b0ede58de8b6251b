"""How good is it? `measures` are arrays in, numbers out; `evaluate` runs a protocol; `report` shows it."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from semelha.evaluation.assess import evaluate
    from semelha.evaluation.protocol import Protocol
    from semelha.evaluation.reciprocal import KReciprocal
    from semelha.evaluation.report import write_report
    from semelha.evaluation.rerank import QueryExpansion
    from semelha.evaluation.result import Evaluation

__all__ = ["Evaluation", "KReciprocal", "Protocol", "QueryExpansion", "evaluate", "write_report"]

_HOMES = {
    "Evaluation": "result",
    "KReciprocal": "reciprocal",
    "Protocol": "protocol",
    "QueryExpansion": "rerank",
    "evaluate": "assess",
    "write_report": "report",
}


def __getattr__(name: str) -> Any:
    # Late, because `deep` and `recognition` use the measures, and `evaluate` stands on top of both.
    if name in _HOMES:
        return getattr(import_module(f"semelha.evaluation.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
