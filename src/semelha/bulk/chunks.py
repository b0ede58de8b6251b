"""Embeds the pictures of a chunk to an Arrow table: what runs in this process, and in each actor of Ray."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from contextlib import closing
from itertools import chain, islice
from typing import Any

import numpy as np

from semelha.bulk.places import with_content
from semelha.bulk.vector_file import vector_schema
from semelha.embedders import EmbeddedPicture, Model, Progress, embed_pictures
from semelha.errors import PictureError
from semelha.images import Picture
from semelha.text import as_unicode

LEAST = 256  # pictures of a chunk


def chunks_of(pictures: Sequence[Picture], batch_size: int) -> list[Sequence[Picture]]:
    """Chunks of whole batches, so that the pictures of a batch do not depend on who embeds the chunk."""
    size = batch_size * -(-LEAST // batch_size)
    return [pictures[start : start + size] for start in range(0, len(pictures), size)]


def embedded_tables(
    model: Model,
    chunks: Sequence[Sequence[Picture]],
    *,
    known: Container[str],
    batch_size: int,
    progress: Progress | None = None,
) -> Iterator[Any]:
    """Embed chunks, and yield a table for each: `name`, `label`, `content_hash`, `vector`, `reason`.

    A picture whose content hash is `known` has no vector, and one that cannot be used has a reason in place of it.
    """
    pictures = with_content(chain.from_iterable(chunks))
    embedded = embed_pictures(
        model, pictures, hashed=True, known=known, batch_size=batch_size, progress=progress, threads=model.threads
    )
    with closing(embedded):  # type: ignore[type-var]
        for chunk in chunks:
            yield _table(chunk, list(islice(embedded, len(chunk))), model)
        next(embedded, None)  # reports the last progress


def _table(chunk: Sequence[Picture], results: Sequence[EmbeddedPicture | PictureError], model: Model) -> Any:
    import pyarrow as pa

    hashes: list[str | None] = []
    vectors: list[Any] = []
    reasons: list[str | None] = []
    for picture, result in zip(chunk, results, strict=True):
        reason = _problem(picture, result)
        if isinstance(result, PictureError) or reason is not None:
            hashes.append(None)
            vectors.append(None)
        else:
            hashes.append(result.content_hash)
            vectors.append(result.vector if len(result.vector) else None)
        reasons.append(reason)
    return pa.table(
        {
            "name": pa.array([as_unicode(picture.name) for picture in chunk], pa.string()),
            "label": pa.array([picture.label or None for picture in chunk], pa.string()),
            "content_hash": pa.array(hashes, pa.string()),
            "vector": pa.array(vectors, vector_schema(model.dim, model.fingerprint).field("vector").type),
            "reason": pa.array(reasons, pa.string()),
        }
    )


def _problem(picture: Picture, result: EmbeddedPicture | PictureError) -> str | None:
    """Why a picture has no vector; None if it has one."""
    if isinstance(result, PictureError):
        return as_unicode(str(result))
    if not np.isfinite(result.vector).all():
        return as_unicode(f"the vector of {picture.name} has numbers that are not finite")
    return None
