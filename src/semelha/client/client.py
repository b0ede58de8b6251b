"""`Client`: the calls of `Gallery`, answered by a server."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Self, TypeVar

from semelha.arguments import check_types, check_types_late
from semelha.client.answers import CalibrationSummary, EvidenceSheet
from semelha.client.connection import TIMEOUT, annotated_types, answer_of, calls_of, http_library, no_answer, options
from semelha.client.exchange import Answer, Done, NoAnswer, Steps, advance
from semelha.embedders import Progress, Source
from semelha.gallery import Accuracy, ChangedAnswers, Check, Clustering, DetCurve, Enrollment, Map, ReviewPage
from semelha.images import Dataset, Skipped, read_dataset
from semelha.recognition import NEAREST, Identification, Scoring, Verification
from semelha.store import AuditEntry, Merge, Rejection, StoredExample, Subject, SubjectPage

if TYPE_CHECKING:
    import httpx2

T = TypeVar("T")


class Client:
    """A gallery of a server: the same calls, results and errors as `Gallery`, over HTTP.

    Use it as a context manager, or call `close`. Several threads may share one `Client`. Pictures are read here and
    decoded by the server; a path is never sent as a place to read.

    Besides the errors of `Gallery`, every call raises `AccessRefused` if the key does not suffice, `ServiceUnavailable`
    if the server cannot be reached or is busy, and `ServiceError` if it answers otherwise than a server of semelha.
    Raises `UsageError` for an argument that cannot be used, and `MissingExtra` without the extra `client`.

    Parameters
    ----------
    url : str
        Address of the server, such as "http://127.0.0.1:8000".
    key : str, optional
        API key, which is sent in a header.
    gallery : str, optional
        Name of a gallery of the server; by default its first one.
    timeout : float
        Seconds to wait for an answer, each time.
    retries : int
        How often a request is sent again if it is safe to: see docs/service.md.
    transport : httpx2.BaseTransport, optional
        How requests are sent, such as through a proxy.
    """

    @check_types_late(annotated_types)
    def __init__(
        self,
        url: str,
        *,
        key: str | None = None,
        gallery: str | None = None,
        timeout: float = TIMEOUT,
        retries: int = 3,
        transport: httpx2.BaseTransport | None = None,
    ) -> None:
        self._calls = calls_of(url, gallery, timeout, retries)
        self._http: httpx2.Client = http_library().Client(**options(key, timeout), transport=transport)
        self.url = url

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Client({self.url!r})"

    def __len__(self) -> int:
        return self.find_subjects(limit=1).total

    def __contains__(self, subject: object) -> bool:
        return isinstance(subject, str) and self._run(self._calls.has_subject(subject))

    def __iter__(self) -> Iterator[str]:
        return (subject.name for subject in self.subjects())

    @property
    def revision(self) -> int:
        """Number of the last change of the gallery."""
        return self._run(self._calls.revision())

    @property
    def calibration(self) -> CalibrationSummary | None:
        """The rule in force; None if there is none."""
        return self._run(self._calls.calibration())

    def subjects(self) -> list[Subject]:
        """List every subject, by name; a page at a time, between which the gallery may change."""
        return self._run(self._calls.subjects())

    @check_types
    def find_subjects(
        self,
        search: str = "",
        *,
        sort: str = "name",
        after: Subject | None = None,
        limit: int = 50,
    ) -> SubjectPage:
        """As `Gallery.find_subjects`; `limit` is at most 1000, and `search` has at most 200 characters."""
        return self._run(self._calls.find_subjects(search, sort, after, limit))

    @check_types
    def subject(self, name: str) -> Subject:
        """Return the record of a subject. Raises `SubjectNotFound`."""
        return self._run(self._calls.subject(name))

    @check_types
    def examples(self, subject: str) -> list[StoredExample]:
        """List the examples of a subject in the order of enrollment. Raises `SubjectNotFound`."""
        return self._run(self._calls.examples(subject))

    @check_types
    def example(self, number: int) -> StoredExample:
        """Return the record of an example, by its number. Raises `NumberNotFound`."""
        return self._run(self._calls.example(number))

    @check_types
    def picture(self, example: int) -> bytes | None:
        """Return the small copy that was kept of an example, as a WebP file; None if none was kept."""
        return self._run(self._calls.picture(example))

    def merges(self) -> list[Merge]:
        """List every merge that can be undone, oldest first."""
        return self._run(self._calls.merges())

    @check_types
    def audit(self, subject: str | None = None, *, before: int | None = None, limit: int = 50) -> list[AuditEntry]:
        """As `Gallery.audit`; `limit` is at most 1000. Needs a key with the role admin."""
        return self._run(self._calls.audit(subject, before, limit))

    @check_types
    def rejections(self, subject: str | None = None, *, after: int = 0, limit: int | None = None) -> list[Rejection]:
        """As `Gallery.rejections`, without hashes and pictures; a `limit` is at most 1000."""
        return self._run(self._calls.rejections(subject, after, limit))

    def example_count(self) -> int:
        """The number of examples."""
        return self._run(self._calls.example_count())

    @check_types
    def enroll(
        self,
        subject: str,
        pictures: Source | Iterable[Source],
        *,
        skipped: list[Skipped] | None = None,
    ) -> Enrollment:
        """As `Gallery.enroll`, in one request: the server limits its size and the number of pictures."""
        return self._run(self._calls.enroll(subject, pictures, skipped))

    @check_types
    def enroll_dataset(
        self,
        dataset: Dataset | str | os.PathLike[str],
        *,
        progress: Progress | None = None,
    ) -> list[Enrollment]:
        """As `Gallery.enroll_dataset`, in several requests; a class with more than 32 pictures takes several too."""
        whole = dataset if isinstance(dataset, Dataset) else read_dataset(dataset)
        return self._run(self._calls.enroll_dataset(whole, progress))

    @check_types
    def remove(self, subject: str) -> int:
        """Remove a subject with its pictures, and return how many examples it had. Raises `SubjectNotFound`."""
        return self._run(self._calls.remove(subject))

    @check_types
    def rename(self, old: str, new: str) -> None:
        """Rename a subject. Raises `SubjectNotFound`, `SubjectExists` or `InvalidName`."""
        self._run(self._calls.rename(old, new))

    @check_types
    def remove_example(self, example: int) -> str:
        """Remove one example, and return the name of its subject. Raises `NumberNotFound`."""
        return self._run(self._calls.remove_example(example))

    @check_types
    def move_example(self, example: int, subject: str) -> int:
        """Move one example to another subject, and return its number from then on: see `Gallery.move_example`."""
        return self._run(self._calls.move_example(example, subject))

    @check_types
    def merge(self, source: str, into: str) -> int:
        """Merge the subject `source` into `into`, and return the number that `unmerge` takes."""
        return self._run(self._calls.merge(source, into))

    @check_types
    def unmerge(self, merge: int) -> str:
        """Undo a merge, by its number, and return the name of the subject that exists again."""
        return self._run(self._calls.unmerge(merge))

    @check_types
    def reject(self, picture: Source, subject: str) -> int:
        """Record that a picture does not show a subject: see `Gallery.reject`."""
        return self._run(self._calls.reject(picture, subject))

    @check_types
    def withdraw_rejection(self, rejection: int) -> None:
        """Withdraw a rejection, by its number. Raises `NumberNotFound`."""
        self._run(self._calls.withdraw_rejection(rejection))

    @check_types
    def reviews(self, kind: str | None = None, *, after: tuple[int, int] | None = None, limit: int = 50) -> ReviewPage:
        """As `Gallery.reviews`; `limit` is at most 1000."""
        return self._run(self._calls.reviews(kind, after, limit))

    @check_types
    def review_picture(self, review: int) -> bytes | None:
        """Return the small copy that was kept of the picture of a review, as a WebP file; None if none was kept."""
        return self._run(self._calls.review_picture(review))

    @check_types
    def resolve_reviews(self, reviews: Sequence[int], subject: str) -> Enrollment:
        """As `Gallery.resolve_reviews`, of at most 1000 reviews."""
        return self._run(self._calls.resolve_reviews(reviews, subject))

    @check_types
    def dismiss_reviews(self, reviews: Sequence[int]) -> None:
        """Delete reviews, by number, with their pictures: all or none. At most 1000 at a time."""
        self._run(self._calls.dismiss_reviews(reviews))

    @check_types
    def map(self, method: str = "pca", *, seed: int = 0, progress: Progress | None = None) -> Map:
        """As `Gallery.map`; the server must have the package that the method needs."""
        return self._run(self._calls.map(method, seed, progress))

    @check_types
    def last_map(self, method: str) -> Map | None:
        """Return the map that was computed last by a method, None if there is none: see `Gallery.last_map`."""
        return self._run(self._calls.last_map(method))

    @check_types
    def identify(self, picture: Source, *, k: int = 5) -> Identification:
        """Name the subject that a picture shows, or report that it is unknown; `k` is at most 1000."""
        return self._run(self._calls.identify(picture, k))

    @check_types
    def identify_many(
        self,
        pictures: Source | Iterable[Source],
        *,
        k: int = 5,
        progress: Progress | None = None,
        skipped: list[Skipped] | None = None,
    ) -> list[Identification]:
        """As `Gallery.identify_many`, with at most 32 pictures in a request."""
        return self._run(self._calls.identify_many(pictures, k, progress, skipped))

    @check_types
    def verify(self, picture: Source, other: Source) -> Verification:
        """Decide whether two pictures show the same subject. Raises `PictureError`."""
        return self._run(self._calls.verify(picture, other))

    @check_types
    def verify_subject(self, picture: Source, subject: str) -> Verification:
        """Decide whether a picture shows a subject. Raises `SubjectNotFound` or `PictureError`."""
        return self._run(self._calls.verify_subject(picture, subject))

    @check_types
    def explain(self, picture: Source, *, k: int = 3) -> EvidenceSheet:
        """The evidence for an identification, as the sheet that `Evidence.png` draws; `k` is at most 10."""
        return self._run(self._calls.explain(picture, k))

    @check_types
    def calibrate(
        self,
        *,
        fpir: float,
        uncertain: float | None = None,
        scoring: Scoring | None = NEAREST,
        seed: int = 0,
    ) -> CalibrationSummary:
        """As `Gallery.calibrate`, on the enrolled subjects. Needs a key with the role admin."""
        return self._run(self._calls.calibrate(fpir, uncertain, scoring, seed))

    @check_types
    def evaluate(self, *, max_probes: int = 2000, seed: int = 0) -> Accuracy:
        """As `Gallery.evaluate`; `max_probes` is at most 10,000."""
        return self._run(self._calls.evaluate(max_probes, seed))

    @check_types
    def det_curve(self, *, max_points: int = 200, max_probes: int = 2000, seed: int = 0) -> DetCurve:
        """Measure what each rate of false positives costs, by the enrolled examples: see `Gallery.det_curve`."""
        return self._run(self._calls.det_curve(max_points, max_probes, seed))

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
        """As `Gallery.changed_answers`; `limit` is at most 1000."""
        return self._run(self._calls.changed_answers(before, after, probes, offset, limit, max_probes, seed))

    @check_types
    def check(self, *, min_score: float = 0.5, seed: int = 0, progress: Progress | None = None) -> Check:
        """Find wrong labels, near-duplicates, outliers, and subjects to merge or split: see `Gallery.check`."""
        return self._run(self._calls.check(min_score, seed, progress))

    @check_types
    def cluster(
        self,
        pictures: Iterable[Source],
        *,
        seed: int = 0,
        progress: Progress | None = None,
    ) -> Clustering:
        """As `Gallery.cluster`, in one request: the server limits its size and the number of pictures."""
        return self._run(self._calls.cluster(pictures, seed, progress))

    def _run(self, steps: Steps[T]) -> T:
        """Send the requests of a call, and return its result."""
        got: Answer | NoAnswer | None = None
        while not isinstance(step := advance(steps, got), Done):
            if isinstance(step, float):
                time.sleep(step)
                got = None
                continue
            try:
                got = answer_of(
                    self._http.request(step.method, step.url, content=step.content, headers=dict(step.headers))
                )
            except http_library().HTTPError as error:
                got = no_answer(error)
        return step.value
