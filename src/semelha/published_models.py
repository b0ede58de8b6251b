"""`pretrained`: a model that recognizes photographs without training."""

from __future__ import annotations

import logging
import os
import shutil
from importlib.util import find_spec
from pathlib import Path

from semelha.arguments import check_types
from semelha.embedders import Model, load_embedder
from semelha.embedders.folder import copy_folder
from semelha.embedders.published import (
    DEFAULT,
    PUBLISHED,
    chosen_model,
    is_available,
    making,
    published_folder,
)
from semelha.embedders.weight_files import hub_file, packaged_file
from semelha.errors import MissingExtra, ModelAltered, ModelError, ModelIncomplete, UsageError
from semelha.files import check_writable

logger = logging.getLogger(__name__)


@check_types
def pretrained(name: str | None = None, *, out: str | os.PathLike[str] | None = None) -> Model:
    """Load a model that is ready for photographs: a network that was trained on millions of others.

    The default model is made once, in about ten seconds, from weights that the extra `train` installs; other published
    models must be fetched once (`fetch_published`). Afterwards neither needs torch or the internet.

    Parameters
    ----------
    name : str, optional
        A published model, such as "efficientnet-lite0", or a model folder. By default the one in the environment
        variable `SEMELHA_MODEL`, or that the user chose (`semelha weights use`), or "efficientnet-lite0".
    out : path, optional
        Copy the model to this folder, which must not exist.

    Raises
    ------
    UsageError
        There is no model of that name, or it was not fetched.
    MissingExtra
        The default model must be made, and torch is not installed.
    PretrainedUnavailable, BackboneError
        The weights of the default model are missing or altered, or do not fit the installed timm.
    ModelError
        The model cannot be loaded, or `out` exists or cannot be written.
    """
    if out is not None:
        check_writable(Path(out), is_folder=True, error=ModelError)
    model = _load(chosen_model() if name is None else name)
    if out is None:
        return model
    copy_folder(model.folder, Path(out))
    return load_embedder(out)


@check_types
def fetch_published(name: str) -> Model:
    """Download the weights of a published model, and make the model, unless it is on this machine.

    Needs the extra `train`.

    Raises
    ------
    UsageError
        No published model has that name.
    MissingExtra
        torch is not installed.
    PretrainedUnavailable, BackboneError
        The weights cannot be downloaded (no network, or a server that does not answer), or do not fit.
    ModelError
        The model cannot be written.
    """
    try:
        return load_embedder(published_folder(name))
    except (ModelIncomplete, ModelAltered):  # not there, or damaged
        return _made(name)


def resolve_model(model: Model | str | os.PathLike[str] | None) -> Model:
    """A model as it is, that of a folder or of a published name, or `pretrained()` for None. Errors as there."""
    if isinstance(model, Model):
        return model
    return pretrained(None if model is None else os.fspath(model))


def _load(name: str) -> Model:
    if name not in PUBLISHED:
        return load_embedder(name)
    if name != DEFAULT and not is_available(name):
        raise UsageError(f"{name} is not on this machine: run semelha weights fetch {name}")
    return fetch_published(name)


def _made(name: str) -> Model:
    """Make the model in the cache, unless another process has just made it."""
    if missing := [each for each in ("torch", "timm", "onnx") if find_spec(each) is None]:
        raise MissingExtra(
            f"the model {name} is not on this machine, and making it needs {missing[0]}: pip install 'semelha[train]', "
            "or take it from another machine by semelha weights export and import"
        )
    logger.warning("making the model %s, once", name)
    with making(name) as folder:
        try:
            return load_embedder(folder)
        except (ModelIncomplete, ModelAltered):
            shutil.rmtree(folder, ignore_errors=True)
        # Before torch is imported, which takes longer than to see that there is no network.
        weights = packaged_file() if name == DEFAULT else hub_file(f"timm/{PUBLISHED[name].backbone}")
        from semelha.deep.published import make_published

        return make_published(name, weights, folder)
