"""What a gallery lists: pages of subjects, single records, and the number of its last change."""

from pathlib import Path

import pytest
from tests.tiny_model import noise

from semelha.embedders import Model
from semelha.errors import GalleryNotWritable, InvalidName, NumberNotFound, SubjectNotFound, UsageError
from semelha.gallery import Gallery
from semelha.store import Subject


@pytest.fixture
def gallery(tiny: Model, tmp_path: Path) -> Gallery:
    """Five subjects, of which the second has three examples and the others one."""
    made = Gallery.create(tmp_path / "gallery", tiny)
    for number, name in enumerate(["Apfel", "birne", "Äpfel", "100% _Saft", "kiwi/grün"]):
        made.enroll(name, [noise(10 * number + turn) for turn in range(3 if name == "birne" else 1)])
    return made


def pages(gallery: Gallery, limit: int, search: str = "", sort: str = "name") -> list[str]:
    """Names of all pages."""
    names: list[str] = []
    after: Subject | None = None
    while True:
        page = gallery.find_subjects(search, sort=sort, after=after, limit=limit)
        if not page.subjects:
            return names
        names += [one.name for one in page.subjects]
        after = page.subjects[-1]


@pytest.mark.parametrize("sort", ["name", "-name", "created", "-created", "examples", "-examples"])
@pytest.mark.parametrize("limit", [1, 2, 5])
def test_pages_of_any_length_have_every_subject_once_in_one_order(gallery: Gallery, sort: str, limit: int) -> None:
    names = pages(gallery, limit, sort=sort)
    assert sorted(names) == sorted(gallery)
    assert names == pages(gallery, 100, sort=sort)
    if "examples" in sort:
        assert names[0 if sort.startswith("-") else -1] == "birne"


def test_a_search_finds_parts_of_names_in_upper_and_lower_case_and_no_patterns(gallery: Gallery) -> None:
    assert pages(gallery, 2, "ÄPF") == ["Äpfel"]
    assert pages(gallery, 2, "pfel") == ["Apfel", "Äpfel"]
    assert pages(gallery, 2, "%") == pages(gallery, 2, "_") == ["100% _Saft"]
    assert gallery.find_subjects("pfel", limit=1).total == 2
    assert gallery.find_subjects("nobody").total == 0


def test_a_page_asks_for_a_known_order_and_a_positive_length(gallery: Gallery) -> None:
    with pytest.raises(UsageError, match=r"sort is 'size'.*-examples"):
        gallery.find_subjects(sort="size")
    with pytest.raises(UsageError, match="limit is 0"):
        gallery.find_subjects(limit=0)


def test_single_records(gallery: Gallery) -> None:
    assert gallery.subject(" birne").examples == 3
    with pytest.raises(SubjectNotFound):
        gallery.subject("nobody")
    (listed,) = gallery.examples("Apfel")
    assert gallery.example(listed.number) == listed
    assert gallery.example_count() == 7
    with pytest.raises(NumberNotFound):
        gallery.example(999)


def test_pages_of_examples_have_every_one_once_in_the_order_of_enrollment(gallery: Gallery) -> None:
    every = sorted((one for name in gallery for one in gallery.examples(name)), key=lambda one: one.number)
    pages = [gallery.find_examples(offset=offset, limit=3) for offset in (0, 3, 6, 9)]
    assert [one for page in pages for one in page.examples] == every
    assert {page.total for page in pages} == {7}
    assert list(gallery.find_examples(" birne").examples) == gallery.examples("birne")
    assert gallery.find_examples("birne", offset=1, limit=1).examples == (gallery.examples("birne")[1],)
    assert gallery.find_examples("nobody").total == 0
    for wrong in ({"offset": -1}, {"limit": 0}):
        with pytest.raises(UsageError, match="offset is"):
            gallery.find_examples(**wrong)


def test_all_subjects_are_removed_as_one_change(gallery: Gallery) -> None:
    before = gallery.examples("birne")
    gallery.merge("Apfel", "birne")
    assert gallery.remove_all() == 4
    assert (len(gallery), gallery.example_count(), gallery.merges()) == (0, 0, [])
    assert gallery.identify(noise(0)).candidates == ()
    assert gallery.remove_all() == 0
    gallery.enroll("new", noise(1))
    assert gallery.examples("new")[0].number > before[-1].number


def test_every_change_has_another_revision_also_from_another_process(gallery: Gallery) -> None:
    seen = {gallery.revision}
    assert gallery.revision in seen
    number = gallery.enroll("new", noise(90)).numbers[0]
    seen.add(gallery.revision)
    gallery.move_example(number, "birne")
    seen.add(gallery.revision)
    gallery.reject(noise(91), "birne")
    seen.add(gallery.revision)
    with Gallery(gallery.path) as other:
        other.remove_example(number)
    seen.add(gallery.revision)
    assert len(seen) == 5


def test_an_enrollment_has_the_numbers_of_its_examples(gallery: Gallery) -> None:
    done = gallery.enroll("Apfel", [noise(0), noise(92)])
    assert done.added == len(done.numbers) == 1
    assert gallery.example(done.numbers[0]).subject == "Apfel"
    assert done.duplicate_numbers == (gallery.examples("Apfel")[0].number,)
    assert gallery.enroll("kiwi", [noise(93), noise(93)]).duplicate_numbers == (gallery.examples("kiwi")[0].number,)


@pytest.mark.folder_only
def test_errors_say_which_kind_they_are(gallery: Gallery, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server answers each kind with another status."""
    with pytest.raises(InvalidName):
        gallery.rename("Apfel", "unknown")
    for call in (gallery.remove_example, gallery.unmerge, gallery.withdraw_rejection):
        with pytest.raises(NumberNotFound):
            call(12345)
    monkeypatch.setattr(gallery._store, "read_only", "no space")
    with pytest.raises(GalleryNotWritable):
        gallery.remove("Apfel")
