"""`Gallery`: enrolls subjects from pictures, identifies and verifies new pictures, and decides when one is unknown."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from semelha.arguments import check_types
from semelha.embedders import Model, Progress, Source
from semelha.errors import PictureError, UsageError
from semelha.gallery.accuracy import Accuracy, leave_one_out
from semelha.gallery.calibration.calibrate import calibrate, mismatch_of
from semelha.gallery.calibration.det import DetCurves
from semelha.gallery.compactor import Compactor
from semelha.gallery.curation.reviews import ReviewGroups
from semelha.gallery.enrollment import (
    Enrollment,
    add_dataset,
    add_examples,
    embed_examples,
)
from semelha.gallery.explaining import explained
from semelha.gallery.live_index import LiveIndex
from semelha.gallery.mapping import Maps
from semelha.gallery.places import Creation, create_gallery, open_gallery
from semelha.gallery.probes import Probe, embed_probes, embedded_probes, with_vectors
from semelha.gallery.vectors import GalleryVectors
from semelha.images import Dataset, Skipped, for_use, read_dataset
from semelha.published_models import resolve_model
from semelha.recognition import NEAREST, Calibration, Evidence, Identification, Mismatch, Scoring, Verification
from semelha.recognition.answer import KeptPictures
from semelha.store import Store, StoredExample
from semelha.untrusted import checked_name, normalized_name


class Gallery(GalleryVectors):
    """Enrolled subjects with the model that embeds their pictures, in a folder or on a Milvus server.

    `path` is the folder, or an address such as milvus://host:19530/shop. `Gallery(path)` opens it, `Gallery.create`
    makes an empty one. Use it as a context manager, or call `close`; without that it is closed when nothing refers to
    it. Several threads may share one `Gallery`, and several processes may open the same one.

    `len(gallery)` is the number of subjects, `name in gallery` tests for one, and iteration yields their names in
    order; `subjects()` lists their records. A picture is a path, encoded bytes, a binary file, pixels (h, w[, 3])
    uint8, a PIL image or a `Picture`.

    Raises `GalleryError` or `ModelError` if the folder is no gallery, is damaged or was written by a newer semelha, and
    `UsageError` if `recall` or `threads` is out of range.

    Parameters
    ----------
    recall : float, optional
        Recall@10 that index searches keep on average, in (0, 1]; 1 compares with every example, which takes longer. By
        default that of the index on disk, or else of the gallery. Another value rebuilds the index for everybody.
    threads : int, optional
        Threads that search and merge the index, and that decode and embed pictures; by default one per processor.
    """

    @check_types
    def __init__(
        self, path: str | os.PathLike[str], *, recall: float | None = None, threads: int | None = None
    ) -> None:
        opened = open_gallery(path, recall, threads)
        self.path, self.keep_pictures, self.model = opened.path, opened.keep_pictures, opened.model
        self._store = opened.store
        try:
            self._live = LiveIndex(self._store, self.model, opened.index)
        except BaseException:
            self._store.close()
            raise
        self._compactor = Compactor(self._live, self._store, opened.index)
        self._live.on_work = self._compactor.start
        self._groups, self._maps = ReviewGroups(self.model), Maps(opened.folder, self.model)
        self._det, self._pictures = DetCurves(self.model), KeptPictures(self.picture)
        self._unused = weakref.finalize(self, _close_beside, self._compactor, self._live, self._store)
        self._unused.atexit = False

    @classmethod
    @check_types
    def create(
        cls,
        path: str | os.PathLike[str],
        model: Model | str | os.PathLike[str] | None = None,
        *,
        keep_pictures: bool = True,
        pictures: str | os.PathLike[str] | None = None,
        recall: float | None = None,
        threads: int | None = None,
    ) -> Self:
        """Create an empty gallery with a copy of the model, by default of `semelha.pretrained()`, and open it.

        `keep_pictures` keeps small copies of pictures; on Milvus in `pictures`, a folder or an object store such as
        s3://bucket/shop. `recall` is the default of whoever opens it, 0.99 unless set, and 1 on Milvus; `threads` as
        for `Gallery`. Raises `GalleryError` if `path` exists, and errors of `pretrained` and `Gallery`.
        """
        options = Creation(keep_pictures, None if pictures is None else os.fspath(pictures), recall, threads)
        create_gallery(path, resolve_model(model), options)
        return cls(path, threads=threads)

    @classmethod
    @check_types
    def open(cls, path: str | os.PathLike[str], *, recall: float | None = None, threads: int | None = None) -> Self:
        """Open a gallery: the same as `Gallery(path)`, with the same parameters and errors."""
        return cls(path, recall=recall, threads=threads)

    def close(self) -> None:
        """Close the gallery. A merge of the index in the background is cancelled, and done another time."""
        self._unused.detach()
        _close(self._compactor, self._live, self._store)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Gallery({str(self.path)!r}, model={self.model.fingerprint[:12]!r}, dim={self.model.dim})"

    @check_types
    def enroll(
        self, subject: str, pictures: Source | Iterable[Source], *, skipped: list[Skipped] | None = None
    ) -> Enrollment:
        """Add one or more pictures to a new or existing subject: all or none. They are durable when this returns.

        Pictures that cannot be used are appended to `skipped`. Raises `PictureError` for the first if there is no such
        list or no other picture, `GalleryError` for a name or database that cannot be used, and `UsageError` if
        `pictures` is empty or no picture.
        """
        name = checked_name(subject)
        examples = embed_examples(pictures, self.model, self._store.hash_basis, self.keep_pictures, skipped)
        if not examples:
            raise UsageError(f"pictures is empty: enrolling {name} takes one picture or more")
        return add_examples(self._store, name, examples)

    @check_types
    def enroll_dataset(
        self, dataset: Dataset | str | os.PathLike[str], *, progress: Progress | None = None
    ) -> list[Enrollment]:
        """Enroll every class of a dataset under its label, and return an `Enrollment` for each.

        A path is read by `read_dataset`. Pictures that cannot be decoded are left out, and named in the warnings of
        their class. `progress` is called with (done, total) pictures; those reported as done are durable. Raises
        `DatasetError` if a folder or manifest cannot be read, and `GalleryError` if a label cannot be used as a name or
        the database cannot be written.
        """
        whole = dataset if isinstance(dataset, Dataset) else read_dataset(dataset)
        enrolled = for_use(whole, "enrolling")
        return add_dataset(self._store, self.model, enrolled, keep_pictures=self.keep_pictures, progress=progress)

    @check_types
    def remove(self, subject: str) -> int:
        """Remove a subject with its pictures, and return how many examples it had. Raises `SubjectNotFound`."""
        return self._store.remove(normalized_name(subject))

    def remove_all(self) -> int:
        """Remove every subject with its pictures, and return how many there were."""
        return self._store.remove_all()

    @check_types
    def rename(self, old: str, new: str) -> None:
        """Rename a subject. Raises `SubjectNotFound`, `SubjectExists`, or `GalleryError` for an invalid name."""
        self._store.rename(normalized_name(old), checked_name(new))

    @check_types
    def remove_example(self, example: int) -> str:
        """Remove one example, by its number, and return the name of its subject.

        A subject without examples is removed too. Raises `NumberNotFound` if there is no such example.
        """
        return self._store.remove_example(example)

    @check_types
    def move_example(self, example: int, subject: str) -> int:
        """Move one example, by its number, to another subject, new or existing.

        Returns its number from then on: a picture that both subjects have is kept once. A subject without examples is
        removed. Raises `GalleryError` if there is no such example or the name cannot be used, and `UsageError` if the
        example is of that subject already.
        """
        return self._store.move_example(example, checked_name(subject))

    @check_types
    def merge(self, source: str, into: str) -> int:
        """Merge the subject `source` into `into`, and return the number that `unmerge` takes.

        Raises `SubjectNotFound`, or `UsageError` if both are the same.
        """
        return self._store.merge(normalized_name(source), checked_name(into))

    @check_types
    def unmerge(self, merge: int) -> str:
        """Undo a merge, by its number, and return the name of the subject that exists again.

        Raises `GalleryError` if there is none or a later one must be undone first, and `SubjectExists`.
        """
        return self._store.unmerge(merge)

    @check_types
    def reject(self, picture: Source, subject: str) -> int:
        """Record that a picture does not show a subject, and return the number that `withdraw_rejection` takes.

        The subject is excluded from the answers for this picture, and for pictures nearer to it than to any example of
        the subject. Raises `SubjectNotFound`, `PictureError`, or `GalleryError` if the picture is an example of it.
        """
        (new,) = embed_examples([picture], self.model, self._store.hash_basis, self.keep_pictures)
        return self._store.reject(normalized_name(subject), new)

    @check_types
    def withdraw_rejection(self, rejection: int) -> None:
        """Withdraw a rejection, by its number. Raises `GalleryError` if there is no such rejection."""
        self._store.withdraw_rejection(rejection)

    @check_types
    def identify(self, picture: Source, *, k: int = 5) -> Identification:
        """Name the subject that a picture shows, or report that it is unknown; list the k nearest candidates.

        Raises `PictureError` if the picture cannot be used, and `UsageError` if `k` is below 1.
        """
        return self.identify_many([picture], k=k)[0]

    @check_types
    def identify_many(
        self,
        pictures: Source | Iterable[Source],
        *,
        k: int = 5,
        progress: Progress | None = None,
        skipped: list[Skipped] | None = None,
    ) -> list[Identification]:
        """Identify many pictures at once, with k candidates each. `progress` is called with (done, total) pictures.

        Pictures that cannot be decoded are appended to `skipped`, and the answers are those of the others, in order;
        without this list the first such picture raises `PictureError`. Raises `UsageError` if `k` is below 1.
        """
        with self._store.reading() as view:
            basis = view.hash_basis if view.has_rejections() or view.plan() is not None else None
        probes = embed_probes(self.model, pictures, hash_basis=basis, strict=skipped is None, progress=progress)
        if skipped is not None:
            skipped += probes.skipped
        with self._live.read() as state:
            found = state.identify(probes.vectors, k, probes.hashes)
        return [replace(one, pictures=self._pictures) for one in found]

    @check_types
    def identify_vectors(self, vectors: NDArray[np.float32], *, k: int = 5) -> list[Identification]:
        """Identify vectors (n, dim) of the gallery's model. Raises `UsageError` if `k` is below 1."""
        with self._live.read() as state:
            return state.identify(vectors, k)

    def embed_probes(self, pictures: Iterable[Source]) -> list[Probe | PictureError]:
        """Embed pictures once, for `identify_probes` and `verify_probe`: a `Probe` for each, or its `PictureError`."""
        return embedded_probes(self.model, pictures, self._store.hash_basis)

    @check_types
    def identify_probes(self, probes: Sequence[Probe], *, k: int = 5) -> list[Identification]:
        """Identify pictures that are embedded, as `identify_many` does. Raises `UsageError` if `k` is below 1."""
        joined = with_vectors(probes, self.model)
        with self._live.read() as state:
            return state.identify(joined.vectors, k, joined.hashes)

    @check_types
    def verify_probe(self, probe: Probe, other: Probe | str | StoredExample) -> Verification:
        """As `verify`, or `verify_subject` for a name or one example. Raises `SubjectNotFound` or `NumberNotFound`."""
        joined = with_vectors([probe, *([other] if isinstance(other, Probe) else [])], self.model)
        with self._live.read() as state:
            if isinstance(other, StoredExample):
                return state.verify_example(joined, other.number)
            if isinstance(other, str):
                return state.verify_subject(joined, normalized_name(other))
            return state.verify(joined.vectors[0], joined.vectors[1:], None)

    @check_types
    def explain(self, picture: Source, *, k: int = 3) -> Evidence:
        """Identify a picture and show what the answer rests on: up to k matched examples, the runner-up, a heat map.

        The heat map takes as long as embedding a hundred pictures. Raises `PictureError`, or `UsageError` if k < 1.
        """
        return explained(self._live, self.model, picture, k)

    @check_types
    def verify(self, picture: Source, other: Source) -> Verification:
        """Decide whether two pictures show the same subject. Raises `PictureError`.

        The false match rate is lower than the calibrated rate, which is that of a search of the whole gallery.
        """
        vectors = embed_probes(self.model, [picture, other]).vectors
        with self._live.read() as state:
            return state.verify(vectors[0], vectors[1:], None)

    @check_types
    def verify_subject(self, picture: Source, subject: str) -> Verification:
        """Decide whether a picture shows a subject, as `verify` does. Raises `SubjectNotFound` or `PictureError`."""
        probe = embed_probes(self.model, [picture], hash_basis=self._store.hash_basis)
        with self._live.read() as state:
            return state.verify_subject(probe, normalized_name(subject))

    @check_types
    def calibrate(
        self,
        *,
        fpir: float,
        strangers: Dataset | Sequence[Source] | None = None,
        uncertain: float | None = None,
        scoring: Scoring | None = NEAREST,
        confirmed: Dataset | None = None,
        seed: int = 0,
    ) -> Calibration:
        """Let the gallery answer "unknown": of strangers at most a share `fpir`, in (0, 1), is named as a subject.

        The rule follows every change of the gallery, with some `scoring` in the background. Raises `CalibrationError`
        if there are too few strangers or subjects for the rate, and `UsageError` if a rate or the seed is out of range.

        Parameters
        ----------
        strangers : Dataset or sequence of pictures, optional
            Pictures of things that are not enrolled; one picture of each class of a dataset is drawn. Without them
            every enrolled subject, left out in turn, serves as a stranger.
        uncertain : float, optional
            A second rate, above `fpir`: an answer that passes it, but not `fpir`, is "uncertain".
        scoring : Scoring or None
            How the distances to a subject's examples become a score. None chooses one by the gallery's own examples
            (`recognition.choose_scoring`); without strangers on at most half of the subjects, and the others calibrate.
        confirmed : Dataset, optional
            New pictures of enrolled subjects, labelled with their names and taken as probes are. Each serves as a
            stranger to all other subjects. May be combined with `strangers`.
        """
        return calibrate(self._store, self._live, self.model, fpir, strangers, uncertain, scoring, confirmed, seed)

    @check_types
    def mismatch(self, probes: Dataset, *, seed: int = 0) -> Mismatch:
        """Test whether labelled pictures, of subjects or of strangers, are distributed as the calibration assumes.

        Raises `CalibrationError` if the gallery is not calibrated, and `UsageError` if no picture can serve.
        """
        return mismatch_of(self._live, self._store, self.model, probes, seed)

    @property
    def calibration(self) -> Calibration | None:
        """The rule in force; None if `calibrate` was never called, or too few subjects are left for its rate."""
        with self._live.read() as state:
            return state.calibration_with_neighbors() if state.rule else None

    @check_types
    def evaluate(self, *, max_probes: int = 2000, seed: int = 0) -> Accuracy:
        """Measure how often enrolled examples, each left out in turn, are nearest to their own subject.

        At most `max_probes` examples are drawn. Pictures of one burst make the figure too good: `semelha.evaluate`
        measures a model on pictures that are not enrolled. Raises `UsageError` if an argument is out of range.
        """
        with self._live.read(with_rule=False) as state:
            return leave_one_out(state, max_probes=max_probes, seed=seed)

    @check_types
    def flush(self, *, rebuild: bool = False) -> None:
        """Merge the index and save it to disk now, so that the gallery opens at once the next time.

        This happens in the background while the gallery is open; call `flush` at the end of a program that enrolled
        much. With `rebuild` the index is built anew from the vectors, in one segment. Raises `IndexFileError` if the
        index cannot be written, and `GalleryError` if the database cannot be read or the gallery is closed during it.
        """
        self._compactor.flush(rebuild=rebuild)

    def index_stats(self) -> dict[str, object]:
        """Return the statistics of `AutoIndex.stats`, the target recall, and the change that is saved on disk."""
        with self._live.read(with_rule=False) as state:
            return {**self._live.stats(), "change": state.view.change}


def _close(compactor: Compactor, live: LiveIndex, store: Store) -> None:
    compactor.close()
    live.save_scores()
    store.close()


def _close_beside(compactor: Compactor, live: LiveIndex, store: Store) -> None:
    """Close in a thread: whoever drops the last reference does not wait for it."""
    threading.Thread(target=_close, args=(compactor, live, store), name="semelha-close", daemon=True).start()
