"""`GalleryCuration`: what a gallery finds in its examples and in pictures without names. A base of `Gallery`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from semelha.arguments import MAX_INT, check_any, check_int, check_types
from semelha.embedders import Model, Progress, Source
from semelha.gallery.calibration.det import ChangedAnswers, DetCurve, DetCurves
from semelha.gallery.contents import GalleryContents
from semelha.gallery.curation.check import Check, check
from semelha.gallery.curation.cluster import Clustering, cluster_pictures
from semelha.gallery.curation.reviews import MAX_REVIEWS, ReviewGroups, ReviewPage, new_reviews
from semelha.gallery.enrollment import Enrollment, enrollment_of
from semelha.gallery.layouts import checked_method
from semelha.gallery.live_index import LiveIndex
from semelha.gallery.mapping import Map, Maps
from semelha.gallery.probes import Probe, embed_probes
from semelha.recognition import Identification
from semelha.untrusted import checked_name


class GalleryCuration(GalleryContents):
    """Checks, error rates, clusters, reviews and maps of a gallery."""

    model: Model
    keep_pictures: bool
    _live: LiveIndex
    _groups: ReviewGroups
    _maps: Maps
    _det: DetCurves

    @check_types
    def check(self, *, min_score: float = 0.5, seed: int = 0, progress: Progress | None = None) -> Check:
        """Find wrong labels, near-duplicates, outliers, and subjects to merge or split.

        Returns those with a score of at least `min_score` (docs/curation.md). Raises `UsageError` outside of [0, 1].
        """
        with self._live.read(with_rule=False) as state:
            return check(state, min_score=min_score, seed=seed, progress=progress)

    @check_types
    def det_curve(self, *, max_points: int = 200, max_probes: int = 2000, seed: int = 0) -> DetCurve:
        """Measure what each rate of false positives costs (the DET curve), by the examples, each left out in turn.

        The false positives are those of the calibration, or if there is none, those that `calibrate` would ask for. The
        misses are those of enrolled examples, each compared with all others, of subjects with two examples or more that
        the model was not trained on. At most `max_probes` examples are left out, of subjects drawn at random. Pictures
        of one burst make the misses too few. Raises `UsageError` if an argument is out of range.
        """
        with self._live.read() as state:
            return self._det.curve(state, max_points=max_points, max_probes=max_probes, seed=seed)

    @check_types
    def changed_answers(
        self,
        before: float,
        after: float,
        probes: str = "mated",
        *,
        offset: int = 0,
        limit: int = 50,
        max_probes: int = 2000,
        seed: int = 0,
    ) -> ChangedAnswers:
        """List at most `limit` left-out examples that are named at one of two rates alone, after `offset` others.

        `before` and `after` are rates of false positives in [0, 1]. `probes` are "mated", compared with the
        other examples of their subject and with all others, or "non_mated", one of each subject that calibrates,
        compared with other subjects alone: to name it is a false positive. The rest is as for `det_curve`. Raises
        `UsageError` if an argument is out of range.
        """
        with self._live.read() as state:
            return self._det.changes(
                state, before, after, probes, offset=offset, limit=limit, max_probes=max_probes, seed=seed
            )

    @check_types
    def cluster(self, pictures: Iterable[Source], *, seed: int = 0, progress: Progress | None = None) -> Clustering:
        """Identify pictures, and group the unknown ones into proposed subjects.

        Raises `UsageError` if no subject has two examples, from which the distance that joins groups is learned.
        """
        basis = self._store.hash_basis
        probes = embed_probes(self.model, pictures, hash_basis=basis, strict=False, progress=progress)
        with self._live.read() as state:
            return cluster_pictures(state, self.model, probes, seed)

    @check_types
    def keep_for_review(
        self,
        probes: Sequence[Probe],
        answers: Sequence[Identification],
        pictures: Sequence[Source] | None = None,
        *,
        max_reviews: int = MAX_REVIEWS,
    ) -> list[int]:
        """Keep pictures for a person to name, and return the numbers of the new reviews.

        Kept are those whose answer is unknown or uncertain, or known with a probability below 0.75; none of a gallery
        that is not calibrated, unless it is empty. A picture that is in review or enrolled already is left out. The
        oldest of more than `max_reviews` are deleted, and all when the gallery is migrated to another model.

        Raises `UsageError` if the lengths differ or `max_reviews` is below 1, and `GalleryError` if the database cannot
        be written.

        Parameters
        ----------
        probes : sequence of Probe
            Of `embed_probes`.
        answers : sequence of Identification
            Of `identify_probes`, for the same pictures.
        pictures : sequence of pictures, optional
            The same ones, of which small copies are kept, unless the gallery keeps none.
        """
        check_int("max_reviews", max_reviews, 1, MAX_INT)
        new = new_reviews(self.model, probes, answers, pictures if self.keep_pictures else None)
        return self._store.keep_reviews(new, max_reviews) if new else []

    @check_types
    def reviews(self, kind: str | None = None, *, after: tuple[int, int] | None = None, limit: int = 50) -> ReviewPage:
        """List at most `limit` pictures to name, and count them.

        Pictures that probably show the same are a group, as in `cluster`. Groups stay together, the latest group first.
        `kind` is "unknown", "uncertain", or None for both; `after` has the group and the number of the last
        review of the page before. Raises `UsageError` for another kind, or a `limit` below 1.
        """
        with self._store.reading() as view:
            return self._groups.page(view, kind, after, limit)

    @check_types
    def review_picture(self, review: int) -> bytes | None:
        """Return the small copy that was kept of the picture of a review, as a WebP file; None if none was kept.

        Raises `NumberNotFound`.
        """
        with self._store.reading() as view:
            return view.review_picture(review)

    @check_types
    def resolve_reviews(self, reviews: Sequence[int], subject: str) -> Enrollment:
        """Enroll the pictures of reviews, by number, as examples of a subject, new or existing: all or none.

        They are no reviews any more. Raises `NumberNotFound` if one does not exist, `GalleryError` for a name that
        cannot be used, and `UsageError` if there is none.
        """
        name = checked_name(subject)
        check_any("reviews", reviews)
        return enrollment_of(self._store.resolve_reviews(reviews, name))

    @check_types
    def dismiss_reviews(self, reviews: Sequence[int]) -> None:
        """Delete reviews, by number, with their pictures: all or none.

        Raises `NumberNotFound` if one does not exist, and `UsageError` if there is none.
        """
        check_any("reviews", reviews)
        self._store.dismiss_reviews(reviews)

    @check_types
    def map(self, method: str = "pca", *, seed: int = 0, progress: Progress | None = None) -> Map:
        """Lay out all examples in two dimensions.

        "pca" takes the two principal components of the vectors, at once. "tsne" needs scikit-learn, and "umap"
        umap-learn; both take minutes, draw at most 20,000 examples at random, and are saved for `last_map`. `progress`
        is called with (0, examples) while they are computed; an error that it raises ends them.

        Raises `UsageError` for another method, `MissingExtra` without the package, and `SemelhaError` if the map cannot
        be computed or saved.
        """
        name = checked_method(method)
        with self._store.reading() as view:
            return self._maps.computed(view, name, seed, progress)

    @check_types
    def last_map(self, method: str) -> Map | None:
        """Return the map that was computed last by a method; None if there is none. That by "pca" is computed now.

        Examples that were removed since are left out, and newer ones are not in it. Raises `UsageError` for another
        method.
        """
        if method == "pca":
            return self.map()
        name = checked_method(method, needs_package=False)
        with self._store.reading() as view:
            return self._maps.known(view, name)

    def review_state(self) -> tuple[int, int]:
        """Return a pair that is another one after every change of the reviews."""
        with self._store.reading() as view:
            return view.review_state()
