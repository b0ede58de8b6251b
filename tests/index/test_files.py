"""The folder of an index: what is missing, swapped or foreign is refused, and only what is new is written."""

import logging
from pathlib import Path
from shutil import copytree

import numpy as np
import pytest
from tests.index.folders import FINGERPRINT, VECTORS, answers, empty, loaded, old, refused, rewritten, segments

from semelha.errors import IndexFileError
from semelha.index import HNSWIndex, IVFIndex, LinearIndex, segment
from semelha.index.archive import read_archive, write_archive
from semelha.index.folder import MANIFEST, generation_on_disk, recall_on_disk
from semelha.metrics import Cosine, Euclidean, Mahalanobis

LONG = "x" * 5000 + ".segment"


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
    sister.merge(full=True)
    sister.save(tmp_path / "sister", fingerprint=FINGERPRINT)
    rewritten(segments(saved)[0], segments(tmp_path / "sister")[0].read_bytes())
    assert refused(saved, kind)


def test_a_manifest_of_an_earlier_save(kind: str, saved: Path) -> None:
    """Its segments are gone: it does not answer with what is there."""
    manifest = (saved / MANIFEST).read_bytes()
    index = loaded(saved, kind)
    index.remove(np.arange(0, 250, 2))
    index.merge(full=True)
    index.save(saved, fingerprint=FINGERPRINT)
    rewritten(saved / MANIFEST, manifest)
    assert refused(saved, kind)


def test_foreign_folders(tmp_path: Path) -> None:
    def index(metric: object = None, **settings: object) -> HNSWIndex:
        return HNSWIndex(metric or Euclidean(), **settings)  # type: ignore[arg-type]

    mine = index()
    mine.build(np.arange(300), VECTORS[:300])
    mine.save(tmp_path, fingerprint="mine")
    for other in (
        index(Cosine()),
        index(Mahalanobis(L=np.eye(6))),
        index(quantize="8bit"),
        index(recall=0.95),
        index(M=8),
        index(seed=1),
        IVFIndex(Euclidean()),
        LinearIndex(Euclidean()),
    ):
        with pytest.raises(IndexFileError, match="another"):
            other.load(tmp_path, fingerprint="mine")
    for fingerprint in ("", "yours"):
        with pytest.raises(IndexFileError, match="of another model"):
            index().load(tmp_path, fingerprint=fingerprint)
    index().load(tmp_path, fingerprint="mine")


def test_metrics_of_one_name_are_told_apart_by_their_arrays(tmp_path: Path) -> None:
    index = LinearIndex(Mahalanobis(L=np.eye(6)))
    index.build(np.arange(9), VECTORS[:9])
    index.save(tmp_path)
    with pytest.raises(IndexFileError, match="another model or metric"):
        LinearIndex(Mahalanobis(L=2 * np.eye(6))).load(tmp_path)


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
    ["../index/{}", "a/../{}", "./{}", "/etc/x.segment", "..", "", "\0.segment", "\ud800.segment", "manifest", 7, LONG],
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
    whole = (saved / MANIFEST).read_bytes()
    for wrong in (1.5, True, "7", None, 1 << 64, [7]):
        (saved / MANIFEST).write_bytes(whole)
        rewrite(saved / MANIFEST, generation=wrong)
        assert generation_on_disk(saved) is None
        assert refused(saved, kind)


def test_the_recall_is_read_without_loading(saved: Path, kind: str, tmp_path: Path) -> None:
    assert recall_on_disk(saved) == (0.99 if kind == "hnsw" else None)
    assert recall_on_disk(tmp_path / "none") is None
    whole = (saved / MANIFEST).read_bytes()
    for wrong in (0, 1.5, -1, True, "1", None, 10**400, float("nan"), [0.9]):
        (saved / MANIFEST).write_bytes(whole)
        rewrite(saved / MANIFEST, maker={"recall": wrong})
        assert recall_on_disk(saved) is None
    (saved / MANIFEST).write_bytes(whole)
    rewrite(saved / MANIFEST, maker=None)
    assert recall_on_disk(saved) is None


def test_only_what_is_new_is_written(saved: Path, kind: str) -> None:
    index = loaded(saved, kind)
    before = {path.name: path.stat().st_mtime_ns for path in segments(saved)}
    index.add(np.array([390]), VECTORS[390:391])
    index.save(saved, fingerprint=FINGERPRINT)
    assert {path.name: path.stat().st_mtime_ns for path in segments(saved)} == before
    index.merge(full=True)
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
    index.merge(full=True)

    def refuse(*arguments: object, **named: object) -> None:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patched, caplog.at_level(logging.WARNING):
        patched.setattr(Path, "unlink", refuse)
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
            writer.merge(full=True)
            writer.save(saved, fingerprint=FINGERPRINT)
        return read_archive(path, **settings)

    monkeypatch.setattr(segment, "read_archive", read)
    assert answers(loaded(saved, kind)) == answers(writer)


def test_a_folder_that_is_a_file(kind: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(IndexFileError, match="cannot be written"):
        old(kind).save(tmp_path / "file")
    with pytest.raises(IndexFileError, match="cannot be written"):
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
    assert answers(loaded(Path("index"), kind)) == answers(index)
