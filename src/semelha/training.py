"""`train(...)`: from pictures in folders to a model folder, with a network or without."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from semelha.errors import MissingExtra, UsageError
from semelha.images import Dataset, read_dataset

if TYPE_CHECKING:
    from semelha.deep import Moment, Network, Recipe
    from semelha.embedders import Model
    from semelha.features import Features
    from semelha.linear import BoostedSimilarity
    from semelha.linear.base import LinearLearner


def train(
    dataset: Dataset | str | os.PathLike[str],
    *,
    out: str | os.PathLike[str],
    method: LinearLearner | BoostedSimilarity | str | None = None,
    features: Features | None = None,
    on: Model | str | os.PathLike[str] | None = None,
    network: Network | None = None,
    recipe: Recipe | None = None,
    minutes: float | None = None,
    seed: int = 0,
    resume: bool = False,
    accelerator: str = "auto",
    watch: Callable[[Moment], None] | None = None,
    watch_reading: Callable[[int, int], None] | None = None,
) -> Model:
    """Learn to tell pictures of different classes apart, and write what was learned as a model folder.

    By default a network learns an embedding; that needs the extra `train`. With `method`, a learner of
    `semelha.linear` learns a distance between features, or between the vectors of a model that is there already.

    Parameters
    ----------
    dataset : Dataset or path
        Pictures with labels; a path is read as `read_dataset` does (a folder of class folders, or a CSV manifest).
    out : path
        The model folder to make. Must not exist.
    method : learner or str, optional
        Such as `semelha.linear.GMML()`, or its name, "gmml", for its default settings.
    features : Features, optional
        What a method learns on: such as `semelha.features.HOG()`, which it is if nothing is given.
    on : Model or path, optional
        The model on whose vectors a method learns, instead of features.
    network, recipe : Network, Recipe, optional
        From `semelha.deep`. Chosen from the pictures where not given.
    minutes : float, optional
        Wall-clock budget of the training proper (default: the recipe's own, 18). The schedule ends when its steps or
        its minutes do, whichever is sooner.
    seed : int
    resume : bool
        Go on with a training of the same pictures and settings that was interrupted at any moment.
    accelerator : str
        "auto", "cpu", "cuda" or "mps".
    watch : callable, optional
        Called with a `semelha.deep.Moment` after every step.
    watch_reading : callable, optional
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
        Settings of a network together with a method, or features without one.
    DatasetError, TrainingError, VectorsError, BackboneError, PretrainedUnavailable
    """
    if method is not None:
        if int(os.environ.get("WORLD_SIZE", "1")) > 1:
            raise UsageError("a method learns in one process: leave out torchrun")
        of_network = (network, recipe, minutes, resume or None, watch, None if accelerator == "auto" else accelerator)
        if any(value is not None for value in of_network):
            raise UsageError(
                "network, recipe, minutes, resume, accelerator and watch are for networks: a method takes none of them"
            )
        return _train_linear(_pictures(dataset), Path(out), method, features, on, seed, watch_reading)
    if features is not None or on is not None:
        raise UsageError('features, and a model to learn on, need a method, such as method="gmml"')
    # OpenMP threads that spin while they wait make a step four times slower beside any other busy program.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        from semelha.deep.train import train_network
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] == "semelha":
            raise
        raise MissingExtra(f'training needs {error.name}: pip install "semelha[train]"') from error
    return train_network(
        _pictures(dataset),
        out=Path(out),
        network=network,
        recipe=recipe,
        minutes=minutes,
        seed=seed,
        resume=resume,
        accelerator=accelerator,
        watch=watch,
        watch_reading=watch_reading,
    )


def _pictures(dataset: Dataset | str | os.PathLike[str]) -> Dataset:
    return dataset if isinstance(dataset, Dataset) else read_dataset(dataset)


def _train_linear(
    pictures: Dataset,
    out: Path,
    method: LinearLearner | BoostedSimilarity | str,
    features: Features | None,
    on: Model | str | os.PathLike[str] | None,
    seed: int,
    watch_reading: Callable[[int, int], None] | None,
) -> Model:
    from semelha.embedders import load_embedder
    from semelha.features import HOG
    from semelha.linear import learner_named, train_linear

    if features is not None and on is not None:
        raise UsageError("a method learns on features or on a model: give one of the two")
    model = load_embedder(on) if isinstance(on, str | os.PathLike) else on
    learner = learner_named(method, seed=seed) if isinstance(method, str) else method
    below = model or features or HOG()
    return train_linear(pictures, out=out, method=learner, on=below, seed=seed, watch_reading=watch_reading)
