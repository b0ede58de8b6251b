"""One rule for names, in every method of a gallery that takes one: composed, trimmed, printable, and not "unknown"."""

import inspect
import os
import sqlite3
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.tiny_model import noise

from semelha.embedders import Model
from semelha.errors import GalleryError, SubjectNotFound
from semelha.gallery import Gallery
from semelha.images import Dataset, Picture
from semelha.recognition import Identification

STORED = "Café Å"
WRITTEN = [f" {unicodedata.normalize('NFD', STORED)}\t", f"{STORED}\u3000", "Cafe\u0301 \u212b"]
"""Other ways to write the same name: decomposed, with spaces around it, with the sign for angstrom."""

NAMES = ("subject", "old", "new", "source", "into")
"""Arguments of methods that are names of subjects."""


@pytest.fixture
def gallery(tiny: Model, tmp_path: Path) -> Iterator[Gallery]:
    with Gallery.create(tmp_path / "shop", tiny, threads=1) as made:
        made.enroll(STORED, [noise(1), noise(2)])
        made.enroll("pear", noise(3))
        yield made


def reviewed(gallery: Gallery) -> list[int]:
    """A picture in review."""
    unknown = Identification("unknown", None, None, None, (), "")
    return gallery.keep_for_review(gallery.embed_probes([noise(9)]), [unknown])


OLD: dict[str, Callable[[Gallery, str], object]] = {
    "__contains__": lambda gallery, name: name in gallery,
    "enroll": lambda gallery, name: gallery.enroll(name, noise(4)),
    "enroll_vectors": lambda gallery, name: gallery.enroll_vectors(
        name, gallery.model.embed(noise(5)), ["x"], fingerprint=gallery.model.fingerprint
    ),
    "enroll_dataset": lambda gallery, name: gallery.enroll_dataset(Dataset("d", (Picture(noise(6), name, "p"),))),
    "examples": lambda gallery, name: gallery.examples(name),
    "audit": lambda gallery, name: len(gallery.audit(name)) > 0,
    "find_examples": lambda gallery, name: gallery.find_examples(name).total > 0,
    "move_example": lambda gallery, name: gallery.move_example(3, name),
    "rename old": lambda gallery, name: gallery.rename(name, "quince"),
    "merge source": lambda gallery, name: gallery.merge(name, "pear"),
    "merge into": lambda gallery, name: gallery.merge("pear", name),
    "reject": lambda gallery, name: gallery.reject(noise(7), name),
    "rejections": lambda gallery, name: gallery.rejections(name),
    "resolve_reviews": lambda gallery, name: gallery.resolve_reviews(reviewed(gallery), name),
    "verify_subject": lambda gallery, name: gallery.verify_subject(noise(8), name),
    "remove": lambda gallery, name: gallery.remove(name),
}
"""Methods that take the name of a subject that may be there."""
NEW: dict[str, Callable[[Gallery, str], object]] = {
    "enroll": OLD["enroll"],
    "enroll_vectors": OLD["enroll_vectors"],
    "enroll_dataset": OLD["enroll_dataset"],
    "move_example": OLD["move_example"],
    "resolve_reviews": OLD["resolve_reviews"],
    "rename new": lambda gallery, name: gallery.rename("pear", name),
    "merge into": OLD["merge into"],
}
"""Methods that make a subject of that name."""


def test_every_method_with_a_name_is_tested() -> None:
    tested = {title.split()[0] for title in {**OLD, **NEW}}
    methods: dict[str, Any] = dict(inspect.getmembers(Gallery, inspect.isfunction))
    named = {name for name, method in methods.items() if {*inspect.signature(method).parameters} & {*NAMES}}
    assert named <= tested


@pytest.mark.parametrize("written", WRITTEN, ids=["decomposed", "space", "compatible"])
@pytest.mark.parametrize("method", OLD)
def test_a_name_is_found_however_it_is_written(method: str, written: str, gallery: Gallery) -> None:
    assert OLD[method](gallery, written) is not False
    others = {"pear", "quince"}
    assert set(gallery) <= {STORED, *others}, "no second subject"


@pytest.mark.parametrize("method", OLD)
def test_a_name_that_is_not_there_is_not_found(method: str, gallery: Gallery) -> None:
    before = len(gallery)
    for name in ("nobody", "", "\x1b[31m", "x" * 300, "unknown"):
        try:
            found = OLD[method](gallery, name)
        except (SubjectNotFound, GalleryError) as error:
            assert "\x1b" not in str(error)  # noqa: PT017
        else:
            assert found is False or name == "nobody"
    assert len(gallery) <= before + 1


@pytest.mark.parametrize("method", NEW)
@pytest.mark.parametrize(
    "name", ["unknown", " Unknown", "UNKNOWN\u3000", "", "\x1b[31mred", "a\nb", "a\u2028b", "x" * 201], ids=ascii
)
def test_a_name_that_no_subject_has_is_refused(method: str, name: str, gallery: Gallery) -> None:
    before = sorted(gallery), gallery.index_stats()["change"]
    with pytest.raises(GalleryError) as refused:
        NEW[method](gallery, name)
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 300
    assert (sorted(gallery), gallery.index_stats()["change"]) == before


def test_undecodable_bytes_in_a_name_are_written_out(gallery: Gallery) -> None:
    name = os.fsdecode(b"caf\xe9")
    assert gallery.enroll(name, noise(9)).subject == r"caf\xe9"
    assert name in gallery
    assert gallery.remove(name) == 1


def test_a_subject_of_an_old_gallery_that_is_called_unknown_can_be_renamed_merged_and_removed(
    tiny: Model, tmp_path: Path
) -> None:
    from semelha.store.database import connect

    with Gallery.create(tmp_path / "old", tiny, threads=1) as gallery:
        gallery.enroll("a", noise(1))
        gallery.enroll("b", noise(2))
    connection: sqlite3.Connection = connect(tmp_path / "old" / "gallery.sqlite")
    connection.execute("UPDATE subjects SET name = 'unknown', folded = 'unknown' WHERE name = 'a'")
    connection.close()
    with Gallery(tmp_path / "old") as gallery:
        assert "unknown" in gallery
        with pytest.raises(GalleryError, match="no subject can be called 'unknown'"):
            gallery.merge("b", "unknown")
        gallery.unmerge(gallery.merge("unknown", "b"))
        gallery.rename("unknown", "known")
        assert sorted(gallery) == ["b", "known"]
