"""`derive(...)`: a model folder made of others, with nothing learned."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from semelha.embedders.card import Card, DerivedSpec
from semelha.embedders.derived import check_parts
from semelha.embedders.model import METRIC, Model, load_embedder, write_model
from semelha.errors import ModelError, UsageError
from semelha.images import View, first_views


def derive(
    models: Sequence[Model | str | os.PathLike[str]],
    *,
    out: str | os.PathLike[str],
    views: int | Sequence[View] = 1,
    mirror: bool | None = None,
    weights: Sequence[float] | None = None,
) -> Model:
    """Make one model of one or several, and write it as the model folder `out`, with the others in it.

    Its vector of a picture is the mean over several views of it (test-time augmentation), and of several models the
    vectors are joined (an ensemble): the cosine similarity is the weighted mean of theirs. It is a model as any other,
    at so many times the cost: galleries, evaluations and linear learners take it, and it can be derived from again.

    Parameters
    ----------
    models : sequence of Model or path
        Several must be compared by cosine, as networks are by default.
    out : path
        Must not exist.
    views : int or sequence of View
        How many ways each picture is seen, from a list that begins with the picture as it is: turned a little, nearer,
        farther, to the sides. Or these views.
    mirror : bool, optional
        Let each view be followed by its mirror image. As the first model was trained, if not given.
    weights : sequence of float, optional
        Of each model in the similarity. All alike if not given.

    Raises
    ------
    UsageError
        The models cannot be joined, there are not that many views, or weights are not one above 0 for each model.
    ModelError
        A model cannot be loaded, or `out` exists or cannot be written.
    """
    if Path(out).exists():
        raise ModelError(f"{out} exists already: choose another place for the model, or remove it")
    if isinstance(models, str | os.PathLike | Model) or not len(models):
        raise UsageError("models are given as a list, one model too: [model]")
    parts = tuple(each if isinstance(each, Model) else load_embedder(each) for each in models)
    if isinstance(views, int):
        views = first_views(views, mirror=_mirrored(parts[0].card) if mirror is None else mirror)
    elif mirror is not None:
        raise UsageError("views that are given say themselves whether they are mirrored")
    shares = [1.0] * len(parts) if weights is None else [float(weight) for weight in weights]
    if len(shares) != len(parts) or not all(0 < share < np.inf for share in shares):
        raise UsageError(f"weights is {shares}: there must be one above 0 for each of the {len(parts)} models")
    check_parts(parts, views)
    spec = {"parts": [part.fingerprint for part in parts], "weights": shares, "views": [asdict(view) for view in views]}
    metric = parts[0].metric
    card = Card.draft(
        name=Path(out).name,
        derived=DerivedSpec.model_validate(spec),
        dim=sum(part.dim for part in parts),
        metric={"name": metric.name, **metric.parameters()},
        training={"derived_from": [_told(part.card) for part in parts]},
        classes=(),
        content_hashes=(),
        based_on=[part.card for part in parts],
        results={},
    )
    arrays = {METRIC + name: np.asarray(array) for name, array in metric.arrays().items()}
    return write_model(out, card=card, weights=arrays, parts=parts)


def _mirrored(card: Card) -> bool:
    """Whether a network was trained to hold a picture and its mirror image for the same; so were its parts."""
    training: dict[str, Any] = card.training
    while below := training.get("derived_from") or training.get("on"):
        training = (below[0] if isinstance(below, list) else below)["training"]
    augmentation = training.get("augmentation")
    return isinstance(augmentation, dict) and bool(augmentation.get("flip"))


def _told(card: Card) -> dict[str, Any]:
    return {"name": card.name, "fingerprint": card.fingerprint, "training": card.training}
