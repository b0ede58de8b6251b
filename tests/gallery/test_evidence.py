"""What an answer rests on: the examples that matched, the runner-up, the heat, and the sheet of it all."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.tiny_model import noise

from semelha.embedders import Model
from semelha.errors import PictureError, UsageError
from semelha.gallery import Gallery
from semelha.recognition import Evidence


@pytest.fixture
def gallery(tiny: Model, tmp_path: Path) -> Gallery:
    made = Gallery.create(tmp_path / "gallery", tiny)
    for number in range(4):
        made.enroll(f"thing {number}", [noise(10 * number + turn) // 2 + noise(number) // 2 for turn in range(3)])
    return made


def near(number: int) -> np.ndarray:
    return noise(10 * number + 7) // 2 + noise(number) // 2


def sheet(evidence: Evidence) -> Image.Image:
    return Image.open(io.BytesIO(evidence.png()))


def test_it_tells_what_identify_answers_and_what_that_rests_on(gallery: Gallery) -> None:
    gallery.calibrate(fpir=0.4)
    found = gallery.explain(near(2), k=2)
    answer = gallery.identify(near(2))
    assert found.identification.to_json() == answer.to_json()
    assert [each.subject for each in found.matched] == ["thing 2", "thing 2"]
    assert [(each.example, each.distance) for each in found.matched] == [
        (match.example, match.distance) for match in answer.candidates[0].examples[:2]
    ]
    assert found.matched[0].picture == gallery.picture(found.matched[0].example)
    second = answer.candidates[1]
    assert found.runner_up is not None
    assert (found.runner_up.subject, found.runner_up.example) == (second.subject, second.examples[0].example)
    assert found.margin == pytest.approx(second.distance - answer.candidates[0].distance)


def test_the_heat_is_the_change_of_both_distances(gallery: Gallery) -> None:
    """Of one window, by the model itself; the contrast is what is lost of the margin."""
    found = gallery.explain(near(1))
    assert found.saliency is not None
    assert found.contrast is not None
    assert found.saliency_maps is not None
    assert found.saliency.shape == found.contrast.shape == (10, 10)
    assert found.runner_up is not None
    with gallery._live.read() as state:
        stored = state.view.vectors([found.matched[0].example, found.runner_up.example])
    np.testing.assert_array_equal(found.contrast, found.saliency_maps.increases[0] - found.saliency_maps.increases[1])
    before = gallery.model.metric.pairwise(
        gallery.model.embed([found.probe]).astype(float), np.stack(list(stored.values())).astype(float)
    )
    assert sorted(before[0]) == pytest.approx([found.matched[0].distance, found.runner_up.distance], abs=1e-6)


def test_the_sheet_is_a_picture_of_all_of_it(gallery: Gallery, tmp_path: Path) -> None:
    found = gallery.explain(near(0), k=3)
    found.save(tmp_path / "evidence.png")
    with Image.open(tmp_path / "evidence.png") as image:
        assert image.format == "PNG"
        assert image.width > 4 * 240
    assert json.loads(json.dumps(found.to_json(), allow_nan=False))["matched"][0]["picture_kept"] is True


def test_where_no_pictures_were_kept_it_says_so(tiny: Model, tmp_path: Path) -> None:
    """The numbers and the heat are the same; a grey tile stands for each picture."""
    with Gallery.create(tmp_path / "bare", tiny, keep_pictures=False) as bare:
        for number in range(2):
            bare.enroll(f"thing {number}", noise(number))
        found = bare.explain(noise(1))
    assert found.matched[0].picture is None
    assert found.to_json()["matched"][0]["picture_kept"] is False
    assert found.saliency is not None
    below = np.asarray(sheet(found))[-200:, 20:260]
    assert (below == (236, 236, 240)).all(axis=2).mean() > 0.3


def test_a_kept_picture_that_is_damaged_spoils_nothing(gallery: Gallery) -> None:
    gallery._store._db.execute("UPDATE pictures SET data = x'00'")
    assert sheet(gallery.explain(near(0))).width == 1060


def test_one_subject_alone_has_no_runner_up_and_an_empty_gallery_no_evidence(tiny: Model, tmp_path: Path) -> None:
    with Gallery.create(tmp_path / "new", tiny) as gallery:
        nothing = gallery.explain(noise(1))
        assert (nothing.matched, nothing.runner_up, nothing.margin, nothing.saliency) == ((), None, None, None)
        assert nothing.identification.note == "nothing is enrolled"
        gallery.enroll("one", noise(1))
        alone = gallery.explain(noise(2))
        assert (alone.runner_up, alone.margin, alone.contrast) == (None, None, None)
        assert alone.saliency is not None
        for found in (nothing, alone):
            assert sheet(found).width == 800
            json.dumps(found.to_json(), allow_nan=False)


def test_names_of_any_length_and_script(tiny: Model, tmp_path: Path) -> None:
    with Gallery.create(tmp_path / "new", tiny) as gallery:
        gallery.enroll("x" * 200, noise(1))
        gallery.enroll("Übermut 猫 \u200f", noise(2))
        assert sheet(gallery.explain(noise(1))).width == 800


def test_a_large_picture_is_made_smaller_before_it_is_hidden(gallery: Gallery) -> None:
    found = gallery.explain(np.asarray(Image.fromarray(near(2)).resize((1200, 600))))
    assert found.probe.shape == (160, 320, 3)
    assert found.saliency_maps is not None
    assert (found.saliency_maps.cell, found.saliency_maps.increases.shape) == (32, (2, 5, 10))


def test_what_cannot_be_explained(gallery: Gallery, tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_bytes(b"no picture")
    with pytest.raises(PictureError, match=r"bad\.png"):
        gallery.explain(tmp_path / "bad.png")
    with pytest.raises(UsageError):
        gallery.explain(near(0), k=0)
