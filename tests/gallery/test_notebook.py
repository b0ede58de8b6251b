"""An answer in a notebook shows the pictures that the gallery keeps, as long as it is open; copies show none."""

import copy
import gc
import pickle
import weakref
from pathlib import Path

from tests.pages import Page
from tests.tiny_model import noise

from semelha import Gallery, Model


def images(html: str) -> int:
    return Page(html).tags.count("img")


def test_an_answer_shows_the_pictures_that_are_kept(tiny: Model, tmp_path: Path) -> None:
    gallery = Gallery.create(tmp_path / "gallery", tiny)
    for number in range(3):
        gallery.enroll(f"<b>{number}", [noise(number)])
    answer = gallery.identify(noise(1))
    assert images(answer._repr_html_()) == 3
    assert "<b>1" in Page(answer._repr_html_()).text
    assert "pictures" not in answer.to_json()
    for copied in (copy.deepcopy(answer), pickle.loads(pickle.dumps(answer))):
        assert copied == answer
        assert images(copied._repr_html_()) == 0
    gallery.close()
    assert images(answer._repr_html_()) == 0


def test_an_answer_does_not_keep_the_gallery(tiny: Model, tmp_path: Path) -> None:
    gallery = Gallery.create(tmp_path / "gallery", tiny)
    gallery.enroll("a", [noise(1)])
    answer, unused = gallery.identify(noise(1)), weakref.ref(gallery)
    assert images(answer._repr_html_()) == 1
    del gallery
    gc.collect()
    assert unused() is None
    assert images(answer._repr_html_()) == 0


def test_without_kept_pictures_there_are_words(tiny: Model, tmp_path: Path) -> None:
    with Gallery.create(tmp_path / "gallery", tiny, keep_pictures=False) as gallery:
        gallery.enroll("a", [noise(1)])
        html = gallery.identify(noise(1))._repr_html_()
    assert images(html) == 0
    assert "uncalibrated: a" in Page(html).text


def test_evidence_shows_them_too(tiny: Model, tmp_path: Path) -> None:
    with Gallery.create(tmp_path / "gallery", tiny) as gallery:
        for number in range(2):
            gallery.enroll(f"{number}", [noise(number)])
        html = gallery.explain(noise(1))._repr_html_()
    assert images(html) == 5  # the probe, two maps, the matched example and the runner-up
