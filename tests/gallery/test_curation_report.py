"""The pages about a gallery: they ask for nothing outside, and show names from outside as text."""

from pathlib import Path

import pytest
from tests.evaluation.report.test_page import Page
from tests.gallery.test_curation import filled, view_of

from semelha.embedders import Model
from semelha.errors import SemelhaError
from semelha.gallery import Gallery, write_check_report, write_clusters_report
from semelha.images import Picture

NAME = "<script>alert(1)</script>"


def look_at(path: Path) -> Page:
    """The page, of which nothing leads outside."""
    page = Page(path.read_text("utf-8"))
    for name, value in page.attributes:
        assert not name.startswith("on")
        if name in ("src", "href"):
            assert value.startswith("data:image/")
    assert not {"script", "link", "iframe", "object", "base"} & set(page.tags)
    return page


def test_the_page_of_a_check(tmp_path: Path, tiny: Model) -> None:
    with filled(tmp_path / "<g>", tiny) as gallery:
        gallery.enroll(NAME, [Picture(view_of(7, 30 + n), "", '"><b>x') for n in range(2)])
        gallery.enroll("thing 2", Picture(view_of(8, 0), "", "</figure>"))
        found = gallery.check(min_score=0.2)
        page = look_at(write_check_report(found, gallery, tmp_path / "deep" / "check.html"))
    assert NAME in page.text
    assert "Examples that seem to be of another subject" in page.text
    assert page.tags.count("img") == min(sum(len(one.examples) for one in found.findings), page.tags.count("img"))
    assert page.tags.count("img") > 3


def test_a_check_that_found_nothing_and_a_gallery_without_pictures(tmp_path: Path, tiny: Model) -> None:
    with Gallery.create(tmp_path / "g", tiny, keep_pictures=False) as gallery:
        page = look_at(write_check_report(gallery.check(), gallery, tmp_path / "check.html"))
        assert "No findings" in page.text
        for thing in range(12):
            gallery.enroll(f"thing {thing}", [view_of(thing, number) for number in range(5)])
        gallery.enroll("thing 4", view_of(8, 0))
        page = look_at(write_check_report(gallery.check(), gallery, tmp_path / "check.html"))
        assert "thing 8" in page.text
        assert not page.tags.count("img")
        (tmp_path / "file").touch()
        with pytest.raises(SemelhaError, match="cannot be written"):
            write_check_report(gallery.check(), gallery, tmp_path / "file" / "check.html")


def test_the_page_of_clusters(tmp_path: Path, tiny: Model) -> None:
    pictures = [Picture(view_of(thing, n), "", NAME) for thing in (20, 5) for n in range(30, 33)]
    with filled(tmp_path / "g", tiny) as gallery:
        found = gallery.cluster([*pictures, b"odd"])
    page = look_at(write_clusters_report(found, [*pictures, b"odd"], tmp_path / "clusters.html"))
    assert NAME in page.text
    assert page.tags.count("img") == 6
    for expected in (
        "1 proposed subject",
        "1 subject that the gallery knows",
        "new-1",
        "thing 5",
        "1 file left out",
    ):
        assert expected in page.text


def test_the_page_of_a_check_in_portuguese(tmp_path: Path, tiny: Model) -> None:
    with filled(tmp_path / "g", tiny) as gallery:
        gallery.enroll("thing 2", view_of(8, 0))
        found = gallery.check(min_score=0.2)
        text = write_check_report(found, gallery, tmp_path / "check.html", language="pt-BR").read_text("utf-8")
    assert '<html lang="pt-BR"' in text
    assert text.partition("<main>")[2].lstrip().startswith('<section class="verdict poor">')
    assert found.verdict("pt-BR").result in Page(text).text
    assert "Imagens que parecem ser de outra coisa" in text
    assert "cadastrada como <bdi>thing 2</bdi>" in text
    assert "enrolled" not in text
