"""The one road from pictures to vectors: threads decode ahead while the embedder computes."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Container, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from semelha.embedders.extractors import Extractor, FeatureExtractor
from semelha.errors import PictureError, UsageError
from semelha.features import Features, RawPixels
from semelha.images import HashBasis, Progress, ReadPicture, Skipped, Source, read_pictures
from semelha.images.fit import KEPT_SIDE
from semelha.images.picture import iterate_sources, name_of
from semelha.metrics import Euclidean, Metric
from semelha.text import as_unicode
from semelha.tracing import span

NO_VECTOR: NDArray[np.float32] = np.empty(0, np.float32)


@runtime_checkable
class Embedder(Protocol):
    """Turns pictures into vectors of one space."""

    dim: int
    metric: Metric
    fingerprint: str

    def embed(
        self, pictures: Source | Iterable[Source], *, batch_size: int = 64, progress: Progress | None = None
    ) -> NDArray[np.float32]:
        """Embed pictures: (n, dim) float32."""
        ...


class HasExtractor(Protocol):
    """A model: what makes its vectors is its extractor."""

    @property
    def extractor(self) -> Extractor: ...


@dataclass(frozen=True, eq=False)
class EmbeddedPicture:
    """A picture and its vector.

    Attributes
    ----------
    position : int
        Its place in the sequence that was passed.
    name : str
        Its path or the name of the `Picture`; "picture 3" if it has none.
    vector : (dim,) float32
        Empty if its content hash was `known`.
    content_hash : str
        "" unless it was asked for.
    kept : bytes or None
        What `keep` returned.
    """

    position: int
    name: str
    vector: NDArray[np.float32]
    content_hash: str
    kept: bytes | None


def embed_pictures(
    model: HasExtractor | Extractor,
    pictures: Source | Iterable[Source],
    *,
    hashed: bool | HashBasis = False,
    known: Container[str] = (),
    keep: Callable[[Image.Image], bytes] | None = None,
    batch_size: int = 64,
    progress: Progress | None = None,
    threads: int | None = None,
) -> Iterator[EmbeddedPicture | PictureError]:
    """Embed pictures in batches, while threads decode the next ones. Memory does not grow with their number.

    JPEGs are decoded at a part of their size if the model's input is small enough: see `decode`.

    Parameters
    ----------
    model : Model or Extractor
    pictures, hashed
        As for `semelha.images.read_pictures`. Pictures are read as the iteration goes on.
    known : container of str, optional
        Content hashes, if `hashed`, of pictures whose vectors the caller has: they are not embedded, nor kept.
    keep : callable, optional
        Makes a copy to keep from an RGB image of Pillow, such as `semelha.images.encode`; the shorter side of a
        picture that is larger has at least `2 * KEPT_SIDE` pixels then.
    batch_size : int
        Pictures that the embedder computes at a time.
    progress : callable, optional
        Called with (pictures done, pictures in all) after each batch; the latter is 0 if their number is unknown.
    threads : int, optional
        Threads that decode; by default those of the model, or as for `read_pictures`.

    Yields
    ------
    EmbeddedPicture, or PictureError if the picture cannot be used
        In the order of `pictures`.

    Raises
    ------
    UsageError
        `pictures` or an element of it is no picture, or `batch_size` or `threads` is below 1.
    """
    if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
        raise UsageError(f"batch_size is {batch_size!r:.60}: it must be a whole number of 1 or more")
    extractor: Extractor = model.extractor if hasattr(model, "extractor") else model
    at_least = extractor.side
    if keep is not None and at_least is not None:
        at_least = max(at_least, KEPT_SIDE)

    def prepare(image: Image.Image) -> tuple[NDArray[Any], bytes | None]:
        return extractor.prepare(image), None if keep is None else keep(image)

    counts = (0, 0)

    def count(done: int, total: int) -> None:
        nonlocal counts
        counts = done, total

    def embedded() -> Iterator[EmbeddedPicture | PictureError]:
        good = [each for each in batch if isinstance(each, ReadPicture) and each.result is not None]
        with span("embed", attributes={"semelha.pictures": len(good)}):
            computed = extractor.vectors(np.stack([each.result[0] for each in good])) if good else ()
        vectors: Iterator[NDArray[np.float32]] = iter(computed)
        for each in batch:
            if isinstance(each, PictureError):
                yield each
                continue
            vector = NO_VECTOR if each.result is None else next(vectors)
            kept = None if each.result is None else each.result[1]
            yield EmbeddedPicture(each.position, as_unicode(each.name), vector, each.content_hash, kept)

    batch: list[ReadPicture[tuple[NDArray[Any], bytes | None]] | PictureError] = []
    ahead = max(16, batch_size)
    if threads is None:
        threads = getattr(model, "threads", None)
    read = read_pictures(
        pictures, prepare, at_least=at_least, hashed=hashed, known=known, progress=count, threads=threads, ahead=ahead
    )
    with closing(read):
        for result in read:
            batch.append(result)
            if len(batch) == batch_size:
                yield from embedded()
                batch = []
                if progress is not None:
                    progress(*counts)
    if batch:
        yield from embedded()
        if progress is not None:
            progress(*counts)


def embed_all(
    extractor: Extractor,
    pictures: Source | Iterable[Source],
    dim: int,
    *,
    batch_size: int,
    progress: Progress | None,
    skipped: list[Skipped] | None = None,
    threads: int | None = None,
) -> NDArray[np.float32]:
    """Embed pictures: (n, dim) float32.

    Those that cannot be used are appended to `skipped`; without it the first raises its `PictureError`.
    """
    sources: list[Source] = [] if skipped is None else list(iterate_sources(pictures))
    given = pictures if skipped is None else sources
    vectors = []
    results = embed_pictures(extractor, given, batch_size=batch_size, progress=progress, threads=threads)
    for position, each in enumerate(results):
        if isinstance(each, EmbeddedPicture):
            vectors.append(each.vector)
        elif skipped is None:
            raise each
        else:
            skipped.append(Skipped(name_of(sources[position], position), str(each)))
    return np.stack(vectors) if vectors else np.empty((0, dim), np.float32)


def milliseconds_each(model: HasExtractor | Extractor) -> float:
    """Of embedding one picture that is in memory; the median of some."""
    extractor: Extractor = model.extractor if hasattr(model, "extractor") else model
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (300, 300, 3), np.uint8))
    times = []
    for _ in range(7):
        start = time.perf_counter()
        extractor.vectors(extractor.prepare(picture)[None])
        times.append(time.perf_counter() - start)
    return 1000 * float(np.median(times))


class FeatureEmbedder:
    """Embeds pictures with a feature extractor.

    Parameters
    ----------
    features : Features
        Such as `RawPixels()`.
    metric : Metric, optional
        Euclidean by default.
    """

    def __init__(self, features: Features, metric: Metric | None = None) -> None:
        self.features = features
        self.metric: Metric = metric or Euclidean()
        self.dim = features.dim
        space = f"{features!r}/{features.version}/{self.metric.name}/{self.metric.parameters()}"
        arrays = b"".join(np.ascontiguousarray(array).tobytes() for array in self.metric.arrays().values())
        self.fingerprint = hashlib.sha256(space.encode() + arrays).hexdigest()

    def embed(
        self, pictures: Source | Iterable[Source], *, batch_size: int = 64, progress: Progress | None = None
    ) -> NDArray[np.float32]:
        """Embed pictures, as `Model.embed`: (n, dim) float32. Raises `PictureError` or `UsageError`."""
        extractor = FeatureExtractor(self.features)
        return embed_all(extractor, pictures, self.dim, batch_size=batch_size, progress=progress)


def raw_pixels() -> FeatureEmbedder:
    """The baseline for learned models: 32 × 32 grey pixels, compared by Euclidean distance."""
    return FeatureEmbedder(RawPixels())
