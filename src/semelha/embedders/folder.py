"""Read and write model folders: `model.json`, `weights.safetensors`, `embedder.onnx` of a network, and `parts/`."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load, save

from semelha.embedders.card import FORMAT, Card
from semelha.errors import ModelAltered, ModelError, ModelIncomplete, ModelTooNew
from semelha.files import atomic_folder
from semelha.untrusted import field_of, parse_json, read_bytes

CARD, GRAPH, WEIGHTS, PARTS = "model.json", "embedder.onnx", "weights.safetensors", "parts"
INSIDE = re.compile(rf"({PARTS}/[0-9]+/)*({re.escape(CARD)}|{re.escape(GRAPH)}|{re.escape(WEIGHTS)})")
"""Names that files of a model folder may have."""
MAX_BYTES = 1 << 36  # of a file: the weights of the largest networks have a tenth of it


def write_folder(
    folder: Path,
    *,
    card: Card,
    onnx: bytes | None,
    weights: Mapping[str, NDArray[Any]],
    parts: Sequence[Path] = (),
) -> Card:
    """Write a model folder atomically, with copies of the folders `parts`. Returns its card as written.

    Raises `ModelError` if `folder` exists or cannot be written, or one of `parts` is not what its card says.
    """
    contents = {WEIGHTS: save({name: np.ascontiguousarray(array) for name, array in weights.items()})}
    if onnx is not None:
        contents[GRAPH] = onnx
    for number, part in enumerate(parts):
        contents |= {f"{PARTS}/{number}/{name}": data for name, data in whole_folder(part).items()}
    sealed = card.with_checksums({name: hashlib.sha256(data).hexdigest() for name, data in contents.items()})
    contents[CARD] = sealed.text().encode()
    write_whole(contents, folder)
    return sealed


def copy_folder(source: Path, folder: Path) -> Card:
    """Check and copy a model folder atomically; it is synced to disk. Returns its card.

    Raises `ModelError` if `source` is not what its card says, or `folder` exists or cannot be written.
    """
    contents = whole_folder(source)
    write_whole(contents, folder)
    return read_card(folder)


def write_whole(contents: Mapping[str, bytes], folder: Path) -> None:
    """Create a model folder of these files, complete or not at all. Raises `ModelError`."""
    with atomic_folder(folder, error=ModelError) as partial:
        for name, data in contents.items():
            (partial / name).parent.mkdir(parents=True, exist_ok=True)
            (partial / name).write_bytes(data)


def read_card(folder: Path) -> Card:
    """The card of a model folder, checked. Raises `ModelIncomplete`, `ModelAltered` or `ModelTooNew`."""
    content = parse_json(_read(folder, CARD), str(folder / CARD), error=ModelAltered)
    version = field_of(content, "format", int, str(folder / CARD), error=ModelAltered)
    if version > FORMAT:
        raise ModelTooNew(f"{folder} has the model format {version}, this semelha reads up to {FORMAT}: update semelha")
    try:
        card = Card.model_validate(content)
    except ValidationError as error:
        problem = error.errors()[0]
        what = [".".join(map(str, problem["loc"]))[:80], problem["msg"].removeprefix("Value error, ")]
        raise ModelAltered(f"{folder / CARD} is damaged: {': '.join(filter(None, what))}") from error
    if stray := next((name for name in card.files if not INSIDE.fullmatch(name)), None):
        raise ModelAltered(f"{folder / CARD} is damaged: no model has a file {stray[:80]}")
    if card.content_checksum() != card.checksum:
        raise ModelAltered(f"{folder / CARD} was altered: its checksum is another")
    if card.with_checksums(card.files).fingerprint != card.fingerprint:
        raise ModelAltered(f"{folder / CARD} was altered: its fingerprint is of another vector space")
    return card


def read_file(folder: Path, name: str, card: Card) -> bytes:
    """A file of the folder, checked against the card. Raises `ModelIncomplete` or `ModelAltered`."""
    data = _read(folder, name)
    if hashlib.sha256(data).hexdigest() != card.files.get(name):
        raise ModelAltered(f"{folder / name} is not the file that was written with this model: copy the folder again")
    return data


def read_tensors(data: bytes, path: Path) -> dict[str, NDArray[Any]]:
    """The tensors of a safetensors file that was read. Raises `ModelAltered`."""
    try:
        tensors: dict[str, NDArray[Any]] = load(data)
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise ModelAltered(f"{path} contains no weights that can be read: {error}") from error
    return tensors


def whole_folder(folder: Path) -> dict[str, bytes]:
    """Every file of a model folder by its name, checked. Raises `ModelError`."""
    card = read_card(folder)
    return {CARD: _read(folder, CARD), **{name: read_file(folder, name, card) for name in card.files}}


def _read(folder: Path, name: str) -> bytes:
    try:
        return read_bytes(folder / name, max_bytes=MAX_BYTES, error=ModelError)
    except FileNotFoundError as error:
        what = f"{folder} is no model: it has no {name}" if folder.is_dir() else f"there is no model folder {folder}"
        raise ModelIncomplete(what) from error
