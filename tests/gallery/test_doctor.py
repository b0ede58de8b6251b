"""`diagnose` names what is damaged and what helps; `repair` repairs it, and says what it dropped."""

import shutil
from pathlib import Path

import pytest
from tests.tiny_model import noise
from typer.testing import CliRunner

from semelha.cli.app import make_app
from semelha.embedders import Model
from semelha.errors import GalleryError
from semelha.gallery import Gallery, backup, diagnose, repair
from semelha.index.settings import settings
from semelha.store.database import connect


def tamper(path: Path, table: str, statement: str) -> None:
    database = connect(path / "gallery.sqlite")
    database.execute(f"DROP TRIGGER {table}_updated")
    database.execute(statement)
    database.close()


def test_a_sound_gallery_has_no_problem(path: Path) -> None:
    assert diagnose(path) == []


def test_a_damaged_example_is_enrolled_again_from_its_picture(path: Path) -> None:
    tamper(path, "vectors", "UPDATE vectors SET data = zeroblob(length(data)) WHERE example_id = 5")
    (problem,) = diagnose(path)
    assert problem.what == "the example 5 (picture 0) of s2 is damaged and left out"
    assert problem.loses
    done = repair(path)
    assert done[0] == "enrolled the example 5 (picture 0) of s2 again, from the copy that was kept"
    assert diagnose(path) == []
    with Gallery(path) as gallery:
        assert len(gallery.examples("s2")) == 2
        assert gallery.identify(noise(4)).candidates[0].subject == "s2"


def test_what_cannot_be_enrolled_again_is_dropped(path: Path) -> None:
    tamper(path, "vectors", "UPDATE vectors SET data = zeroblob(length(data)) WHERE example_id = 5")
    tamper(path, "pictures", "UPDATE pictures SET data = x'00' WHERE example_id IN (5, 9)")
    assert sorted(problem.what for problem in diagnose(path)) == [
        "the example 5 (picture 0) of s2 is damaged and left out",
        "the picture of the example 9 (picture 0) of s4 is damaged",
    ]
    done = repair(path)
    assert "dropped the picture of the example 9 (picture 0) of s4" in done
    assert any(line.startswith("dropped the example 5 (picture 0) of s2: ") for line in done)
    assert diagnose(path) == []
    with Gallery(path) as gallery:
        assert len(gallery.examples("s2")) == 1
        assert gallery.picture(9) is None


def test_an_index_that_cannot_be_used_is_built_again(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "max_delta_size", 8)
    with Gallery(path) as gallery:
        gallery.flush(rebuild=True)
    assert diagnose(path) == []
    manifest = path / "index" / "manifest"
    manifest.write_bytes(manifest.read_bytes()[:-3])
    (problem,) = diagnose(path)
    assert problem.what.startswith("the index cannot be used: ")
    repair(path)
    assert diagnose(path) == []


@pytest.mark.parametrize("file", ["model/model.json", "model/weights.safetensors", "gallery.sqlite"])
def test_what_takes_a_backup_says_so(path: Path, file: str) -> None:
    damaged = path / file
    damaged.write_bytes(damaged.read_bytes()[: damaged.stat().st_size // 2])
    (problem,) = diagnose(path)
    assert "semelha restore" in problem.helps


def test_from_the_command_line(path: Path, tmp_path: Path) -> None:
    program = make_app(["doctor"])
    done = CliRunner().invoke(program, ["doctor", str(path)])
    assert (done.exit_code, "No problems found" in done.output) == (0, True)
    tamper(path, "vectors", "UPDATE vectors SET data = zeroblob(length(data)) WHERE example_id = 5")
    shutil.copytree(path, tmp_path / "other")
    done = CliRunner().invoke(program, ["doctor", str(path)])
    assert (done.exit_code, "--repair" in done.output) == (1, True)
    done = CliRunner().invoke(program, ["doctor", str(path), "--repair"], input="n\n")
    assert done.exit_code == 1, "it asks before anything is dropped"
    assert len(diagnose(path)) == 1
    done = CliRunner().invoke(program, ["doctor", str(path), "--repair", "--yes"])
    assert (done.exit_code, "repaired:" in done.output) == (0, True)
    assert CliRunner().invoke(program, ["doctor", "--repair"]).exit_code != 0


def test_the_model_of_another_gallery_is_noticed(path: Path, new: Model, tmp_path: Path) -> None:
    shutil.rmtree(path / "model")
    shutil.copytree(new.folder, path / "model")
    (problem,) = diagnose(path)
    assert "model/ is another model than that of the vectors" in problem.what
    with pytest.raises(GalleryError, match="not of its own model"):
        backup(path, tmp_path / "x")


def test_what_is_not_an_example_is_listed_until_it_is_forgotten(path: Path) -> None:
    with Gallery(path) as gallery:
        gallery.reject(noise(70), "s1")
    tamper(path, "rejections", "UPDATE rejections SET vector = zeroblob(length(vector))")
    for _ in range(2):
        (problem,) = diagnose(path)
        assert problem.what == "row 1 of the rejections is damaged and left out"
    repair(path)
    assert diagnose(path) == []
