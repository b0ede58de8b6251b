"""`semelha check` and `semelha cluster`: what they print, write and refuse."""

import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.cli.commands import answer, run
from tests.gallery.test_curation import filled, view_of

from semelha.embedders import Model


def test_check(tiny: Model, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with filled(tmp_path / "shop", tiny) as gallery:
        gallery.enroll("thing 3", view_of(7, 20))
    found = answer(capsys, "check", tmp_path / "shop", "--report", tmp_path / "check.html")
    (one,) = [each for each in found["findings"] if each["kind"] == "mislabel"]
    assert one["subjects"] == ["thing 3", "thing 7"]
    assert (tmp_path / "check.html").stat().st_size > 1000
    status, out, _ = run(capsys, "check", tmp_path / "shop")
    assert status == 0
    assert "enrolled as thing 3, but nearer to thing 7" in out
    assert "61 examples of 12 subjects" in out
    (command,) = [line for line in out.splitlines() if "move-example" in line]
    assert run(capsys, *shlex.split(command)[1:])[0] == 0, "the printed command repairs the finding"
    left = answer(capsys, "check", tmp_path / "shop")["findings"]
    assert not [each for each in left if each["kind"] == "mislabel"]


def test_cluster(tiny: Model, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Pictures in and outside folders; a damaged one is skipped and listed."""
    filled(tmp_path / "shop", tiny).close()
    (tmp_path / "photos" / "roll").mkdir(parents=True)
    for place, (thing, number) in enumerate(np.ndindex(2, 3)):
        folder = tmp_path / "photos" / ("roll" if place % 2 else "")
        Image.fromarray(view_of(20 + thing, number)).save(folder / f"{place}.png")
    whole = (tmp_path / "photos" / "0.png").read_bytes()
    (tmp_path / "photos" / "cut.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "photos" / "odd.jpg").write_text("no picture")
    out, report = tmp_path / "out", tmp_path / "clusters.html"
    found = answer(capsys, "cluster", tmp_path / "shop", tmp_path / "photos", "--out", out, "--report", report)
    assert [len(each["pictures"]) for each in found["clusters"]] == [3, 3]
    assert sorted(Path(each["name"]).name for each in found["skipped"]) == ["cut.png", "odd.jpg"]
    assert sorted(path.name for path in out.iterdir()) == ["new-1", "new-2"]
    assert report.exists()
    status, _, err = run(capsys, "cluster", tmp_path / "shop", tmp_path / "photos", "--out", out)
    assert status == 2
    assert "exists already: choose another place" in err
    enrolled = answer(capsys, "enroll", tmp_path / "shop", "--from", out)
    assert enrolled["subjects"] == 14
    status, out_text, _ = run(capsys, "cluster", tmp_path / "shop", tmp_path / "photos")
    assert status == 0
    assert "known" in out_text


def test_the_first_line_is_the_verdict(tiny: Model, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In the language of the option, or of the locale; also with `--json`, and in the report."""
    filled(tmp_path / "shop", tiny).close()
    found = answer(capsys, "check", tmp_path / "shop", "--language", "en")["verdict"]
    out = run(capsys, "check", tmp_path / "shop")[1]
    assert out.splitlines()[0] == found["text"]
    report = tmp_path / "check.html"
    out = run(capsys, "check", tmp_path / "shop", "--language", "pt-BR", "--report", report)[1]
    assert "60 imagens de 12 coisas" in out.splitlines()[0]
    assert '<html lang="pt-BR"' in report.read_text("utf-8")
    status, _, err = run(capsys, "check", tmp_path / "shop", "--language", "fr")
    assert (status, "en, pt-BR" in err) == (2, True)


def test_the_locale_chooses_the_language(
    tiny: Model, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(tmp_path / "shop", tiny).close()
    monkeypatch.setenv("LANG", "pt_BR.UTF-8")
    assert answer(capsys, "check", tmp_path / "shop")["verdict"]["language"] == "pt-BR"
