"""The requests of each call, as generators that know no connection: `Client` and `AsyncClient` send them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from semelha.arguments import check_any
from semelha.client import answers
from semelha.client.answers import CalibrationSummary, EvidenceSheet, parsed
from semelha.client.exchange import Steps
from semelha.client.pictures import Content, batches, content_of, contents_of, usable
from semelha.client.requests import Requests, cursor_after, cursor_of, segment
from semelha.embedders import Progress, Source
from semelha.errors import NumberNotFound, PictureError, ServiceError, SubjectNotFound, UsageError
from semelha.gallery import (
    Accuracy,
    ChangedAnswers,
    Check,
    Cluster,
    Clustering,
    DetCurve,
    Enrollment,
    Map,
    ReviewPage,
)
from semelha.images import Dataset, Skipped, for_use
from semelha.images.picture import iterate_sources, name_of
from semelha.recognition import Identification, Scoring, Verification
from semelha.store import AuditEntry, Merge, Rejection, StoredExample, Subject, SubjectPage
from semelha.text import as_unicode
from semelha.untrusted import MAX_NAME_LENGTH, checked_name, normalized_name

NO_PICTURE = "no-picture"


class Calls:
    """The calls of a gallery of a server. Parameters as for `Requests`."""

    def __init__(self, address: str, gallery: str | None, retries: int, timeout: float) -> None:
        self._server = Requests(address, gallery, retries, timeout)

    def subjects(self) -> Steps[list[Subject]]:
        return (yield from self._server.pages("/subjects", "subjects", answers.subject))

    def find_subjects(self, search: str, sort: str, after: Subject | None, limit: int) -> Steps[SubjectPage]:
        query = {"search": normalized_name(search), "sort": as_unicode(sort), "limit": str(limit)}
        if after is not None:
            query["cursor"] = cursor_after(after)
        found = yield from self._server.json("GET", "/subjects", query)
        return parsed(lambda one: SubjectPage(tuple(map(answers.subject, one["subjects"])), one["total"]), found)

    def subject(self, name: str) -> Steps[Subject]:
        return parsed(answers.subject, (yield from self._server.json("GET", _subject(name))))

    def has_subject(self, name: str) -> Steps[bool]:
        try:
            yield from self.subject(name)
        except SubjectNotFound:
            return False
        return True

    def examples(self, subject: str) -> Steps[list[StoredExample]]:
        return (yield from self._server.pages(f"{_subject(subject)}/examples", "examples", answers.example))

    def example(self, number: int) -> Steps[StoredExample]:
        return parsed(answers.example, (yield from self._server.json("GET", f"/examples/{_number(number)}")))

    def picture(self, example: int) -> Steps[bytes | None]:
        try:
            answer = yield from self._server.send("GET", f"/examples/{_number(example)}/image", accepted=NO_PICTURE)
        except NumberNotFound:
            return None
        return answer.content if answer.status == 200 else None

    def merges(self) -> Steps[list[Merge]]:
        found = yield from self._server.json("GET", "/merges")
        return parsed(lambda many: [answers.merge(one) for one in many], found)

    def audit(self, subject: str | None, before: int | None, limit: int) -> Steps[list[AuditEntry]]:
        query = {"limit": str(limit)}
        if subject is not None:
            query["subject"] = _existing(subject)
        if before is not None:
            query["cursor"] = cursor_of([before])
        found = yield from self._server.json("GET", "/audit", query)
        return parsed(lambda one: [answers.audit_entry(each) for each in one["entries"]], found)

    def rejections(self, subject: str | None, after: int, limit: int | None) -> Steps[list[Rejection]]:
        if after < 0:
            raise UsageError(f"after is {after}: it must be at least 0")
        query = {"cursor": cursor_of([after])}
        if subject is not None:
            query["subject"] = _existing(subject)
        if limit is None:
            return (yield from self._server.pages("/rejections", "rejections", answers.rejection, query))
        found = yield from self._server.json("GET", "/rejections", {**query, "limit": str(limit)})
        return parsed(lambda one: [answers.rejection(each) for each in one["rejections"]], found)

    def revision(self) -> Steps[int]:
        answer = yield from self._server.send("GET", "/model")
        return parsed(answers.revision, answer.headers.get("etag", ""))

    def example_count(self) -> Steps[int]:
        return parsed(lambda one: int(one["examples"]), (yield from self._server.gallery()))

    def enroll(
        self, subject: str, pictures: Source | Iterable[Source], skipped: list[Skipped] | None
    ) -> Steps[Enrollment]:
        name = checked_name(subject)
        sources = list(iterate_sources(pictures))
        if not sources:
            raise UsageError(f"pictures is empty: enrolling {name} takes one picture or more")
        contents = usable(sources, contents_of(sources), skipped)
        found = yield from self._enroll(name, contents, strict=skipped is None)
        if skipped is not None:
            skipped += parsed(lambda one: [answers.skipped(each) for each in one["skipped"]], found)
        return parsed(answers.enrollment, found)

    def enroll_dataset(self, dataset: Dataset, progress: Progress | None) -> Steps[list[Enrollment]]:
        used = for_use(dataset, "enrolling")
        classes: dict[str, list[Source]] = {}
        for picture in used:
            classes.setdefault(picture.label, []).append(picture)
        names = {label: checked_name(label) for label in classes}
        enrollments, done = [], 0
        for label, sources in classes.items():
            parts = []
            for batch in batches(contents_of(sources)):
                parts.append((yield from self._enroll_batch(names[label], batch)))
                done += len(batch)
                if progress is not None:
                    progress(done, len(used))
            enrollments.append(answers.joined(names[label], parts))
        return enrollments

    def remove(self, subject: str) -> Steps[int]:
        found = yield from self._server.write("DELETE", _subject(subject))
        return parsed(lambda one: int(one["examples"]), found)

    def rename(self, old: str, new: str) -> Steps[None]:
        yield from self._server.write("PATCH", _subject(old), {"name": checked_name(new)})

    def remove_example(self, example: int) -> Steps[str]:
        found = yield from self._server.write("DELETE", f"/examples/{_number(example)}")
        return parsed(lambda one: str(one["subject"]), found)

    def move_example(self, example: int, subject: str) -> Steps[int]:
        found = yield from self._server.write(
            "POST", f"/examples/{_number(example)}/move", {"subject": checked_name(subject)}
        )
        return parsed(lambda one: int(one["id"]), found)

    def merge(self, source: str, into: str) -> Steps[int]:
        found = yield from self._server.write("POST", f"{_subject(source)}/merge", {"into": checked_name(into)})
        return parsed(lambda one: int(one["id"]), found)

    def unmerge(self, merge: int) -> Steps[str]:
        found = yield from self._server.write("POST", f"/merges/{_number(merge)}/undo")
        return parsed(lambda one: str(one["name"]), found)

    def reject(self, picture: Source, subject: str) -> Steps[int]:
        content = {"subject": _existing(subject), "pictures": [content_of(picture)]}
        return parsed(lambda one: int(one["id"]), (yield from self._server.write("POST", "/reject", content)))

    def withdraw_rejection(self, rejection: int) -> Steps[None]:
        yield from self._server.write("DELETE", f"/rejections/{_number(rejection)}")

    def reviews(self, kind: str | None, after: tuple[int, int] | None, limit: int) -> Steps[ReviewPage]:
        query = {"limit": str(limit)}
        if kind is not None:
            query["kind"] = as_unicode(kind)
        if after is not None:
            query["cursor"] = cursor_of(list(after))
        return parsed(answers.review_page, (yield from self._server.json("GET", "/reviews", query)))

    def review_picture(self, review: int) -> Steps[bytes | None]:
        answer = yield from self._server.send("GET", f"/reviews/{_number(review)}/image", accepted=NO_PICTURE)
        return answer.content if answer.status == 200 else None

    def resolve_reviews(self, reviews: Sequence[int], subject: str) -> Steps[Enrollment]:
        content = {"ids": _numbers(reviews), "subject": checked_name(subject)}
        return parsed(answers.enrollment, (yield from self._server.write("POST", "/reviews/resolve", content)))

    def dismiss_reviews(self, reviews: Sequence[int]) -> Steps[None]:
        yield from self._server.write("POST", "/reviews/dismiss", {"ids": _numbers(reviews)})

    def identify(self, picture: Source, k: int) -> Steps[Identification]:
        return (yield from self.identify_many([picture], k, None, None))[0]

    def identify_many(
        self,
        pictures: Source | Iterable[Source],
        k: int,
        progress: Progress | None,
        skipped: list[Skipped] | None,
    ) -> Steps[list[Identification]]:
        sources = list(iterate_sources(pictures))
        results: list[Identification] = []
        done = 0
        for batch in batches(contents_of(sources)):
            results += yield from self._identify_batch(sources[done : done + len(batch)], done, batch, k, skipped)
            done += len(batch)
            if progress is not None:
                progress(done, len(sources))
        return results

    def verify(self, picture: Source, other: Source) -> Steps[Verification]:
        content = {"pictures": [content_of(picture), content_of(other, 1)]}
        return parsed(answers.verification, (yield from self._server.json("POST", "/verify", content=content)))

    def verify_subject(self, picture: Source, subject: str) -> Steps[Verification]:
        content = {"pictures": [content_of(picture)]}
        found = yield from self._server.json("POST", f"{_subject(subject)}/verify", content=content)
        return parsed(answers.verification, found)

    def explain(self, picture: Source, k: int) -> Steps[EvidenceSheet]:
        answer = yield from self._server.send("POST", "/explain", {"k": str(k)}, {"pictures": [content_of(picture)]})
        return EvidenceSheet(answer.content)

    def calibrate(
        self, fpir: float, uncertain: float | None, scoring: Scoring | None, seed: int
    ) -> Steps[CalibrationSummary]:
        content = {
            "fpir": float(fpir),
            "uncertain": None if uncertain is None else float(uncertain),
            "scoring": "choose" if scoring is None else scoring.name,
            "seed": int(seed),
        }
        found = parsed(answers.calibration, (yield from self._server.job("/calibration", {}, content, None)))
        if found is None:
            raise ServiceError("the gallery is not calibrated, although the server has calibrated it: try again")
        return found

    def calibration(self) -> Steps[CalibrationSummary | None]:
        return parsed(answers.calibration, (yield from self._server.json("GET", "/calibration")))

    def det_curve(self, max_points: int, max_probes: int, seed: int) -> Steps[DetCurve]:
        query = {"max_points": str(max_points), "max_probes": str(max_probes), "seed": str(seed)}
        return parsed(answers.det_curve, (yield from self._server.json("GET", "/calibration/curve", query)))

    def changed_answers(
        self, before: float, after: float, probes: str, offset: int, limit: int, max_probes: int, seed: int
    ) -> Steps[ChangedAnswers]:
        query = {
            "before": repr(float(before)),
            "after": repr(float(after)),
            "probes": as_unicode(probes),
            "cursor": cursor_of([offset]),
            "limit": str(limit),
            "max_probes": str(max_probes),
            "seed": str(seed),
        }
        return parsed(answers.changed_answers, (yield from self._server.json("GET", "/calibration/changes", query)))

    def evaluate(self, max_probes: int, seed: int) -> Steps[Accuracy]:
        query = {"max_probes": str(max_probes), "seed": str(seed)}
        return parsed(answers.accuracy, (yield from self._server.json("GET", "/evaluation", query)))

    def check(self, min_score: float, seed: int, progress: Progress | None) -> Steps[Check]:
        query = {"min_score": repr(float(min_score)), "seed": str(seed)}
        return parsed(answers.check, (yield from self._server.job("/check", query, None, progress)))

    def cluster(self, pictures: Iterable[Source], seed: int, progress: Progress | None) -> Steps[Clustering]:
        sources = list(iterate_sources(pictures))
        read = list(contents_of(sources))
        places = [place for place, one in enumerate(read) if isinstance(one, dict)]
        if not places:
            raise next((one for one in read if isinstance(one, PictureError)), UsageError("pictures is empty"))
        content = {"pictures": [read[place] for place in places]}
        found = yield from self._server.job("/cluster", {"seed": str(seed)}, content, progress)
        whole = parsed(answers.clustering, found)
        unread = [
            Skipped(name_of(sources[place], place), str(one))
            for place, one in enumerate(read)
            if isinstance(one, PictureError)
        ]
        clusters = parsed(lambda many: tuple(_placed(one, places) for one in many), whole.clusters)
        names = tuple(name_of(one, place) for place, one in enumerate(sources))
        return replace(whole, clusters=clusters, names=names, skipped=(*unread, *whole.skipped))

    def map(self, method: str, seed: int, progress: Progress | None) -> Steps[Map]:
        if method != "pca":
            yield from self._server.job("/map", {}, {"method": as_unicode(method), "seed": seed}, progress)
        found = yield from self.last_map(method)
        if found is None:
            raise ServiceError(f"the map by {method} is gone: the gallery was replaced, compute it again")
        return found

    def last_map(self, method: str) -> Steps[Map | None]:
        query = {"method": as_unicode(method)}
        answer = yield from self._server.send("GET", "/map", query, accepted="no-map")
        return parsed(answers.layout, answer.json()) if answer.status == 200 else None

    def _enroll(self, name: str, contents: list[Content], *, strict: bool) -> Steps[Any]:
        query = {"strict": "true"} if strict else {}
        return (yield from self._server.write("POST", "/subjects", {"name": name, "pictures": contents}, query))

    def _enroll_batch(self, name: str, batch: Sequence[Content | PictureError]) -> Steps[Enrollment]:
        """Enroll pictures of a class; those that cannot be used become warnings."""
        errors = [str(one) for one in batch if isinstance(one, PictureError)]
        contents = [one for one in batch if isinstance(one, dict)]
        if not contents:
            return Enrollment(name, 0, warnings=tuple(errors))
        try:
            found = yield from self._enroll(name, contents, strict=False)
        except PictureError as error:  # there is no other picture
            return Enrollment(name, 0, warnings=(*errors, str(error)))
        done = parsed(answers.enrollment, found)
        left_out = parsed(lambda one: [str(each["reason"]) for each in one["skipped"]], found)
        return Enrollment(done.subject, done.added, done.duplicates, (*done.warnings, *errors, *left_out), done.numbers)

    def _identify_batch(
        self,
        sources: Sequence[Source],
        first: int,
        batch: Sequence[Content | PictureError],
        k: int,
        skipped: list[Skipped] | None,
    ) -> Steps[list[Identification]]:
        """Identify pictures in one request. Those that cannot be used are appended to `skipped`, in their order."""
        reasons = {place: one for place, one in enumerate(batch) if isinstance(one, PictureError)}
        if reasons and skipped is None:
            raise next(iter(reasons.values()))
        places = [place for place in range(len(batch)) if place not in reasons]
        found: list[Identification] = []
        if places:
            content = {"pictures": [batch[place] for place in places]}
            try:
                answer = yield from self._server.json("POST", "/identify", {"k": str(k)}, content)
            except PictureError as error:
                if skipped is None:
                    raise
                reasons[places[0]] = error
            else:
                found = parsed(lambda one: [answers.identification(each) for each in one["answers"]], answer)
                for position, reason in parsed(_left_out, answer):
                    reasons[places[position]] = PictureError(reason)
        if reasons and skipped is None:
            raise reasons[min(reasons)]
        if skipped is not None:
            skipped += [
                Skipped(name_of(sources[place], first + place), str(reasons[place])) for place in sorted(reasons)
            ]
        return found


def _existing(name: str) -> str:
    """The name of a subject that may exist. Raises `SubjectNotFound` for one that cannot, without a request."""
    normalized = normalized_name(name)
    if not 0 < len(normalized) <= MAX_NAME_LENGTH:
        raise SubjectNotFound(f"no subject is called {normalized!r}")
    return normalized


def _number(number: int) -> int:
    """A number that an example, merge or rejection may have. Raises `NumberNotFound`."""
    if number < 0:
        raise NumberNotFound(f"there is nothing with the number {number}")
    return number


def _numbers(reviews: Sequence[int]) -> list[int]:
    """Numbers of reviews. Raises `NumberNotFound`, and `UsageError` if there is none."""
    check_any("reviews", reviews)
    return [_number(int(one)) for one in reviews]


def _subject(name: str) -> str:
    return f"/subjects/{segment(_existing(name))}"


def _left_out(one: Any) -> list[tuple[int, str]]:
    """Position and reason of each picture that cannot be used."""
    return [(int(each["position"]), str(each["reason"])) for each in one["skipped"]]


def _placed(cluster: Cluster, places: Sequence[int]) -> Cluster:
    """A cluster with the positions that its pictures had before some were left out."""
    return replace(cluster, pictures=tuple(places[one] for one in cluster.pictures))
