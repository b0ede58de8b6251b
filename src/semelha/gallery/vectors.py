"""`GalleryVectors`: enrolls vectors that were computed elsewhere. A base of `Gallery`."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from semelha.arguments import check_types
from semelha.bulk import VectorBatch, VectorFile
from semelha.embedders import Model, Progress
from semelha.errors import DatasetError
from semelha.gallery.curating import GalleryCuration
from semelha.gallery.enrollment import (
    Enrollment,
    add_examples,
    check_fingerprint,
    check_vectors,
    checked_names,
    vector_examples,
)
from semelha.images import content_hash
from semelha.store import NewExample, Store
from semelha.text import as_unicode
from semelha.untrusted import checked_name

TRANSACTION_SIZE = 4096  # examples after which a transaction ends with a subject
LARGEST_TRANSACTION = 1 << 16  # examples after which it ends within one
HASH = re.compile("(jpeg:[0-9a-f]{32}|[0-9a-f]{64})")


@dataclass(frozen=True)
class EnrolledVectors:
    """The result of enrolling a file of vectors.

    Attributes
    ----------
    subjects : int
        Subjects that the file names.
    added : int
        Number of new examples.
    duplicates : int
        Rows whose picture is an example of the subject already.
    unlabelled : int
        Rows without a label, which are left out.
    """

    subjects: int
    added: int
    duplicates: int
    unlabelled: int


class GalleryVectors(GalleryCuration):
    """Enrolls vectors."""

    @check_types
    def enroll_vectors(
        self, subject: str, vectors: NDArray[np.float32], sources: Sequence[str], *, fingerprint: str
    ) -> Enrollment:
        """Add vectors (n, dim) that the gallery's model computed elsewhere, from pictures named by n `sources`.

        Raises `FingerprintMismatch` if `fingerprint` is that of another model, `UsageError` if there are no vectors or
        the model's metric cannot take them, and `GalleryError` if the name cannot be used.
        """
        examples = vector_examples(self.model, subject, vectors, sources, fingerprint)
        return add_examples(self._store, checked_name(subject), examples)

    @check_types
    def enroll_vector_file(
        self, path: str | os.PathLike[str], *, fingerprint: str | None = None, progress: Progress | None = None
    ) -> EnrolledVectors:
        """Add the vectors of a Parquet file, such as `semelha.embed_files` writes, under their labels.

        Its columns are `name`, `vector`, `label` or `subject`, and optionally `content_hash`; `fingerprint` names their
        model if the file does not. The whole file is checked first. Then each transaction adds some thousand rows, and
        ends with a subject if the rows of a subject follow one another; what `progress`, called with (done, total)
        rows, reports is durable. After an interruption the same call adds the rest.

        Raises `DatasetError` if the file cannot be used, `FingerprintMismatch` if its vectors are of another model,
        `UsageError` if the model's metric cannot take them, `InvalidName` if a label cannot be a name, and
        `MissingExtra` if pyarrow is not installed.
        """
        return add_vector_file(self._store, self.model, path, fingerprint, progress)


def add_vector_file(
    store: Store, model: Model, path: str | os.PathLike[str], fingerprint: str | None, progress: Progress | None
) -> EnrolledVectors:
    """Check a file of vectors, and add its rows under their labels."""
    with VectorFile(path, dim=model.dim, fingerprint=fingerprint) as file:
        check_fingerprint(model, file.fingerprint)
        names = checked_names(_checked_labels(file, model))
        if not names:
            raise DatasetError(f"no row of {as_unicode(str(path))} has a label: they name the subjects")
        added = duplicates = labelled = 0
        for done, block in _blocks(file, names, is_encoded=store.hash_basis == "encoded"):
            for addition in store.add_all([*block.items()], action="enroll_vector_file"):
                added += len(addition.numbers)
                duplicates += len(addition.duplicates)
            labelled += sum(map(len, block.values()))
            if progress is not None:
                progress(done, file.rows)
        return EnrolledVectors(len({*names.values()}), added, duplicates, file.rows - labelled)


def _checked_labels(file: VectorFile, model: Model) -> dict[str, None]:
    """The labels of a file, in order, after a look at every row. Raises `DatasetError` or `UsageError`."""
    labels: dict[str, None] = {}
    for batch in file.batches():
        labels.update(dict.fromkeys(filter(None, batch.labels)))
        for row, each in enumerate(batch.hashes or ()):
            if not HASH.fullmatch(each):
                raise DatasetError(f"row {batch.first + row + 1:,} of {file.path} has the content hash {each!r:.80}")
        check_vectors(model, batch.vectors, f"the vectors after row {batch.first:,} of {file.path}")
    return labels


def _blocks(
    file: VectorFile, names: dict[str, str], *, is_encoded: bool
) -> Iterator[tuple[int, dict[str, list[NewExample]]]]:
    """Rows that were read, and the examples by subject, of each transaction."""
    block: dict[str, list[NewExample]] = {}
    count, last = 0, None
    for batch in file.batches():
        for row, label in enumerate(batch.labels):
            if count >= (TRANSACTION_SIZE if label != last else LARGEST_TRANSACTION):
                yield batch.first + row, block
                block, count = {}, 0
            last = label
            if label:
                block.setdefault(names[label], []).append(_example(batch, row, is_encoded))
                count += 1
    yield file.rows, block


def _example(batch: VectorBatch, row: int, is_encoded: bool) -> NewExample:
    """The example of a row. Without a content hash that the gallery can compare, its vector is hashed."""
    vector = batch.vectors[row]
    known = "" if batch.hashes is None else batch.hashes[row]
    if not known or (known.startswith("jpeg:") and not is_encoded):
        known = content_hash(vector.view(np.uint8))
    return NewExample(vector, known, batch.names[row], None)
