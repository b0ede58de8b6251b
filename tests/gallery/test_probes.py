"""Probes: pictures that are embedded once give the answers of pictures."""

from pathlib import Path

import numpy as np
import pytest
from tests.tiny_model import noise

from semelha.embedders import Model
from semelha.errors import NumberNotFound, PictureError, SubjectNotFound, UsageError
from semelha.gallery import Gallery, Probe


@pytest.fixture
def gallery(tiny: Model, tmp_path: Path) -> Gallery:
    """Forty subjects, calibrated, with a rejection."""
    made = Gallery.create(tmp_path / "gallery", tiny)
    for number in range(40):
        made.enroll(f"s{number}", noise(number))
    made.calibrate(fpir=0.1)
    made.reject(noise(500), made.identify(noise(500)).candidates[0].subject)
    return made


def probes(gallery: Gallery, *pictures: np.ndarray) -> list[Probe]:
    return [one for one in gallery.embed_probes(pictures) if isinstance(one, Probe)]


def test_probes_are_identified_and_verified_as_pictures_are(gallery: Gallery) -> None:
    pictures = [noise(seed) for seed in (3, 500, 600)]
    embedded = probes(gallery, *pictures)
    assert gallery.identify_probes(embedded, k=3) == gallery.identify_many(pictures, k=3)
    assert gallery.verify_probe(embedded[0], embedded[1]) == gallery.verify(pictures[0], pictures[1])
    assert gallery.verify_probe(embedded[0], " s3") == gallery.verify_subject(pictures[0], "s3")
    rejected = gallery.identify_probes(embedded)[1].excluded[0]
    assert gallery.verify_probe(embedded[1], rejected).same is False
    with pytest.raises(SubjectNotFound):
        gallery.verify_probe(embedded[0], "nobody")


def test_a_probe_and_one_example_are_compared(gallery: Gallery) -> None:
    """The other examples of the subject do not count, but its rejections do."""
    gallery.enroll("s3", noise(700))
    first, second = gallery.examples("s3")
    (probe,) = probes(gallery, noise(700))
    assert gallery.verify_probe(probe, second) == gallery.verify_probe(probe, "s3")
    found = gallery.verify_probe(probe, first)
    assert (found.same, found.subject) == (False, "s3")
    assert found.distance == pytest.approx(gallery.verify(noise(700), noise(3)).distance)
    gallery.remove_example(first.number)
    with pytest.raises(NumberNotFound):
        gallery.verify_probe(probe, first)
    rejected = gallery.identify(noise(500)).excluded[0]
    (probe,) = probes(gallery, noise(500))
    assert gallery.verify_probe(probe, gallery.examples(rejected)[0]).same is False


def test_a_picture_that_cannot_be_used_is_an_error_in_its_place(gallery: Gallery) -> None:
    first, second, third = gallery.embed_probes([noise(1), b"no picture", noise(2)])
    assert isinstance(second, PictureError)
    assert isinstance(first, Probe)
    assert isinstance(third, Probe)
    assert first.vector.shape == (gallery.model.dim,)


def test_no_probes_have_no_answers(gallery: Gallery) -> None:
    assert gallery.embed_probes([]) == gallery.identify_probes([]) == []
    with pytest.raises(UsageError):
        gallery.identify_probes(probes(gallery, noise(1)), k=0)
