"""From pictures to examples that a store can keep, and to strangers that a calibration can use."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semelha.embedders import Model, Progress, Source, as_pictures
from semelha.errors import FingerprintMismatch, PictureError, UsageError
from semelha.gallery.names import checked_name
from semelha.images import Dataset, Picture, content_hash, encode, read_all
from semelha.store import Addition, NewExample, Store, View

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Enrollment:
    """What an enrollment did.

    Attributes
    ----------
    subject : str
    added : int
        New examples.
    duplicates : tuple of str
        Pictures that the subject had already.
    warnings : tuple of str
        Such as a picture that another subject has too.
    """

    subject: str
    added: int
    duplicates: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def embed_examples(
    pictures: Sequence[Picture],
    model: Model,
    keep_pictures: bool,
    *,
    left_out: list[str] | None = None,
) -> list[NewExample]:
    """Decode, embed and re-encode. Bad pictures raise, or are left out where a list for their errors is given."""

    def read(picture: Picture) -> tuple[NDArray[Any], str, bytes | None]:
        pixels = picture.pixels()
        kept = encode(pixels) if keep_pictures else None
        return model.prepare(pixels), content_hash(pixels), kept

    blocks, rest = [], []
    for picture, result in zip(pictures, read_all(pictures, read), strict=True):
        if isinstance(result, PictureError):
            if left_out is None:
                raise result
            left_out.append(str(result))
        else:
            blocks.append(result[0])
            rest.append((result[1], picture.name, result[2]))
    if not blocks:
        return []
    vectors = model.embed_prepared(np.stack(blocks))
    return [NewExample(vector, *one) for vector, one in zip(vectors, rest, strict=True)]


def vector_examples(
    model: Model, subject: str, vectors: NDArray[np.float32], sources: Sequence[str], fingerprint: str
) -> list[NewExample]:
    """Examples of vectors that a model computed elsewhere. Raises `FingerprintMismatch` or `UsageError`."""
    if fingerprint != model.fingerprint:
        raise FingerprintMismatch(
            f"these vectors are of the model {fingerprint[:12]}, not of {model.fingerprint[:12]}: "
            "embed the pictures with the gallery's model"
        )
    vectors = np.asarray(vectors, np.float32)
    if vectors.shape != (len(sources), model.dim) or not np.isfinite(vectors).all():
        raise UsageError(f"there must be {len(sources)} vectors of {model.dim} finite numbers")
    if not len(vectors):
        raise UsageError(f"there are no vectors of {subject} to enroll")
    model.metric.check(vectors, "the vectors")
    pairs = zip(vectors, sources, strict=True)
    return [NewExample(vector, content_hash(vector.view(np.uint8)), source, None) for vector, source in pairs]


def add_examples(store: Store, name: str, examples: Sequence[NewExample]) -> Enrollment:
    """Add examples to a subject, all or none, with warnings about what its owner should check."""
    return _enrollment(store.add(name, examples))


def add_dataset(
    store: Store, model: Model, dataset: Dataset, keep_pictures: bool, progress: Progress | None
) -> list[Enrollment]:
    """Add every class of a data set under its label, without the pictures that cannot be decoded."""
    done, enrollments = 0, []
    by_label: dict[str, list[Picture]] = {}
    for picture in dataset:
        by_label.setdefault(picture.label, []).append(picture)
    for label, pictures in by_label.items():
        warnings: list[str] = []
        examples = embed_examples(pictures, model, keep_pictures, left_out=warnings)
        if examples:
            found = add_examples(store, checked_name(label), examples)
            warnings = [*found.warnings, *warnings]
            enrollments.append(Enrollment(found.subject, found.added, found.duplicates, tuple(warnings)))
        else:
            enrollments.append(Enrollment(label, 0, (), tuple(warnings)))
        done += len(pictures)
        if progress is not None:
            progress(done, len(dataset))
    return enrollments


def _enrollment(addition: Addition, skipped: Sequence[str] = ()) -> Enrollment:
    similar = [f"{addition.subject} is another subject than {other}" for other in addition.similar_names]
    shared = [f"{source} is an example of {', '.join(owners)} too" for source, owners in addition.elsewhere]
    return Enrollment(addition.subject, len(addition.numbers), addition.duplicates, (*similar, *shared, *skipped))


def draw_strangers(strangers: Dataset | Sequence[Source], view: View, model: Model, seed: int) -> list[Picture]:
    """One picture of each stranger, without those enrolled or trained on; without labels each picture is a stranger."""
    trained = set(model.card.content_hashes)
    pictures = list(strangers) if isinstance(strangers, Dataset) else as_pictures(strangers)
    classes = set(model.card.classes) if isinstance(strangers, Dataset) else set()

    def unseen_in_training(picture: Picture) -> bool:
        if picture.label in classes or (isinstance(strangers, Dataset) and view.has_subject(picture.label)):
            return False
        content = content_hash(picture.pixels())
        return content not in trained and not view.subjects_with(content)

    chosen: dict[str, Picture] = {}
    for i in np.random.default_rng(seed).permutation(len(pictures)):
        stranger = pictures[i].label or f"#{i}"
        if stranger not in chosen and unseen_in_training(pictures[i]):
            chosen[stranger] = pictures[i]
    left_out = len({picture.label or f"#{i}" for i, picture in enumerate(pictures)}) - len(chosen)
    if left_out:
        logger.warning("%d strangers are enrolled, or the model was trained on them: left out", left_out)
    return list(chosen.values())


def draw_nonmated_probes(
    strangers: Dataset | Sequence[Source] | None, confirmed: Dataset | None, view: View, model: Model, seed: int
) -> tuple[list[Picture], list[int]]:
    """What stands in for strangers: one picture of each stranger and of each subject, and the subject's number or 0."""
    unknown = [] if strangers is None else draw_strangers(strangers, view, model, seed)
    known, subjects = ([], []) if confirmed is None else draw_known_probes(confirmed, view, model, seed)
    return [*unknown, *known], [0] * len(unknown) + subjects


def draw_known_probes(
    dataset: Dataset, view: View, model: Model, seed: int, *, strangers: bool = False
) -> tuple[list[Picture], list[int]]:
    """One picture of each class that is enrolled, itself neither enrolled nor trained on, and its subject's number.

    With `strangers` also of each class that is not enrolled, with the number 0.
    """
    trained, classes = set(model.card.content_hashes), set(model.card.classes)
    chosen: dict[str, tuple[Picture, int]] = {}
    for i in np.random.default_rng(seed).permutation(len(dataset)):
        picture = dataset.pictures[i]
        number = view.number_of(picture.label)
        if picture.label in chosen or picture.label in classes or (number is None and not strangers):
            continue
        content = content_hash(picture.pixels())
        if content not in trained and not view.subjects_with(content):
            chosen[picture.label] = (picture, number or 0)
    left_out = len(dataset.classes) - len(chosen)
    if left_out:
        logger.warning("%d classes have no picture that can serve: left out", left_out)
    return [picture for picture, _ in chosen.values()], [number for _, number in chosen.values()]
