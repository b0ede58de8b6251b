"""A gallery looked over, and unknown pictures in groups: what is found, what is unusable, what is left alone."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.tiny_model import noise, tiny_model

from semelha.embedders import Model
from semelha.errors import SemelhaError, UsageError
from semelha.gallery import Gallery, export_clusters
from semelha.images import Picture, read_folder
from semelha.recognition import Scoring


def view_of(thing: int, number: int) -> np.ndarray:
    """(20, 20, 3) uint8, a picture of a thing that no other number gives."""
    pixels = noise(thing).astype(np.int16) + noise(1000 + 50 * thing + number) // 5
    return pixels.clip(0, 255).astype(np.uint8)


def filled(folder: Path, model: Model, *, things: int = 12, each: int = 5) -> Gallery:
    gallery = Gallery.create(folder, model)
    for thing in range(things):
        gallery.enroll(f"thing {thing}", [view_of(thing, number) for number in range(each)])
    return gallery


def test_a_wrong_label_and_a_picture_under_two_names(tmp_path: Path, tiny: Model) -> None:
    with filled(tmp_path / "g", tiny) as gallery:
        assert not gallery.check().of("mislabel")
        gallery.enroll("thing 3", Picture(view_of(7, 20), "", "wrong.png"))
        gallery.enroll("thing 4", Picture(view_of(8, 0), "", "again.png"))
        found = gallery.check()
        assert found.examples == 62
        assert found.subjects == 12
        assert {one.examples[0].source for one in found.of("mislabel")} == {"wrong.png", "again.png"}
        assert ("thing 3", "thing 7") in [one.subjects for one in found.of("mislabel")]
        (wrong,) = [one for one in found.of("mislabel") if one.examples[0].source == "wrong.png"]
        vectors = tiny.embed([view_of(7, 20), *(view_of(7, number) for number in range(5))]).astype(np.float64)
        distance = np.sort(tiny.metric.pairwise(vectors[:1], vectors[1:])[0])[:2].mean()
        assert f"but nearer to thing 7: {distance:.3g} against " in wrong.message, "the distance of the named subject"
        (duplicate,) = found.of("duplicate")
        assert {one.subject for one in duplicate.examples} == {"thing 4", "thing 8"}
        scores = [one.score for one in found.findings]
        assert scores == sorted(scores, reverse=True)
        assert all(0 <= one.score <= 1 for one in gallery.check(min_score=0).findings)
        assert gallery.check() == found, "the same seed finds the same"


def test_a_gallery_with_little_in_it(tmp_path: Path, tiny: Model) -> None:
    """Nothing, one example, subjects of one example each: nothing fails, and what cannot be told is said."""
    with Gallery.create(tmp_path / "g", tiny) as gallery:
        assert gallery.check().findings == ()
        gallery.enroll("one", view_of(1, 0))
        assert gallery.check().single_example_subjects == 1
        with pytest.raises(UsageError, match="takes two subjects, one of them with two examples"):
            gallery.cluster([view_of(1, 1)])
        gallery.enroll("two", view_of(2, 0))
        assert not gallery.check(min_score=0).of("mislabel")
        with pytest.raises(UsageError, match="a second picture"):
            gallery.cluster([view_of(1, 1)])
        with pytest.raises(UsageError, match="between 0 and 1"):
            gallery.check(min_score=1.5)


def test_unknown_pictures_become_groups_and_known_ones_are_told_apart(tmp_path: Path, tiny: Model) -> None:
    with filled(tmp_path / "g", tiny) as gallery:
        pictures = [view_of(thing, number) for thing in (20, 21, 22) for number in range(6)]
        pictures += [view_of(5, 30), view_of(5, 31)]
        found = gallery.cluster([*pictures, b"no picture"])
        new = [one for one in found if not one.known]
        assert sorted(one.pictures for one in new) == [tuple(range(k, k + 6)) for k in (0, 6, 12)]
        assert [one.subject for one in new] == ["new-1", "new-2", "new-3"]
        (known,) = [one for one in found if one.known]
        assert (known.subject, known.pictures) == ("thing 5", (18, 19))
        assert [one.name for one in found.skipped] == ["picture 20"]
        assert "12 enrolled subjects" in found.note
        assert gallery.cluster([]).clusters == ()
        assert [len(one.pictures) for one in gallery.cluster(pictures[:1])] == [1]


@pytest.mark.parametrize("scoring", [Scoring(), Scoring("nearest", "margin")], ids=repr)
def test_a_calibrated_gallery_knows_by_its_rule(tmp_path: Path, tiny: Model, scoring: Scoring) -> None:
    """As `identify` does, also where the rule looks at who comes second."""
    with filled(tmp_path / "g", tiny) as gallery:
        gallery.calibrate(fpir=0.2, scoring=scoring)
        pictures = [view_of(5, 30), view_of(25, 0), view_of(25, 1)]
        answers = [one.subject for one in gallery.identify_many(pictures)]
        found = {one.subject: one.pictures for one in gallery.cluster(pictures) if one.known}
        assert found == {"thing 5": (0,)}
        assert answers == ["thing 5", None, None]


def test_subjects_that_the_model_was_trained_on_are_said_to_be(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model = tiny_model(tmp_path / "m", classes=tuple(f"thing {number}" for number in range(12)))
    with filled(tmp_path / "g", model) as gallery:
        assert "trained on" in gallery.cluster([view_of(20, 0)]).note
        assert "trained on" in caplog.text
        gallery.enroll("other 1", [view_of(30, 0), view_of(30, 1)])
        gallery.enroll("other 2", [view_of(31, 0), view_of(31, 1)])
        assert "from 2 enrolled subjects" in gallery.cluster([view_of(20, 0)]).note


def test_new_names_are_nobodys(tmp_path: Path, tiny: Model) -> None:
    with filled(tmp_path / "g", tiny) as gallery:
        gallery.enroll("new-1", view_of(40, 0))
        assert [one.subject for one in gallery.cluster([view_of(20, 0)])] == ["new-2"]


def test_folders_that_can_be_enrolled(tmp_path: Path, tiny: Model) -> None:
    """Files are copied as they are, boxes cut out, equal names kept apart; nothing is overwritten or half written."""
    pictures: list[Picture] = []
    for number in range(4):
        file = tmp_path / f"roll {number}" / "same.png"
        file.parent.mkdir()
        Image.fromarray(view_of(20, number)).save(file)
        pictures.append(Picture(file, "", f"roll {number}/same.png"))
    pictures.append(Picture(pictures[0].source, "", "roll 0/same.png", box=(2, 2, 18, 18)))
    with filled(tmp_path / "g", tiny) as gallery:
        found = gallery.cluster(pictures)
        out = export_clusters(found, pictures, tmp_path / "out" / "deep")
        copies = read_folder(out)
        assert len(copies) == 5
        originals = {Path(one.source).read_bytes() for one in pictures[:4]}  # type: ignore[arg-type]
        assert originals < {Path(one.source).read_bytes() for one in copies}  # type: ignore[arg-type]
        assert (16, 16, 3) in [one.pixels().shape for one in copies]
        with pytest.raises(UsageError, match="exists already: pass a folder to create"):
            export_clusters(found, pictures, out)
        gallery.enroll_dataset(copies)
        os.remove(tmp_path / "roll 1" / "same.png")
        with pytest.raises(SemelhaError, match="cannot be written"):
            export_clusters(found, pictures, tmp_path / "out" / "second")
        assert [path.name for path in (tmp_path / "out").iterdir()] == ["deep"]
        gallery.rename("thing 5", "../thing")
        with pytest.raises(UsageError, match="no folder can be named"):
            export_clusters(gallery.cluster([view_of(5, 30)]), [view_of(5, 30)], tmp_path / "third")
        assert not (tmp_path / "third").exists()
