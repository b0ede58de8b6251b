"""`train(...)`: from pictures in folders to a model folder."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from semelha.errors import MissingExtra
from semelha.images import Dataset, read_dataset

if TYPE_CHECKING:
    from semelha.deep import Moment, Network, Recipe
    from semelha.embedders import Model


def train(
    dataset: Dataset | str | os.PathLike[str],
    *,
    out: str | os.PathLike[str],
    network: Network | None = None,
    recipe: Recipe | None = None,
    minutes: float | None = None,
    seed: int = 0,
    resume: bool = False,
    accelerator: str = "auto",
    watch: Callable[[Moment], None] | None = None,
    watch_reading: Callable[[int, int], None] | None = None,
) -> Model:
    """Learn an embedding in which pictures of one class lie near each other, and write it as a model folder.

    Parameters
    ----------
    dataset : Dataset or path
        Pictures with labels; a path is read as `read_dataset` does (a folder of class folders, or a CSV manifest).
    out : path
        The model folder to make. Must not exist.
    network, recipe : Network, Recipe, optional
        From `semelha.deep`. Chosen from the pictures where not given.
    minutes : float, optional
        Wall-clock budget of the training proper (default: the recipe's own, 16). The schedule ends when its steps or
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
        torch is not installed.
    DatasetError, TrainingError, BackboneError, PretrainedUnavailable
    """
    # OpenMP threads that spin while they wait make a step four times slower beside any other busy program.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        from semelha.deep.train import train_network
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] == "semelha":
            raise
        raise MissingExtra(f'training needs {error.name}: pip install "semelha[train]"') from error
    pictures = dataset if isinstance(dataset, Dataset) else read_dataset(dataset)
    return train_network(
        pictures,
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
