"""Models with published weights: which there are, where they are kept, and which one is the default."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from semelha.embedders.folder import copy_folder
from semelha.embedders.model import load_embedder
from semelha.embedders.trial import cache_folder
from semelha.errors import ModelError, UsageError
from semelha.files import write_file

DEFAULT = "efficientnet-lite0"
"""The model that is used unless the user chose another. Its weights come with the extra `train`."""
VARIABLE = "SEMELHA_MODEL"
"""Environment variable with the name or the folder of the model to use."""


@dataclass(frozen=True)
class PublishedModel:
    """A network with published weights.

    Attributes
    ----------
    backbone : str
        Its name in timm, with the tag of the weights.
    size : int
        Side of the input in pixels.
    dim : int
        Dimension of its vectors.
    megabytes : int
        Size of the weights.
    license : str
        Of the weights.
    about : str
        What it is good for, in a few words.
    """

    backbone: str
    size: int
    dim: int
    megabytes: int
    license: str
    about: str


PUBLISHED = {
    DEFAULT: PublishedModel(
        "tf_efficientnet_lite0.in1k", 224, 1280, 18, "Apache-2.0", "fast, needs no download; ImageNet-1k"
    ),
    "mobilenetv4-medium": PublishedModel(
        "mobilenetv4_conv_medium.e500_r256_in1k", 256, 1280, 39, "Apache-2.0", "fast, more accurate; ImageNet-1k"
    ),
    "dinov2-small": PublishedModel(
        "vit_small_patch14_dinov2.lvd142m", 224, 384, 88, "Apache-2.0", "the most accurate here, slower; LVD-142M"
    ),
}
"""The published models by name, from the fastest to the most accurate."""


def published_folder(name: str) -> Path:
    """Where the model of that name is kept, whether or not it is there. Raises `UsageError` for an unknown name."""
    check_published(name)
    return cache_folder() / "pretrained" / name


def check_published(name: str) -> None:
    """Raise `UsageError` unless `name` is that of a published model."""
    if name not in PUBLISHED:
        raise UsageError(f"no published model is called {name!r:.80}: there are {', '.join(PUBLISHED)}")


def is_available(name: str) -> bool:
    """Whether the model of that name is on this machine, ready to be loaded."""
    return (published_folder(name) / "model.json").is_file()


def chosen_model() -> str:
    """Name or folder of the model to use: that in `SEMELHA_MODEL`, the one that the user chose, or the default."""
    if found := os.environ.get(VARIABLE, "").strip():
        return found
    try:
        return _choice().read_text(encoding="utf-8").strip() or DEFAULT
    except FileNotFoundError:
        return DEFAULT
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(f"{_choice()}, which names the model to use, cannot be read: {error}") from error


def choose_model(model: str) -> None:
    """Use this model, a name or a folder, from now on where none is given.

    Raises `UsageError` or `ModelError` if it is not on this machine or cannot be loaded.
    """
    if model not in PUBLISHED:
        load_embedder(model)
        model = os.path.abspath(model)
    elif model != DEFAULT and not is_available(model):
        raise UsageError(f"{model} is not on this machine: run semelha weights fetch {model}, or weights import")
    write_file(_choice(), [model, "\n"], error=ModelError)


def export_published(folder: Path) -> list[str]:
    """Copy every published model that is on this machine to `folder`, for another machine. Returns their names.

    Raises `ModelError` if there is none, or a copy exists or cannot be written.
    """
    names = [name for name in PUBLISHED if is_available(name)]
    if not names:
        raise ModelError("no published model is on this machine: run semelha weights fetch NAME first")
    for name in names:
        copy_folder(published_folder(name), folder / name)
    return names


def import_published(folder: Path) -> list[str]:
    """Take the models that `export_published` copied. Returns the names of those that were not here.

    Each is checked and tried first, as any model of a stranger. Raises `ModelError`.
    """
    found = [name for name in PUBLISHED if (folder / name / "model.json").is_file()]
    if not found:
        raise ModelError(f"{folder} has no published models: it must have folders such as {DEFAULT}")
    new = [name for name in found if not is_available(name)]
    for name in new:
        card = load_embedder(folder / name).card
        if card.training.get("published") != name:
            raise ModelError(f"{folder / name} is another model, {card.name}: export it again")
        copy_folder(folder / name, published_folder(name))
    return new


def _choice() -> Path:
    """The file with the user's choice."""
    place = os.environ.get("XDG_CONFIG_HOME") or os.environ.get("APPDATA") or os.path.expanduser("~/.config")
    return Path(place, "semelha", "model")
