"""`derive`: combine models, or average one over views of each picture, without training; `copy_model`."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from semelha.arguments import check_types
from semelha.embedders.card import Card, DerivedSpec
from semelha.embedders.folder import WEIGHTS, read_file, read_tensors
from semelha.embedders.model import METRIC, Model, check_parts, load_embedder, write_model
from semelha.errors import ModelError, UsageError
from semelha.files import check_writable
from semelha.images import View, standard_views


@check_types
def derive(
    models: Sequence[Model | str | os.PathLike[str]],
    *,
    out: str | os.PathLike[str],
    views: int | Sequence[View] = 1,
    mirror: bool | None = None,
    weights: Sequence[float] | None = None,
) -> Model:
    """Make a model of one or several others, and write it as the model folder `out`, which contains them.

    Vectors are averaged over several views of a picture (test-time augmentation). Vectors of several models are
    concatenated (an ensemble): the cosine similarity is the weighted mean of theirs. The result is used as any other
    model, at as many times the cost: in galleries, evaluations, linear learners and further derivations.

    Parameters
    ----------
    models : sequence of Model or path
        Several must be compared by cosine, as networks are by default.
    out : path
        Must not exist.
    views : int or sequence of View
        Number of views of each picture, from `STANDARD_VIEWS`, which begins with the unchanged picture; or the views.
    mirror : bool, optional
        Follow each view by its mirror image. By default, if the first model was trained with mirror images.
    weights : sequence of float, optional
        Weight of each model in the similarity; equal by default.

    Raises
    ------
    UsageError
        The models cannot be combined, `views` is out of range, or `weights` is not one positive number for each model.
    ModelError
        A model cannot be loaded, or `out` exists or cannot be written.
    """
    check_writable(Path(out), is_folder=True, error=ModelError)
    if not len(models):
        raise UsageError("models is empty: it must be one model or more, or their paths")
    parts = tuple(each if isinstance(each, Model) else load_embedder(each) for each in models)
    if isinstance(views, int):
        views = standard_views(views, mirror=_trained_with_mirror(parts[0].card) if mirror is None else mirror)
    elif mirror is not None:
        raise UsageError("mirror cannot be set together with a list of views: View(mirror=True) is a mirrored view")
    elif not len(views):
        raise UsageError("views is empty: it must be a number of views, or a list of them")
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
        training={"derived_from": [_provenance(part.card) for part in parts]},
        classes=(),
        content_hashes=(),
        based_on=[part.card for part in parts],
        results={},
    )
    arrays = {METRIC + name: np.asarray(array) for name, array in metric.arrays().items()}
    return write_model(out, card=card, weights=arrays, parts=parts)


def copy_model(
    model: Model,
    out: str | os.PathLike[str],
    *,
    training: dict[str, Any],
    results: dict[str, Any],
    classes: Iterable[str] = (),
    content_hashes: Sequence[str] = (),
) -> Model:
    """Write the same vector space to `out`, with more classes and hashes in its card, and other training and results.

    Raises `ModelError` if `out` exists or cannot be written.
    """
    card = model.card
    fields = ("input", "features", "derived", "mean", "std", "dim", "metric", "network")
    draft = Card.draft(
        name=Path(out).name,
        training=training,
        results=results,
        classes=classes,
        content_hashes=content_hashes,
        based_on=[card],
        **{name: getattr(card, name) for name in fields},
    )
    tensors = read_tensors(read_file(model.folder, WEIGHTS, card), model.folder / WEIGHTS)
    return write_model(out, card=draft, weights=tensors, onnx=model.contents()[0], parts=model.parts)


def _trained_with_mirror(card: Card) -> bool:
    """Whether the network of a model, or of its first part, was trained with mirror images."""
    training: Any = card.training  # of a stranger's card it may be anything
    while isinstance(training, dict) and (below := training.get("derived_from") or training.get("on")):
        first = below[0] if isinstance(below, list) else below
        training = first.get("training") if isinstance(first, dict) else None
    augmentation = training.get("augmentation") if isinstance(training, dict) else None
    return isinstance(augmentation, dict) and bool(augmentation.get("flip"))


def _provenance(card: Card) -> dict[str, Any]:
    return {"name": card.name, "fingerprint": card.fingerprint, "training": card.training}
