"""`GalleryContents`: lists what a gallery holds. A base of `Gallery`."""

from __future__ import annotations

from collections.abc import Iterator

from semelha.arguments import check_types
from semelha.errors import UsageError
from semelha.store import AuditEntry, ExamplePage, Merge, Rejection, Store, StoredExample, Subject, SubjectPage
from semelha.untrusted import normalized_name


class GalleryContents:
    """The subjects, examples, merges and rejections of a gallery. Each call reads them at one change."""

    _store: Store

    def __len__(self) -> int:
        with self._store.reading() as view:
            return view.subject_count()

    def __contains__(self, subject: object) -> bool:
        with self._store.reading() as view:
            return isinstance(subject, str) and view.has_subject(normalized_name(subject))

    def __iter__(self) -> Iterator[str]:
        return (subject.name for subject in self.subjects())

    def subjects(self) -> list[Subject]:
        """List every subject, by name."""
        with self._store.reading() as view:
            return view.subjects()

    @check_types
    def find_subjects(
        self, search: str = "", *, sort: str = "name", after: Subject | None = None, limit: int = 50
    ) -> SubjectPage:
        """List at most `limit` subjects whose names contain `search` in upper or lower case, and count all of these.

        `sort` is "name", "created" or "examples", with "-" before it to descend. `after` is the last subject of the
        page before. Raises `UsageError` for another `sort`, or a `limit` below 1.
        """
        with self._store.reading() as view:
            return view.find_subjects(normalized_name(search), sort, after, limit)

    @check_types
    def subject(self, name: str) -> Subject:
        """Return the record of a subject. Raises `SubjectNotFound`."""
        with self._store.reading() as view:
            return view.subject(normalized_name(name))

    @check_types
    def examples(self, subject: str) -> list[StoredExample]:
        """List the examples of a subject in the order of enrollment. Raises `SubjectNotFound`."""
        with self._store.reading() as view:
            return view.examples(normalized_name(subject))

    @check_types
    def find_examples(self, subject: str | None = None, *, offset: int = 0, limit: int = 50) -> ExamplePage:
        """List at most `limit` examples of a subject, or of all, after the first `offset` ones, and count all of these.

        They are in the order of enrollment; a subject that does not exist has none. Raises `UsageError` for an `offset`
        below 0, or a `limit` below 1.
        """
        if offset < 0 or limit < 1:
            raise UsageError(f"offset is {offset} and limit {limit}: they must be at least 0 and 1")
        with self._store.reading() as view:
            return view.find_examples(None if subject is None else normalized_name(subject), offset, limit)

    @check_types
    def example(self, number: int) -> StoredExample:
        """Return the record of an example, by its number. Raises `NumberNotFound`."""
        with self._store.reading() as view:
            return view.example(number)

    @check_types
    def picture(self, example: int) -> bytes | None:
        """Return the small copy that was kept of an example, as a WebP file; None if none was kept."""
        with self._store.reading() as view:
            return view.picture(example)

    def merges(self) -> list[Merge]:
        """List every merge that can be undone, oldest first."""
        with self._store.reading() as view:
            return view.merges()

    @check_types
    def rejections(self, subject: str | None = None, *, after: int = 0, limit: int | None = None) -> list[Rejection]:
        """List the pictures that were rejected for a subject, or for any, in the order of their numbers.

        At most `limit` after the number `after`; all by default. Raises `SubjectNotFound`, and `UsageError` for an
        `after` below 0, or a `limit` below 1.
        """
        if after < 0 or (limit is not None and limit < 1):
            raise UsageError(f"after is {after} and limit {limit}: they must be at least 0 and 1")
        with self._store.reading() as view:
            return view.rejections(None if subject is None else normalized_name(subject), after, limit or -1)

    @check_types
    def audit(self, subject: str | None = None, *, before: int | None = None, limit: int = 50) -> list[AuditEntry]:
        """List at most `limit` entries of the audit log, newest first: of a subject, or of all.

        `before` is the number of the last entry of the page before. The log has no names of its own: the entries have
        the present ones, and None for a subject that was removed. It keeps the latest million entries. Raises
        `SubjectNotFound`, or `UsageError` for a `limit` below 1.
        """
        if limit < 1:
            raise UsageError(f"limit is {limit}: it must be at least 1")
        with self._store.reading() as view:
            number = None if subject is None else view.number_of(view.subject(normalized_name(subject)).name)
            return view.audit(number, before, limit)

    @property
    def revision(self) -> int:
        """Number of the last change of subjects, examples, rejections, merges or the calibration, by any process."""
        with self._store.reading() as view:
            return view.change

    def example_count(self) -> int:
        """The number of examples."""
        with self._store.reading() as view:
            return len(view)
