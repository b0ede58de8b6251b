"""A gallery: what is known, and the questions that can be asked of it."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from semelha.embedders import Model, Progress, Source, as_pictures, load_embedder
from semelha.errors import FingerprintMismatch, SubjectNotFound, UsageError
from semelha.gallery.calibrating import Wish, calibrate, mismatch_of
from semelha.gallery.evidence import explained
from semelha.gallery.examples import Enrollment, added, added_dataset, new_examples
from semelha.gallery.folder import make_folder, open_folder, read_settings
from semelha.gallery.names import checked
from semelha.gallery.probes import looked_at, unless_barred
from semelha.gallery.segments import RECALL, Segments
from semelha.gallery.state import Memory
from semelha.gallery.upkeep import Upkeep
from semelha.images import Dataset, Picture, content_hash
from semelha.recognition import NEAREST, Calibration, Evidence, Identification, Mismatch, Scoring, Verification
from semelha.store import Merge, NewExample, Rejection, Store, Subject

logger = logging.getLogger(__name__)


class Gallery:
    """What is known, in a folder with the model that sees it: `gallery.json`, `model/`, `gallery.sqlite`, `index/`.

    Made by `Gallery.create` and `Gallery.open`; closes itself as a context manager. May be used from several threads,
    and its folder by several processes.
    """

    def __init__(
        self, path: Path, model: Model, store: Store, *, keep_pictures: bool, segments: Segments | None = None
    ) -> None:
        self.path = path
        self.model = model
        self.keep_pictures = keep_pictures
        self._store = store
        segments = segments or Segments(path, model)
        self._memory = Memory(store, model, segments)
        self._upkeep = Upkeep(self._memory, store, segments)
        self._memory.on_upkeep = self._upkeep.soon

    @classmethod
    def create(
        cls,
        path: str | os.PathLike[str],
        model: Model | str | os.PathLike[str],
        *,
        keep_pictures: bool = True,
        recall: float | None = None,
        threads: int | None = None,
    ) -> Gallery:
        """Make an empty gallery with a copy of the model.

        Parameters
        ----------
        path : path
            Must not exist.
        model : Model or path
        keep_pictures : bool
            Keep a small re-encoded copy of every enrolled picture.
        recall : float, optional
            As for `open`, here and whenever none is given there; by default 0.99.
        threads : int, optional
            As for `open`, here.

        Raises
        ------
        GalleryError
            The folder exists or cannot be written.
        ModelError
        UsageError
            There is no such recall or number of threads.
        """
        embedder = model if isinstance(model, Model) else load_embedder(model)
        Segments(Path(path), embedder, recall, threads).empty()
        make_folder(Path(path), embedder, keep_pictures=keep_pictures, recall=RECALL if recall is None else recall)
        return cls.open(path, threads=threads)

    @classmethod
    def open(cls, path: str | os.PathLike[str], *, recall: float | None = None, threads: int | None = None) -> Gallery:
        """Open a gallery.

        Parameters
        ----------
        path : path
        recall : float, optional
            Part of the ten nearest examples that a search finds at least, on average, where it is large and does not
            compare with all; 1 for all always, which takes longer. By default what its index was made for, or else the
            gallery. Another recall than that makes the index anew, for this and for all that open it later.
        threads : int, optional
            That search and merge at a time, for all callers together; by default one for each processor.

        Raises
        ------
        GalleryError, GalleryTooNew
            There is none, it is damaged, or of a newer semelha.
        FingerprintMismatch
            The model in it is not the one it was made with.
        ModelError
        UsageError
            There is no such recall or number of threads.
        """
        folder = Path(path)
        settings = read_settings(folder)
        model, store = open_folder(folder, settings)
        segments = Segments(folder, model, recall, threads, settings.recall)
        try:
            segments.empty()
        except BaseException:
            store.close()
            raise
        return cls(folder, model, store, keep_pictures=settings.keep_pictures, segments=segments)

    def __enter__(self) -> Gallery:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the database; a merge in the background is ended, and done another time."""
        self._upkeep.close()
        self._memory.keep_scores()
        self._store.close()

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

    def identify(self, picture: Source, *, k: int = 5) -> Identification:
        """Name what a picture shows, or say that it is unknown.

        Parameters
        ----------
        picture : path, bytes, pixels or Picture
        k : int
            Candidates to list.
        """
        return self.identify_many([picture], k=k)[0]

    def identify_many(
        self, pictures: Sequence[Source], *, k: int = 5, progress: Progress | None = None
    ) -> list[Identification]:
        """`identify` for many pictures at once."""
        with self._store.reading() as view:
            hashed = view.has_rejections()
        vectors, hashes = looked_at(self.model, pictures, hashed=hashed, progress=progress)
        return self._answers(vectors, k, hashes)

    def identify_vectors(self, vectors: NDArray[np.float32], *, k: int = 5) -> list[Identification]:
        """`identify` for vectors (n, dim) of the gallery's own model."""
        return self._answers(vectors, k, None)

    def explain(self, picture: Source, *, k: int = 3) -> Evidence:
        """`identify`, and what the answer rests on: k examples at most that matched, what came second, a heat map.

        Parts of the picture are hidden one after the other, which takes as long as embedding about a hundred pictures.
        """
        return explained(self._memory, self.model, picture, k)

    def verify(self, picture: Source, against: str | Source, *, subject: bool = False) -> Verification:
        """Do two pictures show the same thing, or does a picture show a subject?

        Parameters
        ----------
        picture : picture
        against : picture, or the name of a subject
        subject : bool
            `against` is a name.

        Notes
        -----
        The rate of the calibration is that of a search of the whole gallery. A single comparison is easier to pass by
        chance only for as many subjects as there are, so here it errs on the safe side.
        """
        name = str(against) if subject else None
        embedded, hashes = looked_at(self.model, [picture] if subject else [picture, against], hashed=subject)
        with self._memory.now() as state:
            stored = embedded[1:] if name is None else state.view.vectors_of(name)
            if not len(stored):
                raise SubjectNotFound(f"no subject is called {name!r}")
            found = state.verified(embedded[0], stored, name)
            if hashes is None:
                return found
            return unless_barred(found, state.view, self.model.metric, embedded[0], hashes[0], stored)

    def calibrate(
        self,
        fpir: float = 0.01,
        strangers: Dataset | Sequence[Source] | None = None,
        *,
        uncertain: float | None = None,
        scoring: Scoring | None = NEAREST,
        confirmed: Dataset | None = None,
        seed: int = 0,
    ) -> Calibration:
        """Let the gallery say "unknown", so that a part `fpir` of strangers at most is named as somebody enrolled.

        The wish is kept: after every change of the gallery the rule is worked out anew. With the nearest example as
        scoring that is done at once; otherwise in the background, and meanwhile answers say that their rule is stale.

        Parameters
        ----------
        fpir : float
            False-positive identification rate wanted.
        strangers : Dataset or sequence of pictures, optional
            Of things that are not enrolled; of a data set one picture of each class is drawn. Without them the enrolled
            subjects, each left out in turn, stand in for strangers.
        uncertain : float, optional
            A second rate, above `fpir`: what is near enough for it, and not for `fpir`, is uncertain.
        scoring : Scoring or None
            How near a subject is. None: chosen by the gallery's own examples, as `recognition.choose` says; without
            strangers on half of the subjects at most, and the others calibrate.
        confirmed : Dataset, optional
            New pictures of enrolled subjects, under their names, taken as probes are taken. Each stands in for a
            stranger, to all subjects but its own. May be given beside strangers.
        seed : int
            Of the draws.

        Raises
        ------
        CalibrationError
            There are too few strangers or subjects for the rate; the message says how many are missing.
        """
        wish = Wish(fpir, uncertain, scoring, seed)
        calibration, choice = calibrate(self._store, self._memory, self.model, wish, strangers, confirmed)
        if choice is not None:
            logger.info("scoring %s is chosen on %d subjects: %s", choice.scoring.name, choice.subjects, choice.misses)
        return calibration

    def mismatch(self, probes: Dataset, *, seed: int = 0) -> Mismatch:
        """Test whether pictures that are known, of enrolled subjects or of others, are as the calibration assumes.

        Raises
        ------
        CalibrationError
            The gallery is not calibrated.
        UsageError
            No picture can serve.
        """
        return mismatch_of(self._memory, self._store, self.model, probes, seed)

    @property
    def calibration(self) -> Calibration | None:
        """The rule in force; None where none was asked for, or too few subjects are left for its rate."""
        with self._memory.now() as state:
            return state.paired() if state.rule else None

    def settle(self, *, rebuild: bool = False) -> None:
        """Bring the index up to date on the disk, and wait until it is: then the gallery opens at once.

        It is merged and saved in the background anyway, while the gallery is open; call this at the end of a program
        that has enrolled much. A gallery of a few thousand examples has no index on the disk and needs none.

        Parameters
        ----------
        rebuild : bool
            Make it anew from the vectors, all of it in one segment.

        Raises
        ------
        IndexFileError
            It cannot be written.
        GalleryError
            The database cannot be read, or the gallery was closed meanwhile.
        """
        self._upkeep.settle(rebuild=rebuild)

    def index_stats(self) -> dict[str, object]:
        """How the examples are searched: `AutoIndex.stats`, with the recall that is wanted and the change on the disk.

        Of each segment: its kind and why it is of it, vectors, bytes, and where it is approximate the recall that was
        measured. Its state is "made", "waiting" to be merged, or "open" for the few that are added.
        """
        with self._memory.now(ruled=False) as state:
            return {**self._memory.stats(), "change": state.view.change}

    def _answers(self, vectors: NDArray[np.float32], k: int, hashes: Sequence[str] | None) -> list[Identification]:
        if k < 1:
            raise UsageError(f"k is {k}: at least one candidate is listed")
        with self._memory.now() as state:
            return state.answers(vectors, k, hashes)
