"""`AsyncClient`: the calls of `Gallery`, answered by a server, for asyncio and trio."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterable, Sequence
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


class AsyncClient:
    """A gallery of a server, as `Client`: every call is a coroutine. Pictures are read in a thread.

    Use it as an asynchronous context manager, or call `close`. `async for` yields the names of subjects;
    `subject_count`, `has_subject`, `revision` and `calibration` are calls too. Raises the same errors.

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
    transport : httpx2.AsyncBaseTransport, optional
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
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        self._calls = calls_of(url, gallery, timeout, retries)
        self._http: httpx2.AsyncClient = http_library().AsyncClient(**options(key, timeout), transport=transport)
        self.url = url

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"AsyncClient({self.url!r})"

    async def __aiter__(self) -> AsyncIterator[str]:
        for subject in await self.subjects():
            yield subject.name

    async def subject_count(self) -> int:
        """The number of subjects."""
        return (await self.find_subjects(limit=1)).total

    @check_types
    async def has_subject(self, name: str) -> bool:
        """Whether there is a subject of that name."""
        return await self._run(self._calls.has_subject(name))

    async def revision(self) -> int:
        """Number of the last change of the gallery."""
        return await self._run(self._calls.revision())

    async def calibration(self) -> CalibrationSummary | None:
        """The rule in force; None if there is none."""
        return await self._run(self._calls.calibration())

    async def subjects(self) -> list[Subject]:
        """List every subject, by name; a page at a time, between which the gallery may change."""
        return await self._run(self._calls.subjects())

    @check_types
    async def find_subjects(
        self,
        search: str = "",
        *,
        sort: str = "name",
        after: Subject | None = None,
        limit: int = 50,
    ) -> SubjectPage:
        """As `Gallery.find_subjects`; `limit` is at most 1000, and `search` has at most 200 characters."""
        return await self._run(self._calls.find_subjects(search, sort, after, limit))

    @check_types
    async def subject(self, name: str) -> Subject:
        """Return the record of a subject. Raises `SubjectNotFound`."""
        return await self._run(self._calls.subject(name))

    @check_types
    async def examples(self, subject: str) -> list[StoredExample]:
        """List the examples of a subject in the order of enrollment. Raises `SubjectNotFound`."""
        return await self._run(self._calls.examples(subject))

    @check_types
    async def example(self, number: int) -> StoredExample:
        """Return the record of an example, by its number. Raises `NumberNotFound`."""
        return await self._run(self._calls.example(number))

    @check_types
    async def picture(self, example: int) -> bytes | None:
        """Return the small copy that was kept of an example, as a WebP file; None if none was kept."""
        return await self._run(self._calls.picture(example))

    async def merges(self) -> list[Merge]:
        """List every merge that can be undone, oldest first."""
        return await self._run(self._calls.merges())

    @check_types
    async def audit(
        self, subject: str | None = None, *, before: int | None = None, limit: int = 50
    ) -> list[AuditEntry]:
        """As `Gallery.audit`; `limit` is at most 1000. Needs a key with the role admin."""
        return await self._run(self._calls.audit(subject, before, limit))

    @check_types
    async def rejections(
        self, subject: str | None = None, *, after: int = 0, limit: int | None = None
    ) -> list[Rejection]:
        """As `Gallery.rejections`, without hashes and pictures; a `limit` is at most 1000."""
        return await self._run(self._calls.rejections(subject, after, limit))

    async def example_count(self) -> int:
        """The number of examples."""
        return await self._run(self._calls.example_count())

    @check_types
    async def enroll(
        self,
        subject: str,
        pictures: Source | Iterable[Source],
        *,
        skipped: list[Skipped] | None = None,
    ) -> Enrollment:
        """As `Gallery.enroll`, in one request: the server limits its size and the number of pictures."""
        return await self._run(self._calls.enroll(subject, pictures, skipped))

    @check_types
    async def enroll_dataset(
        self,
        dataset: Dataset | str | os.PathLike[str],
        *,
        progress: Progress | None = None,
    ) -> list[Enrollment]:
        """As `Gallery.enroll_dataset`, in several requests; a class with more than 32 pictures takes several too."""
        whole = dataset if isinstance(dataset, Dataset) else await _read(dataset)
        return await self._run(self._calls.enroll_dataset(whole, progress))

    @check_types
    async def remove(self, subject: str) -> int:
        """Remove a subject with its pictures, and return how many examples it had. Raises `SubjectNotFound`."""
        return await self._run(self._calls.remove(subject))

    @check_types
    async def rename(self, old: str, new: str) -> None:
        """Rename a subject. Raises `SubjectNotFound`, `SubjectExists` or `InvalidName`."""
        await self._run(self._calls.rename(old, new))

    @check_types
    async def remove_example(self, example: int) -> str:
        """Remove one example, and return the name of its subject. Raises `NumberNotFound`."""
        return await self._run(self._calls.remove_example(example))

    @check_types
    async def move_example(self, example: int, subject: str) -> int:
        """Move one example to another subject, and return its number from then on: see `Gallery.move_example`."""
        return await self._run(self._calls.move_example(example, subject))

    @check_types
    async def merge(self, source: str, into: str) -> int:
        """Merge the subject `source` into `into`, and return the number that `unmerge` takes."""
        return await self._run(self._calls.merge(source, into))

    @check_types
    async def unmerge(self, merge: int) -> str:
        """Undo a merge, by its number, and return the name of the subject that exists again."""
        return await self._run(self._calls.unmerge(merge))

    @check_types
    async def reject(self, picture: Source, subject: str) -> int:
        """Record that a picture does not show a subject: see `Gallery.reject`."""
        return await self._run(self._calls.reject(picture, subject))

    @check_types
    async def withdraw_rejection(self, rejection: int) -> None:
        """Withdraw a rejection, by its number. Raises `NumberNotFound`."""
        await self._run(self._calls.withdraw_rejection(rejection))

    @check_types
    async def reviews(
        self, kind: str | None = None, *, after: tuple[int, int] | None = None, limit: int = 50
    ) -> ReviewPage:
        """As `Gallery.reviews`; `limit` is at most 1000."""
        return await self._run(self._calls.reviews(kind, after, limit))

    @check_types
    async def review_picture(self, review: int) -> bytes | None:
        """Return the small copy that was kept of the picture of a review, as a WebP file; None if none was kept."""
        return await self._run(self._calls.review_picture(review))

    @check_types
    async def resolve_reviews(self, reviews: Sequence[int], subject: str) -> Enrollment:
        """As `Gallery.resolve_reviews`, of at most 1000 reviews."""
        return await self._run(self._calls.resolve_reviews(reviews, subject))

    @check_types
    async def dismiss_reviews(self, reviews: Sequence[int]) -> None:
        """Delete reviews, by number, with their pictures: all or none. At most 1000 at a time."""
        await self._run(self._calls.dismiss_reviews(reviews))

    @check_types
    async def map(self, method: str = "pca", *, seed: int = 0, progress: Progress | None = None) -> Map:
        """As `Gallery.map`; the server must have the package that the method needs."""
        return await self._run(self._calls.map(method, seed, progress))

    @check_types
    async def last_map(self, method: str) -> Map | None:
        """Return the map that was computed last by a method, None if there is none: see `Gallery.last_map`."""
        return await self._run(self._calls.last_map(method))

    @check_types
    async def identify(self, picture: Source, *, k: int = 5) -> Identification:
        """Name the subject that a picture shows, or report that it is unknown; `k` is at most 1000."""
        return await self._run(self._calls.identify(picture, k))

    @check_types
    async def identify_many(
        self,
        pictures: Source | Iterable[Source],
        *,
        k: int = 5,
        progress: Progress | None = None,
        skipped: list[Skipped] | None = None,
    ) -> list[Identification]:
        """As `Gallery.identify_many`, with at most 32 pictures in a request."""
        return await self._run(self._calls.identify_many(pictures, k, progress, skipped))

    @check_types
    async def verify(self, picture: Source, other: Source) -> Verification:
        """Decide whether two pictures show the same subject. Raises `PictureError`."""
        return await self._run(self._calls.verify(picture, other))

    @check_types
    async def verify_subject(self, picture: Source, subject: str) -> Verification:
        """Decide whether a picture shows a subject. Raises `SubjectNotFound` or `PictureError`."""
        return await self._run(self._calls.verify_subject(picture, subject))

    @check_types
    async def explain(self, picture: Source, *, k: int = 3) -> EvidenceSheet:
        """The evidence for an identification, as the sheet that `Evidence.png` draws; `k` is at most 10."""
        return await self._run(self._calls.explain(picture, k))

    @check_types
    async def calibrate(
        self,
        *,
        fpir: float,
        uncertain: float | None = None,
        scoring: Scoring | None = NEAREST,
        seed: int = 0,
    ) -> CalibrationSummary:
        """As `Gallery.calibrate`, on the enrolled subjects. Needs a key with the role admin."""
        return await self._run(self._calls.calibrate(fpir, uncertain, scoring, seed))

    @check_types
    async def evaluate(self, *, max_probes: int = 2000, seed: int = 0) -> Accuracy:
        """As `Gallery.evaluate`; `max_probes` is at most 10,000."""
        return await self._run(self._calls.evaluate(max_probes, seed))

    @check_types
    async def det_curve(self, *, max_points: int = 200, max_probes: int = 2000, seed: int = 0) -> DetCurve:
        """Measure what each rate of false positives costs, by the enrolled examples: see `Gallery.det_curve`."""
        return await self._run(self._calls.det_curve(max_points, max_probes, seed))

    @check_types
    async def changed_answers(
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
        return await self._run(self._calls.changed_answers(before, after, probes, offset, limit, max_probes, seed))

    @check_types
    async def check(self, *, min_score: float = 0.5, seed: int = 0, progress: Progress | None = None) -> Check:
        """Find wrong labels, near-duplicates, outliers, and subjects to merge or split: see `Gallery.check`."""
        return await self._run(self._calls.check(min_score, seed, progress))

    @check_types
    async def cluster(
        self,
        pictures: Iterable[Source],
        *,
        seed: int = 0,
        progress: Progress | None = None,
    ) -> Clustering:
        """As `Gallery.cluster`, in one request: the server limits its size and the number of pictures."""
        return await self._run(self._calls.cluster(pictures, seed, progress))

    async def _run(self, steps: Steps[T]) -> T:
        """Send the requests of a call, and return its result."""
        from anyio import sleep, to_thread  # which httpx2 brings

        got: Answer | NoAnswer | None = None
        while not isinstance(step := await to_thread.run_sync(advance, steps, got), Done):
            if isinstance(step, float):
                await sleep(step)
                got = None
                continue
            try:
                got = answer_of(
                    await self._http.request(step.method, step.url, content=step.content, headers=dict(step.headers))
                )
            except http_library().HTTPError as error:
                got = no_answer(error)
        return step.value


async def _read(dataset: str | os.PathLike[str]) -> Dataset:
    from anyio import to_thread

    return await to_thread.run_sync(read_dataset, dataset)
