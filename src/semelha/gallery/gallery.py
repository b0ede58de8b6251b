"""A gallery: what is known, and the questions that can be asked of it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from semelha.embedders import Progress, Source
from semelha.errors import SubjectNotFound, UsageError
from semelha.gallery.calibrating import Wish, calibrate, mismatch_of
from semelha.gallery.curation.check import Check, check
from semelha.gallery.curation.cluster import Clustering, grouped
from semelha.gallery.enrolled import Enrolled
from semelha.gallery.evidence import explained
from semelha.gallery.probes import looked_at, unless_barred
from semelha.images import Dataset, Skipped
from semelha.recognition import NEAREST, Calibration, Evidence, Identification, Mismatch, Scoring, Verification


class Gallery(Enrolled):
    """What is known, in a folder with the model that sees it: `gallery.json`, `model/`, `gallery.sqlite`, `index/`.

    Made by `Gallery.create` and `Gallery.open`; closes itself as a context manager. May be used from several threads,
    and its folder by several processes.
    """

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
        self,
        pictures: Sequence[Source],
        *,
        k: int = 5,
        progress: Progress | None = None,
        skipped: list[Skipped] | None = None,
    ) -> list[Identification]:
        """`identify` for many pictures at once.

        With a list to put them into, pictures that cannot be decoded are left out, and the answers are those to the
        others, in their order; without, the first raises `PictureError`.
        """
        with self._store.reading() as view:
            hashed = view.has_rejections()
        looked = looked_at(self.model, pictures, hashed=hashed, strict=skipped is None, progress=progress)
        if skipped is not None:
            skipped += looked.skipped
        return self._answers(looked.vectors, k, looked.hashes)

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
        looked = looked_at(self.model, [picture] if subject else [picture, against], hashed=subject)
        with self._memory.now() as state:
            stored = looked.vectors[1:] if name is None else state.view.vectors_of(name)
            if not len(stored):
                raise SubjectNotFound(f"no subject is called {name!r}")
            found = state.verified(looked.vectors[0], stored, name)
            if looked.hashes is None:
                return found
            return unless_barred(found, state.view, self.model.metric, looked.vectors[0], looked.hashes[0], stored)

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
        return calibrate(self._store, self._memory, self.model, wish, strangers, confirmed)

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

    def check(self, *, least: float = 0.5, seed: int = 0) -> Check:
        """Look for wrong labels, near-duplicates, outliers, and subjects that are one or two; those of a score `least`.

        See docs/curation.md for what the scores are. `seed` is that of the draws.
        """
        with self._memory.now(ruled=False) as state:
            return check(state, least=least, seed=seed)

    def cluster(self, pictures: Sequence[Source], *, seed: int = 0, progress: Progress | None = None) -> Clustering:
        """Tell apart the pictures that the gallery knows, and group the others into subjects that are proposed.

        How near is near enough is learned from what is enrolled: `UsageError` where no subject has two examples.
        """
        unknown = looked_at(self.model, pictures, strict=False, progress=progress)
        with self._memory.now() as state:
            return grouped(state, self.model, unknown, seed)

    def _answers(self, vectors: NDArray[np.float32], k: int, hashes: Sequence[str] | None) -> list[Identification]:
        if k < 1:
            raise UsageError(f"k is {k}: at least one candidate is listed")
        with self._memory.now() as state:
            return state.answers(vectors, k, hashes)
