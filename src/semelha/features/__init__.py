"""Image features that need no training: statistics, histograms, HOG and raw pixels."""

from __future__ import annotations

import inspect
from collections.abc import Mapping

from semelha.errors import ModelError, UsageError
from semelha.features.base import Features
from semelha.features.first_order import STATISTICS, FirstOrder
from semelha.features.histogram import Histogram
from semelha.features.shape import HOG, RawPixels

__all__ = ["FEATURES", "HOG", "STATISTICS", "Features", "FirstOrder", "Histogram", "RawPixels", "features_from_card"]

FEATURES: dict[str, type[Features]] = {kind.name: kind for kind in (FirstOrder, Histogram, HOG, RawPixels)}
"""Every feature extractor by its `name`."""


def features_from_card(name: object, arguments: object) -> Features:
    """Make the extractor with this `Features.name` and these `Features.arguments()`. Raises `ModelError`."""
    if not isinstance(name, str) or name not in FEATURES:
        raise ModelError(f"the model has the features {str(name)[:60]!r}: known are {', '.join(sorted(FEATURES))}")
    if not isinstance(arguments, Mapping):
        raise ModelError(f"the features {name} of the model have no arguments by name")
    kind = FEATURES[name]
    known = list(inspect.signature(kind).parameters)
    unknown = sorted(repr(argument)[:60] for argument in arguments if argument not in known)
    if unknown:
        raise ModelError(f"the features {name} take no {', '.join(unknown)}: they take {', '.join(known)}")
    try:
        return kind(**arguments)
    except UsageError as error:
        raise ModelError(f"the features {name} of the model cannot be made: {error}") from None
