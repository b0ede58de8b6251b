"""What is enrolled in a gallery, and what changes it."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from semelha.embedders import Progress, Source, as_pictures
from semelha.errors import FingerprintMismatch, UsageError
from semelha.gallery.examples import Enrollment, added, added_dataset, new_examples
from semelha.gallery.names import checked
from semelha.gallery.opened import Opened
from semelha.images import Dataset, Picture, content_hash
from semelha.store import Merge, NewExample, Rejection, Subject


class Enrolled(Opened):
    """The subjects of a gallery and their examples: everything of `Gallery` but the questions."""

    def __len__(self) -> int:
        with self._store.reading() as view:
            return view.subject_count()

    def subjects(self) -> list[Subject]:
        """Every subject, by name."""
        with self._store.reading() as view:
            return view.subjects()

    def enroll(self, subject: str, pictures: Source | Sequence[Source]) -> Enrollment:
        """Add pictures to a subject, all or none. They are on the disk when this returns.

        Parameters
        ----------
        subject : str
            A new name or one that is there.
        pictures : picture or sequence of pictures
            Paths, bytes, pixels (h, w[, 3]) uint8 or `Picture`.

        Raises
        ------
        PictureError
            A picture cannot be used; nothing was enrolled.
        GalleryError
            The name cannot be used, or the database cannot be written.
        """
        name = checked(subject)
        if isinstance(pictures, str | bytes | os.PathLike | np.ndarray | Picture):
            pictures = [pictures]
        if not len(pictures):
            raise UsageError(f"there are no pictures of {name} to enroll")
        return added(self._store, name, new_examples(as_pictures(pictures), self.model, self.keep_pictures))

    def enroll_dataset(self, dataset: Dataset, *, progress: Progress | None = None) -> list[Enrollment]:
        """Enroll every class of a data set under its label; each is on the disk before the next is begun.

        A picture that cannot be decoded is left out and named in the warnings of its enrollment.
        """
        return added_dataset(self._store, self.model, dataset, self.keep_pictures, progress)

    def enroll_vectors(
        self, subject: str, vectors: NDArray[np.float32], sources: Sequence[str], *, fingerprint: str
    ) -> Enrollment:
        """Add vectors (n, dim) that the gallery's own model made elsewhere.

        Raises
        ------
        FingerprintMismatch
            They are of another model.
        UsageError
            There are none, or they are no vectors that the model's metric can take.
        """
        if fingerprint != self.model.fingerprint:
            raise FingerprintMismatch(
                f"these vectors are of the model {fingerprint[:12]}, not of {self.model.fingerprint[:12]}: "
                "embed the pictures with the gallery's model"
            )
        vectors = np.asarray(vectors, np.float32)
        if vectors.shape != (len(sources), self.model.dim) or not np.isfinite(vectors).all():
            raise UsageError(f"there must be {len(sources)} vectors of {self.model.dim} finite numbers")
        if not len(vectors):
            raise UsageError(f"there are no vectors of {subject} to enroll")
        self.model.metric.check(vectors, "the vectors")
        pairs = zip(vectors, sources, strict=True)
        examples = [NewExample(v, content_hash(v.view(np.uint8)), s, None) for v, s in pairs]
        return added(self._store, checked(subject), examples)

    def remove(self, subject: str) -> int:
        """Remove a subject with its examples and pictures. Returns how many examples it had."""
        return self._store.remove(subject)

    def rename(self, old: str, new: str) -> None:
        """Give a subject another name. Raises `SubjectNotFound` or `SubjectExists`."""
        self._store.rename(old, checked(new))

    def merge(self, source: str, into: str) -> int:
        """Make two subjects one, called `into`, and return the number by which `undo` parts them again.

        Raises `SubjectNotFound`, or `UsageError` where they are the same.
        """
        return self._store.merge(checked(source), checked(into))

    def undo(self, merge: int) -> str:
        """Part what a merge made one, exactly as it was, and return the name of the subject that is there again.

        Raises `GalleryError` where a later merge must be undone before or there is nothing to undo, and
        `SubjectExists` where another subject has the name.
        """
        return self._store.undo(merge)

    def merges(self) -> list[Merge]:
        """Every merge that can be undone, the first one first."""
        with self._store.reading() as view:
            return view.merges()

    def reject(self, picture: Source, subject: str) -> int:
        """Remember that a picture does not show a subject, and return the number by which that is withdrawn.

        The subject is barred from now on for this picture, and for those nearer to it than to any example of the
        subject. Raises `SubjectNotFound`, and `GalleryError` where the very picture is an example of the subject.
        """
        (new,) = new_examples(as_pictures([picture]), self.model, self.keep_pictures)
        return self._store.reject(checked(subject), new)

    def rejections(self, subject: str) -> list[Rejection]:
        """The pictures that were said not to show a subject. Raises `SubjectNotFound`."""
        with self._store.reading() as view:
            return view.rejections(subject)

    def withdraw(self, rejection: int) -> None:
        """Take back a rejection, by its number. Raises `GalleryError` where there is none."""
        self._store.withdraw(rejection)

    def picture(self, example: int) -> bytes | None:
        """The small copy kept of an example, as a WebP file."""
        with self._store.reading() as view:
            return view.picture(example)
