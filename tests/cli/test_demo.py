"""The demo, on fewer scripts and in less time."""

import json
from functools import partial
from pathlib import Path

import pytest

import semelha
from semelha.cli import demo
from semelha.cli.app import main

FIGURES = {"r_at_1", "map_at_r", "fnir_at_fpir", "fpir_target", "fpir_achieved", "fnir_achieved"}


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "TRAIN_SCRIPTS", ("Lao",))
    monkeypatch.setattr(demo, "TEST_SCRIPTS", ("Georgian",))
    monkeypatch.setattr(demo, "evaluate", partial(semelha.evaluate, resamples=100))


def test_demo(small: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """It prints the figures and both baselines, and writes a model, a gallery and a report."""
    pytest.importorskip("torch")
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "README.txt").touch()
    (tmp_path / "demo" / "model").mkdir()  # a demo that was killed while it trained is replaced
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stopped:
        main(["demo", "--minutes", "0.05", "--json"])
    assert stopped.value.code == 0
    found = json.loads(capsys.readouterr().out)
    assert {"seconds", "report", "lookalikes", "examples"} | FIGURES <= set(found)
    for baseline in ("raw_pixels", "untrained"):
        assert set(found[baseline]) >= FIGURES
    assert found["fpir_target"] == demo.FPIR
    assert found["fpir_achieved"] is not None
    assert [("not enrolled" in example["picture"]) for example in found["examples"]] == [False] * 6 + [True] * 6
    assert "<html" in Path(found["report"]).read_text(encoding="utf-8")
    with semelha.Gallery.open("demo/gallery") as gallery:
        assert gallery.calibration is not None
        assert gallery.model.fingerprint == semelha.load_embedder("demo/model").fingerprint
        assert {subject.examples for subject in gallery.subjects()} == {demo.ENROLLED}
        assert not {subject.name for subject in gallery.subjects()} & set(found["lookalikes"])
        for example in found["examples"]:
            character, face = example["picture"].removesuffix(", not enrolled").split(" in ")
            code = character.split("/")[1]
            assert (character in gallery) == (not example["picture"].endswith("not enrolled"))
            if character in gallery:
                assert f"{face}/{code}" not in [one.source for one in gallery.examples(character)]


def test_every_character_is_enrolled_from_the_first_three_typefaces_that_draw_it() -> None:
    characters = demo.with_splits(semelha.glyphs(["Georgian"]))
    enrolled: dict[str, list[str]] = {}
    for picture in characters:
        if picture.split == "gallery":
            enrolled.setdefault(picture.label, []).append(picture.name.split("/")[0])
    assert set(enrolled) == set(characters.classes)
    assert {tuple(sorted(faces)) for faces in enrolled.values()} == {
        ("DejaVu Sans", "DejaVu Sans Mono", "DejaVu Serif"),
        ("DejaVu Sans", "DejaVu Sans Bold", "DejaVu Serif"),
    }
    assert set(enrolled) == {picture.label for picture in characters if picture.split == "query"}


def test_what_is_left_out_is_said_with_an_example_of_each_kind() -> None:
    alike = {
        "Armenian/U+0585": "Latin/U+006F",
        "Georgian/U+10B6": "Latin/U+0049",
        "Hebrew/U+05BE": "Armenian/U+058A",
    }
    text = demo.about_lookalikes(alike)
    assert text.startswith("Left out: 3 that look like another character")
    assert "(Armenian small letter oh, like Latin small letter o; " in text
    assert "Hebrew punctuation maqaf, like Armenian hyphen)" in text
    assert "(" not in demo.about_lookalikes({})


def test_other_folders_are_not_touched(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "precious").touch()
    with pytest.raises(SystemExit) as stopped:
        main(["demo", "--out", str(tmp_path)])
    assert stopped.value.code == 2
    assert "choose another --out" in capsys.readouterr().err
    assert (tmp_path / "model" / "precious").exists()
