"""The folder of an index: killed, full, cut off, flipped, swapped or foreign, it answers as it was saved or not at all."""

import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from shutil import copytree

import numpy as np
import pytest
from tests.index.folders import FINGERPRINT, VECTORS, answers, change, empty, loaded, old
from tests.index.steps import Steps, full
from tests.index.test_archive import rewritten

from semelha.errors import IndexFileError
from semelha.index import CellIndex, HNSWIndex, LinearIndex
from semelha.index.archive import read_archive, write_archive
from semelha.index.files import MANIFEST, generation_on_disk
from semelha.metrics import Cosine, Euclidean, Mahalanobis

random = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("semelha.index.segment.DELTA", 48)


@pytest.fixture(scope="module", params=["linear", "hnsw"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def saved(kind: str, tmp_path: Path) -> Path:
    old(kind).save(tmp_path / "index", fingerprint=FINGERPRINT, generation=7)
    return tmp_path / "index"


def segments(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.segment"))


def refused(folder: Path, kind: str = "linear") -> bool:
    """Nothing is loaded, and what was held is held."""
    index = empty(kind)
    index.build(np.arange(9), VECTORS[:9])
    before = answers(index)
    try:
        index.load(folder, fingerprint=FINGERPRINT)
    except IndexFileError as error:
        assert str(folder) in str(error)
        return answers(index) == before
    return False


def apart(what: str, folder: Path) -> list[str]:
    """What a process of its own prints, which did without complaint what `tests.index.folders` has to offer."""
    command = [sys.executable, "-m", "tests.index.folders", what, str(folder)]
    ran = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True)
    assert (ran.returncode, ran.stderr) == (0, "")
    return ran.stdout.splitlines()


def test_killed_at_every_step_of_a_save(tmp_path: Path) -> None:
    """Old or new, never else; and the next save leaves nothing behind of the one that was killed."""
    lines = apart("killed", tmp_path)
    news = [line == "new 0" for line in lines]
    assert set(lines) == {"old 0", "new 0"}
    assert news == sorted(news)
    assert news[-1]
    assert len(lines) > 40


def test_a_disk_that_is_full_at_any_step_of_a_save(kind: str, saved: Path, tmp_path: Path) -> None:
    """One clear error, the old or the new index on the disk, nothing left of the rest, and the index goes on."""
    before = answers(loaded(saved, kind))
    for at in range(1, 1000):
        folder = copytree(saved, tmp_path / str(at))
        index = loaded(folder, kind)
        change(index)
        after, steps = answers(index), Steps(at, full)
        try:
            with steps.watched():
                index.save(folder, fingerprint=FINGERPRINT)
        except IndexFileError as error:
            assert "No space left on device" in str(error)  # noqa: PT017
            named = steps.taken[: at - 1].count("replace") == 3  # two segments, and the manifest
            assert answers(loaded(folder, kind)) == (after if named else before)
            assert len(segments(folder)) == (3 if named else 2)
        else:
            assert answers(loaded(folder, kind)) == after
        assert answers(index) == after
        index.save(folder, fingerprint=FINGERPRINT)
        assert answers(loaded(folder, kind)) == after
        assert not list(folder.glob(".*"))
        if at > len(steps.taken):
            break
    assert at > 30


def test_a_disk_that_is_really_full(tmp_path: Path) -> None:
    """As far as a limit on the size of files is one."""
    lines = apart("too large", tmp_path / "index")
    assert len(lines) == 4
    assert all(line.endswith("cannot be written: File too large") for line in lines)


def test_a_file_that_was_cut_off(kind: str, saved: Path, tmp_path: Path) -> None:
    for number, path in enumerate((saved / MANIFEST, *segments(saved))):
        whole = path.read_bytes()
        folder = copytree(saved, tmp_path / str(number))
        for length in sorted({0, 1, len(whole) - 1, *random.integers(0, len(whole), 60).tolist()}):
            rewritten(folder / path.name, whole[:length])
            assert refused(folder, kind), (path.name, length)
        rewritten(folder / path.name, whole + b"\0")
        assert refused(folder, kind)


def flipped(path: Path, positions: list[int]) -> Iterator[int]:
    """The file with one byte changed, one after the other, and in the end as it was."""
    whole = path.read_bytes()
    for position in positions:
        changed = bytearray(whole)
        changed[position] ^= int(random.integers(1, 256))
        rewritten(path, bytes(changed))
        yield position
    rewritten(path, whole)


def loads_as(folder: Path, kind: str, before: object) -> bool:
    """It loads, and answers as before; False where it is refused."""
    try:
        index = loaded(folder, kind)
    except IndexFileError:
        return False
    assert answers(index) == before
    return True


def test_every_byte_of_the_manifest(kind: str, saved: Path) -> None:
    before, size = answers(loaded(saved, kind)), (saved / MANIFEST).stat().st_size
    padding = sum(loads_as(saved, kind, before) for _ in flipped(saved / MANIFEST, list(range(size))))
    assert padding < 64 * 5  # between the header and four arrays
    assert answers(loaded(saved, kind)) == before


def test_a_thousand_bytes_of_segments(kind: str, saved: Path) -> None:
    before = answers(loaded(saved, kind))
    for path in segments(saved):
        size = path.stat().st_size
        positions = random.integers(0, size, 500).tolist()
        padding = sum(loads_as(saved, kind, before) for _ in flipped(path, positions))
        assert padding < 500 * 64 * 7 / size + 30
    assert answers(loaded(saved, kind)) == before


def test_a_missing_file(kind: str, saved: Path, tmp_path: Path) -> None:
    for path in (saved / MANIFEST, *segments(saved)):
        folder = copytree(saved, tmp_path / path.name)
        (folder / path.name).unlink()
        assert refused(folder, kind)
    assert refused(tmp_path / "none")


def test_segments_that_changed_places(kind: str, saved: Path) -> None:
    first, second = segments(saved)
    first.rename(saved / "aside")
    second.rename(first)
    (saved / "aside").rename(second)
    assert refused(saved, kind)


def test_a_segment_of_a_sister(kind: str, saved: Path, tmp_path: Path) -> None:
    """Right in itself, of the same model and metric, and not the one that was saved."""
    sister = old(kind)
    sister.remove(np.array([11]))
    sister.merge(whole=True)
    sister.save(tmp_path / "sister", fingerprint=FINGERPRINT)
    rewritten(segments(saved)[0], segments(tmp_path / "sister")[0].read_bytes())
    assert refused(saved, kind)


def test_a_manifest_of_an_earlier_save(kind: str, saved: Path) -> None:
    """Its segments are gone: it does not answer with what is there."""
    manifest = (saved / MANIFEST).read_bytes()
    index = loaded(saved, kind)
    index.remove(np.arange(0, 250, 2))
    index.merge(whole=True)
    index.save(saved, fingerprint=FINGERPRINT)
    rewritten(saved / MANIFEST, manifest)
    assert refused(saved, kind)


def test_foreign_folders(tmp_path: Path) -> None:
    def index(metric: object = None, **settings: object) -> HNSWIndex:
        return HNSWIndex(metric or Euclidean(), background=False, **settings)  # type: ignore[arg-type]

    mine = index()
    mine.build(np.arange(300), VECTORS[:300])
    mine.save(tmp_path, fingerprint="mine")
    for other in (
        index(Cosine()),
        index(Mahalanobis(L=np.eye(6))),
        index(quantize="8bit"),
        index(recall=0.95),
        index(links=8),
        index(seed=1),
        CellIndex(Euclidean(), background=False),
        LinearIndex(Euclidean(), background=False),
    ):
        with pytest.raises(IndexFileError, match="another"):
            other.load(tmp_path, fingerprint="mine")
    for fingerprint in ("", "yours"):
        with pytest.raises(IndexFileError, match="of another model"):
            index().load(tmp_path, fingerprint=fingerprint)
    index().load(tmp_path, fingerprint="mine")


def test_metrics_of_one_name_are_told_apart_by_their_arrays(tmp_path: Path) -> None:
    index = LinearIndex(Mahalanobis(L=np.eye(6)), background=False)
    index.build(np.arange(9), VECTORS[:9])
    index.save(tmp_path)
    with pytest.raises(IndexFileError, match="another model or metric"):
        LinearIndex(Mahalanobis(L=2 * np.eye(6)), background=False).load(tmp_path)


def rewrite(path: Path, **content: object) -> None:
    """Say something else in a manifest or a segment, under a checksum that is right."""
    said, arrays, _ = read_archive(path)
    arrays = {name: array.copy() for name, array in arrays.items()}
    write_archive(path, {**said, **content}, arrays)


@pytest.mark.parametrize("format", [0, 2, "1", None, [[]]])
def test_another_format(format: object, saved: Path, kind: str) -> None:
    rewrite(saved / MANIFEST, format=format)
    assert refused(saved, kind)


@pytest.mark.parametrize(
    "name",
    ["../index/{}", "/etc/passwd.segment", "a/../{}", "./{}", "..", "", "\0.segment", "\ud800.segment", "manifest", 7]
    + ["x" * 5000 + ".segment"],
)
def test_a_name_that_leads_elsewhere(name: object, saved: Path, kind: str) -> None:
    said = read_archive(saved / MANIFEST)[0]["segments"]
    wanted = name.format(said[0][0]) if isinstance(name, str) else name
    rewrite(saved / MANIFEST, segments=[[wanted, said[0][1]], *said[1:]])
    assert refused(saved, kind)


def test_generations_are_read_without_loading(saved: Path, kind: str, tmp_path: Path) -> None:
    assert generation_on_disk(saved) == 7
    assert empty(kind).load(saved, fingerprint=FINGERPRINT) == 7
    assert generation_on_disk(tmp_path / "none") is None
    for wrong in (1.5, True, "7", None, 1 << 64, [7]):
        rewrite(saved / MANIFEST, generation=wrong)
        assert generation_on_disk(saved) is None
        assert refused(saved, kind)


def test_only_what_is_new_is_written(saved: Path, kind: str) -> None:
    index = loaded(saved, kind)
    before = {path.name: path.stat().st_mtime_ns for path in segments(saved)}
    index.add(np.array([390]), VECTORS[390:391])
    index.save(saved, fingerprint=FINGERPRINT)
    assert {path.name: path.stat().st_mtime_ns for path in segments(saved)} == before
    index.merge(whole=True)
    index.save(saved, fingerprint=FINGERPRINT)
    assert len(segments(saved)) == 1
    assert not before.keys() & {path.name for path in segments(saved)}
    assert answers(loaded(saved, kind)) == answers(index)


def test_saved_again_under_another_fingerprint(saved: Path, kind: str) -> None:
    """A segment says whose vectors it holds, so that it is written again."""
    index = loaded(saved, kind)
    index.save(saved, fingerprint="of a better model")
    assert refused(saved, kind)
    other = empty(kind)
    other.load(saved, fingerprint="of a better model")
    assert answers(other) == answers(index)


def test_saved_again_where_the_files_are_gone(saved: Path, kind: str) -> None:
    index = loaded(saved, kind)
    for path in saved.iterdir():
        path.unlink()
    index.save(saved, fingerprint=FINGERPRINT)
    assert answers(loaded(saved, kind)) == answers(index)


def test_what_cannot_be_cleared_away_is_no_failure(
    saved: Path, kind: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    index = loaded(saved, kind)
    index.merge(whole=True)

    def refuse(*arguments: object, **named: object) -> None:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patched, caplog.at_level(logging.WARNING):
        patched.setattr("pathlib.Path.unlink", refuse)
        index.save(saved, fingerprint=FINGERPRINT)
    assert "Permission denied" in caplog.text
    assert answers(loaded(saved, kind)) == answers(index)
    assert len(segments(saved)) == 3
    index.save(saved, fingerprint=FINGERPRINT)
    assert len(segments(saved)) == 1


def test_saved_by_another_while_it_is_loaded(saved: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Again and again: who loads comes to the last one."""
    writer = loaded(saved, kind)
    turns = iter(range(3))

    def read(path: Path, **settings: int) -> object:
        if path.suffix == ".segment" and next(turns, None) is not None:
            writer.remove(writer.search(VECTORS[:1], 1).ids[0])
            writer.merge(whole=True)
            writer.save(saved, fingerprint=FINGERPRINT)
        return read_archive(path, **settings)

    monkeypatch.setattr("semelha.index.segment.read_archive", read)
    assert answers(loaded(saved, kind)) == answers(writer)


def test_a_folder_that_is_a_file(tmp_path: Path, kind: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(IndexFileError, match="cannot be made"):
        old(kind).save(tmp_path / "file")
    with pytest.raises(IndexFileError, match="cannot be made"):
        old(kind).save(tmp_path / "file" / "index")
    assert refused(tmp_path / "file")


def test_nothing_is_saved_and_loaded_too(tmp_path: Path, kind: str) -> None:
    empty(kind).save(tmp_path, fingerprint=FINGERPRINT, generation=1)
    index = old(kind)
    assert index.load(tmp_path, fingerprint=FINGERPRINT) == 1
    assert len(index) == 0


def test_what_was_loaded_outlives_its_files(saved: Path, kind: str) -> None:
    index = loaded(saved, kind)
    before = answers(index)
    for path in saved.iterdir():
        path.unlink()
    saved.rmdir()
    assert answers(index) == before


def test_a_relative_folder(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is another one where the working directory is another one."""
    index = old(kind)
    for place in ("a", "b"):
        (tmp_path / place).mkdir()
        monkeypatch.chdir(tmp_path / place)
        index.save("index", fingerprint=FINGERPRINT)
    assert answers(loaded(tmp_path / "b" / "index", kind)) == answers(index)
    assert os.getcwd() != str(tmp_path / "a")
    assert json.dumps(answers(loaded(Path("index"), kind))) == json.dumps(answers(index))
