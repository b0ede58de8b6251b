"""Enrollment: embeds pictures as examples, and adds them to the store with warnings about duplicates."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from semelha.embedders import EmbeddedPicture, Model, Progress, Source, embed_pictures
from semelha.errors import FingerprintMismatch, GalleryError, InvalidName, PictureError, UsageError
from semelha.images import Dataset, HashBasis, Skipped, content_hash, encode
from semelha.images.picture import iterate_sources, name_of
from semelha.store import Addition, NewExample, Store
from semelha.text import as_unicode
from semelha.untrusted import checked_name

MAX_PROBLEMS = 10  # names that an error lists
LARGEST = 1e15  # of the numbers of a vector: squared distances in single precision stay finite
TRANSACTION_SIZE = 256  # a transaction is written when it has this many examples, and ends with a class


@dataclass(frozen=True)
class Enrollment:
    """The result of enrolling pictures of a subject.

    Attributes
    ----------
    subject : str
    added : int
        Number of new examples.
    duplicates : tuple of str
        Pictures that are examples of the subject already.
    warnings : tuple of str
        Pictures that could not be decoded; pictures that another subject has too; subjects with a similar name.
    numbers : tuple of int
        Numbers of the new examples.
    duplicate_numbers : tuple of int
        Numbers of the examples that the `duplicates` are.
    """

    subject: str
    added: int
    duplicates: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    numbers: tuple[int, ...] = ()
    duplicate_numbers: tuple[int, ...] = ()


def embed_examples(
    pictures: Source | Iterable[Source],
    model: Model,
    hash_basis: HashBasis,
    keep_pictures: bool,
    skipped: list[Skipped] | None = None,
) -> list[NewExample]:
    """Embed pictures as examples.

    Those that cannot be used are appended to `skipped`. The first raises its `PictureError` if there is no such list,
    or if no picture is left.
    """
    sources = list(iterate_sources(pictures))
    examples, errors = [], []
    for position, one in enumerate(_embedded(sources, model, hash_basis, keep_pictures)):
        if isinstance(one, EmbeddedPicture):
            examples.append(_example(one))
            continue
        errors.append(one)
        if skipped is None:
            raise one
        skipped.append(Skipped(name_of(sources[position], position), str(one)))
    if errors and not examples:
        raise errors[0]
    return examples


def vector_examples(
    model: Model, subject: str, vectors: NDArray[np.float32], sources: Sequence[str], fingerprint: str
) -> list[NewExample]:
    """Examples without pictures, of vectors (n, dim) that were embedded before by the gallery's model.

    Raises `FingerprintMismatch` if another model computed the vectors, and `UsageError` if they are invalid.
    """
    check_fingerprint(model, fingerprint)
    vectors = np.asarray(vectors, np.float32)
    if vectors.shape != (len(sources), model.dim) or not np.isfinite(vectors).all():
        raise UsageError(f"vectors must be ({len(sources)}, {model.dim}) finite numbers, a vector for each of sources")
    if not len(vectors):
        raise UsageError(f"there are no vectors of {subject} to enroll")
    check_vectors(model, vectors, "the vectors")
    pairs = zip(vectors, sources, strict=True)
    return [
        NewExample(vector, content_hash(vector.view(np.uint8)), as_unicode(source), None) for vector, source in pairs
    ]


def check_fingerprint(model: Model, fingerprint: str) -> None:
    """Raise `FingerprintMismatch` if vectors are of another model."""
    if fingerprint != model.fingerprint:
        raise FingerprintMismatch(
            f"these vectors are of the model {fingerprint[:12]}, not of {model.fingerprint[:12]}: "
            "embed the pictures with the gallery's model"
        )


def check_vectors(model: Model, vectors: NDArray[np.float32], what: str) -> None:
    """Raise `UsageError` unless the metric can compare these vectors (n, d) with any others.

    One example that it cannot compare would make every answer of the gallery an error.
    """
    model.metric.check(vectors, what)
    if len(vectors) and (largest := float(np.abs(vectors).max())) > LARGEST:
        raise UsageError(f"{what}: its numbers reach {largest:.1g}, and squares of such numbers overflow")


def add_examples(store: Store, subject: str, examples: Sequence[NewExample]) -> Enrollment:
    """Add examples to a subject, all or none."""
    return enrollment_of(store.add(subject, examples))


def add_dataset(
    store: Store, model: Model, dataset: Dataset, *, keep_pictures: bool, progress: Progress | None
) -> list[Enrollment]:
    """Add every class of a dataset under its label, without the pictures that cannot be decoded.

    All pictures are embedded in one pass. A class is never split over transactions; small classes share one.
    """
    positions: dict[str, list[int]] = {}
    for position, picture in enumerate(dataset):
        positions.setdefault(picture.label, []).append(position)
    names = checked_names(positions)
    ordered = [dataset.pictures[position] for each in positions.values() for position in each]
    embedded = zip(ordered, _embedded(ordered, model, store.hash_basis, keep_pictures), strict=True)
    enrollments: list[Enrollment] = []
    waiting: list[tuple[str, list[NewExample], list[str]]] = []
    done = written = 0
    for label, pairs in groupby(embedded, key=lambda pair: pair[0].label):
        results = [result for _, result in pairs]
        errors = [str(one) for one in results if isinstance(one, PictureError)]
        waiting.append((names[label], [_example(one) for one in results if isinstance(one, EmbeddedPicture)], errors))
        done += len(results)
        if done - written >= TRANSACTION_SIZE or done == len(ordered):
            enrollments += _write_classes(store, waiting)
            waiting, written = [], done
            if progress is not None:
                progress(written, len(ordered))
    return enrollments


def checked_names(labels: Iterable[str]) -> dict[str, str]:
    """The name of each label. Raises a `GalleryError` that lists all labels that cannot be names of subjects."""
    names: dict[str, str] = {}
    problems: list[str] = []
    for label in labels:
        try:
            names[label] = checked_name(label)
        except GalleryError as error:
            problems.append(str(error))
    if problems:
        more = f"; and {len(problems) - MAX_PROBLEMS} more" if len(problems) > MAX_PROBLEMS else ""
        listed = "; ".join(problems[:MAX_PROBLEMS])
        raise InvalidName(f"{len(problems)} classes cannot be enrolled, and nothing was: {listed}{more}")
    return names


def _write_classes(store: Store, classes: Sequence[tuple[str, list[NewExample], list[str]]]) -> list[Enrollment]:
    """Add classes in one transaction: their names, examples and errors."""
    additions = iter(store.add_all([(name, examples) for name, examples, _ in classes if examples]))
    return [
        enrollment_of(next(additions), errors) if examples else Enrollment(name, 0, (), tuple(errors))
        for name, examples, errors in classes
    ]


def _embedded(
    pictures: Source | Iterable[Source], model: Model, hash_basis: HashBasis, keep_pictures: bool
) -> Iterator[EmbeddedPicture | PictureError]:
    """The pictures with their vectors; one whose vector the metric cannot compare is a `PictureError` too."""
    for one in embed_pictures(model, pictures, hashed=hash_basis, keep=encode if keep_pictures else None):
        yield _comparable(one, model) if isinstance(one, EmbeddedPicture) else one


def _comparable(one: EmbeddedPicture, model: Model) -> EmbeddedPicture | PictureError:
    try:
        check_vectors(model, one.vector[None], f"the vector of {one.name}")
    except UsageError as error:
        return PictureError(f"{one.name} cannot be compared by the metric of the model: {error}")
    return one


def _example(one: EmbeddedPicture) -> NewExample:
    return NewExample(one.vector, one.content_hash, one.name, one.kept)


def enrollment_of(addition: Addition, errors: Sequence[str] = ()) -> Enrollment:
    """The result of adding examples, with the errors of pictures that could not be added."""
    similar = [
        f"{addition.subject} is a new subject, although {other} has a similar name" for other in addition.similar_names
    ]
    shared = [f"{source} is an example of {', '.join(owners)} too" for source, owners in addition.elsewhere]
    warnings = (*similar, *shared, *errors)
    added = len(addition.numbers)
    numbers, same = addition.numbers, addition.duplicate_numbers
    return Enrollment(addition.subject, added, addition.duplicates, warnings, numbers, same)
