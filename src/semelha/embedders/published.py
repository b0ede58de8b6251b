"""Models with published weights: which there are, where they are kept, and which one is the default."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from semelha.embedders.folder import CARD, GRAPH, copy_folder, read_card, whole_folder, write_whole
from semelha.embedders.model import load_embedder
from semelha.embedders.trial import cache_folder, check_graph
from semelha.errors import ModelError, UsageError
from semelha.files import file_lock, make_folder, write_file

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
        "mobilenetv4_conv_medium.e500_r256_in1k",
        256,
        1280,
        39,
        "Apache-2.0",
        "fast; ImageNet-1k",
    ),
    "dinov2-small": PublishedModel(
        "vit_small_patch14_dinov2.lvd142m",
        224,
        384,
        88,
        "Apache-2.0",
        "slower; LVD-142M, without labels",
    ),
}
"""The published models by name, from the fastest to the slowest."""


def published_folder(name: str) -> Path:
    """Where the model of that name is kept, whether or not it is there. Raises `UsageError` for an unknown name."""
    check_published(name)
    return cache_folder() / "pretrained" / name


def check_published(name: str) -> None:
    """Raise `UsageError` unless `name` is that of a published model."""
    if name not in PUBLISHED:
        raise UsageError(f"no published model is called {name!r:.80}: there are {', '.join(PUBLISHED)}")


def is_available(name: str) -> bool:
    """Whether the model of that name is on this machine. Raises `ModelError` if that cannot be seen."""
    return _has_model(published_folder(name))


def _has_model(folder: Path) -> bool:
    try:
        return (folder / CARD).is_file()
    except OSError as error:  # of another user
        raise ModelError(f"{folder} cannot be read: {error.strerror}") from error


@contextmanager
def making(name: str) -> Iterator[Path]:
    """The folder of the model of that name, for one process at a time. Raises `ModelError`."""
    folder = published_folder(name)
    try:
        make_folder(folder.parent)
    except OSError as error:
        raise ModelError(
            f"{folder.parent} cannot be made ({error.strerror}): set SEMELHA_CACHE to another folder"
        ) from error
    with file_lock(folder.parent / f".{name}.lock", wait=True, error=ModelError):
        yield folder


def chosen_model() -> str:
    """Name or folder of the model to use: that in `SEMELHA_MODEL`, the one that the user chose, or the default."""
    if found := os.environ.get(VARIABLE):
        return found
    try:
        return os.fsdecode(_choice().read_bytes().removesuffix(b"\n")) or DEFAULT
    except FileNotFoundError:
        return DEFAULT
    except OSError as error:
        raise ModelError(f"{_choice()}, which names the model to use, cannot be read: {error.strerror}") from error


def choose_model(model: str) -> None:
    """Use this model, a name or a folder, from now on where none is given.

    Raises `UsageError` or `ModelError` if it is not on this machine or cannot be loaded.
    """
    if model not in PUBLISHED:
        load_embedder(model)
        model = os.path.abspath(model)
    elif model != DEFAULT and not is_available(model):
        raise UsageError(f"{model} is not on this machine: run semelha weights fetch {model}, or weights import")
    write_file(_choice(), [os.fsencode(model), b"\n"], error=ModelError)


def export_published(folder: Path) -> list[str]:
    """Copy the published models of this machine to `folder`, for another machine. Returns the names of new copies.

    Raises `ModelError` if there is none, or `folder` has another model in the place of one or cannot be written.
    """
    names = [name for name in PUBLISHED if is_available(name)]
    if not names:
        raise ModelError("no published model is on this machine: run semelha weights fetch NAME first")
    new = [name for name in names if not _has_model(folder / name)]
    for name in set(names) - set(new):
        if read_card(folder / name).fingerprint != read_card(published_folder(name)).fingerprint:
            raise ModelError(f"{folder / name} is another model: choose another folder, or remove it")
    for name in new:
        copy_folder(published_folder(name), folder / name)
    return new


def import_published(folder: Path) -> list[str]:
    """Take the models that `export_published` copied. Returns the names of those that were not here.

    Each is checked and tried first, as any model of a stranger. Raises `ModelError`.
    """
    found = [name for name in PUBLISHED if _has_model(folder / name)]
    if not found:
        raise ModelError(f"{folder} has no published models: it must have folders such as {DEFAULT}")
    return [name for name in found if _import(folder / name, name)]


def _import(source: Path, name: str) -> bool:
    """Take one model, unless it is here."""
    with making(name) as place:
        if _has_model(place):
            return False
        contents = whole_folder(source)
        card = read_card(source)
        if card.training.get("published") != name:
            raise ModelError(f"{source} is another model, {card.name}: export it again")
        check_graph(contents.get(GRAPH, b""), card, str(source))
        write_whole(contents, place)
        return True


def _choice() -> Path:
    """The file with the user's choice."""
    place = os.environ.get("XDG_CONFIG_HOME") or os.environ.get("APPDATA") or os.path.expanduser("~/.config")
    return Path(place, "semelha", "model")
