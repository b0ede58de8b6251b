"""`semelha calibrate` and its options, and `identify` with a calibrated gallery."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.cli.commands import answer, run
from tests.gallery.test_rule import enroll, vectors
from tests.tiny_model import noise

from semelha.embedders import Model
from semelha.errors import UsageError
from semelha.gallery import Gallery
from semelha.recognition import SCORINGS


@pytest.fixture
def shop(tiny: Model, tmp_path: Path) -> Path:
    with Gallery.create(tmp_path / "shop", tiny) as gallery:
        for number in range(60):
            enroll(gallery, f"s{number}", vectors(number, 3))
    return tmp_path / "shop"


@pytest.fixture
def known(tmp_path: Path) -> Path:
    """A new picture of each of twelve subjects."""
    for number in range(12):
        folder = tmp_path / "known" / f"s{number}"
        folder.mkdir(parents=True)
        Image.fromarray(noise(number)).save(folder / "new.png")
    return tmp_path / "known"


def test_choose_scoring_with_two_rates(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, "calibrate", shop, "--fpir", "0.1", "--uncertain", "0.3", "--scoring", "choose")
    assert found["n"] == 30
    assert set(found["fnir"]) == {scoring.name for scoring in SCORINGS}
    assert found["scoring"] in found["fnir"]
    assert found["interval"][0] <= 0.1 <= found["interval"][1]
    status, out, _ = run(capsys, "calibrate", shop, "--fpir", "0.1", "--scoring", "choose")
    assert status == 0
    assert "Chosen on 30 other subjects: the simplest" in " ".join(out.split())


def test_a_scoring_by_name(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert answer(capsys, "calibrate", shop, "--fpir", "0.1", "--scoring", "mean-margin")["scoring"] == "mean-margin"
    assert answer(capsys, "calibrate", shop, "--fpir", "0.1")["scoring"] == "nearest"
    status, _, err = run(capsys, "calibrate", shop, "--scoring", "median")
    assert status != 0
    assert "there is no scoring 'median'" in " ".join(err.split())


def test_confirmed_pictures_and_known_probes(shop: Path, known: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, "calibrate", shop, "--fpir", "0.1", "--confirmed", known)
    assert (found["kind"], found["n"], found["needed"]) == ("strangers", 12, 9)
    tested = answer(capsys, "calibrate", shop, "--fpir", "0.1", "--probes", known)["mismatch"]
    assert tested["probes"] == 12
    status, out, _ = run(capsys, "calibrate", shop, "--fpir", "0.1", "--probes", known)
    assert status == 0
    assert "of 12 probes" in " ".join(out.split())


def test_uncertain_answers_show_candidates(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answer(capsys, "calibrate", shop, "--fpir", "0.04", "--uncertain", "0.999")
    picture = shop.parent / "p.png"
    Image.fromarray(np.full((20, 20, 3), 7, np.uint8)).save(picture)
    found = answer(capsys, "identify", shop, picture)["identifications"][0]
    assert found["decision"] in ("uncertain", "unknown")
    assert found["subject"] is None
    assert found["probability"] is not None
    assert found["candidates"][0]["subject"] in run(capsys, "identify", shop, picture)[1]


def test_unknown_answers_show_the_nearest_subject(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answer(capsys, "calibrate", shop, "--fpir", "0.07")
    picture = shop.parent / "p.png"
    Image.fromarray(np.full((20, 20, 3), 7, np.uint8)).save(picture)
    found = answer(capsys, "identify", shop, picture)["identifications"][0]
    assert found["decision"] == "unknown"
    nearest = found["candidates"][0]["subject"]
    assert nearest in run(capsys, "identify", shop, picture)[1]
    assert f"unknown; nearest is {nearest}" in run(capsys, "explain", shop, picture)[1]


def test_a_negative_seed_is_refused(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, _, err = run(capsys, "calibrate", shop, "--fpir", "0.1", "--seed", "-1")
    assert (status, "--seed" in err) == (2, True)
    with Gallery.open(shop) as gallery, pytest.raises(UsageError, match="seed is -1"):
        gallery.calibrate(fpir=0.1, seed=-1)


def test_bad_files_are_skipped_and_the_others_identified(
    shop: Path, known: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = shop.parent / "bad.jpg"
    bad.write_text("no picture")
    good = [known / "s0" / "new.png", known / "s1" / "new.png"]
    status, out, err = run(capsys, "identify", shop, good[0], bad, good[1], "--json")
    assert status == 1
    found = json.loads(out)
    assert [one["picture"] for one in found["identifications"]] == [str(path) for path in good]
    assert [one["name"] for one in found["skipped"]] == [str(bad)]
    assert "bad.jpg" in err
    assert run(capsys, "identify", shop, bad)[0] == 1
    assert run(capsys, "identify", shop, *good)[0] == 0
