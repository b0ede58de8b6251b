"""`train(...)`: from pictures in folders to a model folder, with a network or without."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from semelha.errors import MissingExtra, UsageError
from semelha.images import Dataset, read_dataset

if TYPE_CHECKING:
    from semelha.deep import Network, Recipe, TrainingProgress
    from semelha.deep.ssl import SelfSupervised
    from semelha.embedders import Model
    from semelha.features import Features
    from semelha.linear import BoostedSimilarity
    from semelha.linear.base import LinearLearner

WITHOUT_LABELS = ("simclr", "simclr-v2", "moco-v1", "moco-v2", "moco-v3")
"""The methods by which a network learns without labels, by name."""
NOTHING = "none"
"""The method that learns nothing."""
READOUT = "readout"
"""The method that finds new axes for the layers of a network, and leaves its weights."""


def train(
    dataset: Dataset | str | os.PathLike[str],
    *,
    out: str | os.PathLike[str],
    method: LinearLearner | BoostedSimilarity | SelfSupervised | str | None = None,
    features: Features | None = None,
    on: Model | str | os.PathLike[str] | None = None,
    network: Network | None = None,
    recipe: Recipe | None = None,
    teacher: Model | str | os.PathLike[str] | None = None,
    minutes: float | None = None,
    seed: int = 0,
    resume: bool = False,
    accelerator: str = "auto",
    callback: Callable[[TrainingProgress], None] | None = None,
    reading_progress: Callable[[int, int], None] | None = None,
) -> Model:
    """Learn to tell pictures of different classes apart, and write what was learned as a model folder.

    By default a network learns an embedding; that needs the extra `train`. With a `method` of `semelha.deep.ssl` it
    learns without labels. With one of `semelha.linear`, a distance is learned between features, or between the vectors
    of a model that is there already. With the method "none" nothing is learned: the features of a network as it is,
    such as a pretrained one, become a model. With "readout" the layers of a network of ours, that of a model, are read
    along the axes of these pictures.

    Parameters
    ----------
    dataset : Dataset or path
        Pictures with labels; a path is read as `read_dataset` does (a folder of class folders, or a CSV manifest). For
        a method without labels, "none" or "readout", pictures may lie anywhere in the folder, and those that have
        labels keep them unread.
    out : path
        The model folder to make. Must not exist.
    method : learner, SelfSupervised or str, optional
        Such as `semelha.linear.GMML()` or `semelha.deep.ssl.SimCLR()`, or the name of one, "gmml" or "simclr", for its
        default settings. "none": no learning at all. "readout": new axes for the layers of the network of `on`.
    features : Features, optional
        What a method learns on: such as `semelha.features.HOG()`, which it is if nothing is given.
    on : Model or path, optional
        The model on whose vectors a method learns, instead of features; or whose layers are read.
    network, recipe : Network, Recipe, optional
        From `semelha.deep`. Chosen from the pictures where not given.
    teacher : Model or path, optional
        A model whose similarities between the pictures are learned too, such as an ensemble: what it knows, in one
        network.
    minutes : float, optional
        Wall-clock budget of the training proper (default: the recipe's own, 18). The schedule ends when its steps or
        its minutes do, whichever is sooner.
    seed : int
    resume : bool
        Go on with a training of the same pictures and settings that was interrupted at any moment.
    accelerator : str
        "auto", "cpu", "cuda" or "mps".
    callback : callable, optional
        Called with a `semelha.deep.TrainingProgress` after every step.
    reading_progress : callable, optional
        Called with (pictures read, pictures in all) while the pictures are decoded.

    Returns
    -------
    Model
        The model, loaded from `out`.

    Raises
    ------
    MissingExtra
        A network was asked for, and torch is not installed.
    UsageError
        Settings of a network together with a method that has none, or features without such a method.
    DatasetError, TrainingError, VectorsError, BackboneError, PretrainedUnavailable
    """
    learner, unlabelled = _apart(method)
    if learner is not None or method in (NOTHING, READOUT):
        if int(os.environ.get("WORLD_SIZE", "1")) > 1:
            raise UsageError("such a method learns in one process: leave out torchrun")
        of_network = (None if method == NOTHING else network, recipe, teacher, minutes, resume or None, callback)
        if any(value is not None for value in of_network) or accelerator != "auto":
            raise UsageError(
                "network, recipe, teacher, minutes, resume, accelerator and callback are for networks that learn: a "
                'learner takes none of them, and "none" a network alone'
            )
    if learner is not None:
        return _train_linear(_pictures(dataset), Path(out), learner, features, on, seed, reading_progress)
    if method == READOUT and (on is None or features is not None):
        raise UsageError('"readout" reads the layers of a model: give it as on (--on MODEL), and no features')
    if features is not None or (on is not None and method != READOUT):
        raise UsageError('features, and a model to learn on, need a method that learns without a network: "gmml"')
    try:
        from semelha.deep.feature_extractor import publish_feature_extractor
        from semelha.deep.refit_readout import refit_readout
        from semelha.deep.ssl import METHODS
        from semelha.deep.train import train_network
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] == "semelha":
            raise
        raise MissingExtra(f'training needs {error.name}: pip install "semelha[train]"') from error
    if method == NOTHING:
        return publish_feature_extractor(_pictures(dataset, labelled=False), out=Path(out), network=network, seed=seed)
    if method == READOUT:
        model = _model(on)
        assert model is not None
        return refit_readout(_pictures(dataset, labelled=False), model=model, out=Path(out), seed=seed)
    return train_network(
        _pictures(dataset, labelled=unlabelled is None and (recipe is None or recipe.method is None)),
        out=Path(out),
        method=METHODS[unlabelled] if isinstance(unlabelled, str) else unlabelled,
        network=network,
        recipe=recipe,
        teacher=_model(teacher),
        minutes=minutes,
        seed=seed,
        resume=resume,
        accelerator=accelerator,
        callback=callback,
        reading_progress=reading_progress,
    )


def _apart(
    method: LinearLearner | BoostedSimilarity | SelfSupervised | str | None,
) -> tuple[LinearLearner | BoostedSimilarity | str | None, SelfSupervised | str | None]:
    """A method as a learner without a network, or as one without labels. Raises `UsageError` for an unknown name."""
    if method is None:
        return None, None
    from semelha.linear import METHODS
    from semelha.linear.base import Learner

    if isinstance(method, str):
        names = (*METHODS, *WITHOUT_LABELS, NOTHING, READOUT)
        if method not in names:
            raise UsageError(f"no method is called {method!r}: there are {', '.join(names)}")
        return method if method in METHODS else None, method if method in WITHOUT_LABELS else None
    return (method, None) if isinstance(method, Learner) else (None, method)


def _pictures(dataset: Dataset | str | os.PathLike[str], *, labelled: bool = True) -> Dataset:
    return dataset if isinstance(dataset, Dataset) else read_dataset(dataset, labelled=labelled)


def _model(given: Model | str | os.PathLike[str] | None) -> Model | None:
    from semelha.embedders import load_embedder

    return load_embedder(given) if isinstance(given, str | os.PathLike) else given


def _train_linear(
    pictures: Dataset,
    out: Path,
    method: LinearLearner | BoostedSimilarity | str,
    features: Features | None,
    on: Model | str | os.PathLike[str] | None,
    seed: int,
    reading_progress: Callable[[int, int], None] | None,
) -> Model:
    from semelha.features import HOG
    from semelha.linear import learner_named, train_linear

    if features is not None and on is not None:
        raise UsageError("a method learns on features or on a model: give one of the two")
    learner = learner_named(method, seed=seed) if isinstance(method, str) else method
    below = _model(on) or features or HOG()
    return train_linear(pictures, out=out, method=learner, on=below, seed=seed, reading_progress=reading_progress)
