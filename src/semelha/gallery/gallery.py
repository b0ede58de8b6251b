"""A gallery: what is known, and the questions that can be asked of it."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from semelha.embedders import Model, Progress, Source, as_pictures, load_embedder
from semelha.errors import FingerprintMismatch, SubjectNotFound, UsageError
from semelha.gallery.care import Check, check
from semelha.gallery.clusters import Clustering, embedded, grouped
from semelha.gallery.examples import Enrollment, new_examples, one_of_each
from semelha.gallery.folder import DATABASE, make_folder, read_settings
from semelha.gallery.names import checked
from semelha.gallery.scores import of_strangers, of_subjects, rule_of
from semelha.gallery.segments import RECALL, Segments
from semelha.gallery.state import Memory
from semelha.gallery.upkeep import Upkeep
from semelha.images import Dataset, Picture, content_hash
from semelha.recognition import Calibration, Identification, Verification, decide
from semelha.recognition.identify import UNCALIBRATED
from semelha.store import NewExample, Store, Subject

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
        model = load_embedder(folder / "model")
        if model.fingerprint != settings.fingerprint:
            raise FingerprintMismatch(
                f"{folder} holds vectors of the model {settings.fingerprint[:12]}, but has {model.fingerprint[:12]}"
            )
        segments = Segments(folder, model, recall, threads, settings.recall)
        segments.empty()
        return cls(folder, model, Store(folder / DATABASE), keep_pictures=settings.keep_pictures, segments=segments)

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
        return self._enroll(name, new_examples(as_pictures(pictures), self.model, self.keep_pictures))

    def enroll_dataset(self, dataset: Dataset, *, progress: Progress | None = None) -> list[Enrollment]:
        """Enroll every class of a data set under its label; each is on the disk before the next is begun.

        A picture that cannot be decoded is left out and named in the warnings of its enrollment.
        """
        done, enrollments = 0, []
        by_label: dict[str, list[Picture]] = {}
        for picture in dataset:
            by_label.setdefault(picture.label, []).append(picture)
        for label, pictures in by_label.items():
            warnings: list[str] = []
            examples = new_examples(pictures, self.model, self.keep_pictures, left_out=warnings)
            if examples:
                found = self._enroll(checked(label), examples)
                warnings = [*found.warnings, *warnings]
                enrollments.append(Enrollment(found.subject, found.added, found.duplicates, tuple(warnings)))
            else:
                enrollments.append(Enrollment(label, 0, (), tuple(warnings)))
            done += len(pictures)
            if progress is not None:
                progress(done, len(dataset))
        return enrollments

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
        return self._enroll(
            checked(subject), [NewExample(v, content_hash(v.view(np.uint8)), s, None) for v, s in pairs]
        )

    def remove(self, subject: str) -> int:
        """Remove a subject with its examples and pictures. Returns how many examples it had."""
        return self._store.remove(subject)

    def rename(self, old: str, new: str) -> None:
        """Give a subject another name. Raises `SubjectNotFound` or `SubjectExists`."""
        self._store.rename(old, checked(new))

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
        return self.identify_vectors(self.model.embed(pictures, progress=progress), k=k)

    def identify_vectors(self, vectors: NDArray[np.float32], *, k: int = 5) -> list[Identification]:
        """`identify` for vectors (n, dim) of the gallery's own model."""
        if k < 1:
            raise UsageError(f"k is {k}: at least one candidate is listed")
        with self._memory.now() as state:
            calibration, place = (state.rule.calibration, state.rule.place) if state.rule else (None, {})
            return [decide(one, calibration, place) for one in state.candidates(vectors, k)]

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
        embedded = self.model.embed([picture] if subject else [picture, against])
        with self._memory.now() as state:
            stored = embedded[1:] if name is None else state.view.vectors_of(name)
            if not len(stored):
                raise SubjectNotFound(f"no subject is called {name!r}")
            rule = state.rule
        pairs = self.model.metric.pairwise(embedded[:1].astype(np.float64), stored.astype(np.float64))
        distance = float(pairs.min())
        if rule is None:
            return Verification(None, distance, None, name, UNCALIBRATED)
        nearest = np.array([rule.place.get(name, -1) if name else -1])
        p_value = float(rule.calibration.p_values(np.array([distance]), nearest)[0])
        return Verification(p_value <= rule.calibration.fpir, distance, p_value, name, rule.calibration.assumption)

    def calibrate(
        self, fpir: float = 0.01, strangers: Dataset | Sequence[Source] | None = None, *, seed: int = 0
    ) -> Calibration:
        """Let the gallery say "unknown", so that a part `fpir` of strangers at most is named as somebody enrolled.

        The wish is kept: after every change of the gallery the rule is worked out anew.

        Parameters
        ----------
        fpir : float
            False-positive identification rate wanted.
        strangers : Dataset or sequence of pictures, optional
            Of things that are not enrolled; of a data set one picture of each class is drawn. Without them the enrolled
            subjects, each left out in turn, stand in for strangers.
        seed : int
            Of the draws.

        Raises
        ------
        CalibrationError
            There are too few strangers or subjects for the rate; the message says how many are missing.
        """
        kind: Literal["strangers", "subjects"] = "subjects" if strangers is None else "strangers"
        vectors = None
        if strangers is not None:
            with self._store.reading() as view:
                pictures = one_of_each(strangers, view, self.model, seed)
            vectors = self.model.embed(pictures)
        with self._memory.now(ruled=False) as state:
            if vectors is not None:
                scores = of_strangers(state.view, state.index, vectors, None)
            else:
                scores = of_subjects(state.view, state.index, self.model, seed, state.scores_of_subjects(seed))
                left_out = state.view.subject_count() - len(scores)
                if left_out:
                    logger.warning("left out as strangers, for the model was trained on them: %d subjects", left_out)
            rule = rule_of(kind, fpir, scores, state.view.names())
        self._store.set_plan(kind, fpir, seed, scores, vectors)
        return rule.calibration

    @property
    def calibration(self) -> Calibration | None:
        """The rule in force; None where none was asked for, or too few subjects are left for its rate."""
        with self._memory.now() as state:
            return state.rule.calibration if state.rule else None

    def check(self, *, least: float = 0.5, seed: int = 0) -> Check:
        """Look for wrong labels, near-duplicates, outliers, and subjects that are one or two; those of a score `least`.

        See docs/care.md for what the scores are. `seed` is that of the draws.
        """
        with self._memory.now(ruled=False) as state:
            return check(state, least=least, seed=seed)

    def cluster(self, pictures: Sequence[Source], *, seed: int = 0, progress: Progress | None = None) -> Clustering:
        """Tell apart the pictures that the gallery knows, and group the others into subjects that are proposed.

        How near is near enough is learned from what is enrolled: `UsageError` where no subject has two examples.
        """
        unknown = embedded(pictures, self.model, progress)
        with self._memory.now() as state:
            return grouped(state, self.model, unknown, seed)

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

    def _enroll(self, name: str, examples: Sequence[NewExample]) -> Enrollment:
        warnings, duplicates, seen = [], [], set()
        with self._store.reading() as view:
            if not view.has_subject(name):
                warnings += [f"{name} is another subject than {other}" for other in view.namesakes(name)]
            for example in examples:
                owners = view.subjects_with(example.content_hash)
                if name in owners or example.content_hash in seen:
                    duplicates.append(example.source)
                others = [owner for owner in owners if owner != name]
                if others:
                    warnings.append(f"{example.source} is an example of {', '.join(others)} too")
                seen.add(example.content_hash)
        added = self._store.add(name, examples)
        return Enrollment(name, len(added), tuple(duplicates), tuple(warnings))
