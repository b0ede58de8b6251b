"""Bulk embedding: the vectors of `Model.embed`, bad files in a table, nothing embedded twice after interruptions."""

import csv
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.bulk.made import photos, save

import semelha
from semelha.bulk import VectorFile, chunks
from semelha.embedders import Model, extractors
from semelha.errors import DatasetError, SemelhaError, UsageError
from semelha.files import file_lock
from semelha.images import Picture, content_hashes

pa = pytest.importorskip("pyarrow")
import pyarrow.parquet as pq  # noqa: E402


@pytest.fixture
def embedded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Numbers of pictures that the network computed, by batch; chunks are of four pictures."""
    counts: list[int] = []
    compute = extractors.GraphExtractor.vectors

    def vectors(self: extractors.GraphExtractor, prepared: Any) -> Any:
        counts.append(len(prepared))
        return compute(self, prepared)

    monkeypatch.setattr(extractors.GraphExtractor, "vectors", vectors)
    monkeypatch.setattr(chunks, "LEAST", 4)
    return counts


def rows(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = pq.read_table(path).to_pylist()
    return found


def test_names_labels_hashes_and_vectors(tiny: Model, tmp_path: Path) -> None:
    folder, out = photos(tmp_path / "photos"), tmp_path / "vectors.parquet"
    counts: list[tuple[int, int]] = []
    made = semelha.embed_files(tiny, folder, out=out, progress=lambda *count: counts.append(count))
    paths = [path for label in range(3) for path in sorted((folder / f"thing {label}").iterdir())]
    found = rows(out)
    assert [row["name"] for row in found] == [str(path) for path in paths]
    assert [row["label"] for row in found] == [path.parent.name for path in paths]
    assert [row["content_hash"] for row in found] == [content_hashes(Picture(path, "", ""))[0] for path in paths]
    np.testing.assert_array_equal(np.float32([row["vector"] for row in found]), tiny.embed(paths))
    assert counts[-1] == (12, 12)
    assert (made.vectors, made.reused, made.skipped, made.dim) == (12, 0, (), tiny.dim)
    schema = pq.read_schema(out)
    assert schema.field("vector").type.list_size == tiny.dim
    assert schema.metadata[b"semelha.fingerprint"] == tiny.fingerprint.encode()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["photos", "vectors.parquet", "vectors.skipped.csv"]


def test_bad_files_are_listed_with_reasons(tiny: Model, tmp_path: Path) -> None:
    folder, out = photos(tmp_path / "photos"), tmp_path / "vectors.parquet"
    (folder / "thing 1" / "9.png").write_bytes(b"no picture")
    good = (folder / "thing 0" / "0.png").read_bytes()
    (folder / "thing 2" / "8.png").write_bytes(good[: len(good) // 2])
    made = semelha.embed_files(tiny, folder, out=out)
    assert made.vectors == len(rows(out)) == 12
    with made.skipped_path.open(encoding="utf-8", newline="") as file:
        listed = list(csv.DictReader(file))
    assert [Path(one["name"]).name for one in listed] == ["9.png", "8.png"]
    assert "no picture in a format that is read" in listed[0]["reason"]
    assert "cut off or damaged" in listed[1]["reason"]
    assert [(one.name, one.reason) for one in made.skipped] == [(one["name"], one["reason"]) for one in listed]


def test_an_interrupted_run_goes_on(tiny: Model, tmp_path: Path, embedded: list[int]) -> None:
    folder, out, whole = photos(tmp_path / "photos"), tmp_path / "vectors.parquet", tmp_path / "whole.parquet"
    semelha.embed_files(tiny, folder, out=whole, batch_size=4)
    embedded.clear()

    def interrupt(done: int, _: int) -> None:
        if done == 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        semelha.embed_files(tiny, folder, out=out, batch_size=4, progress=interrupt)
    assert not out.exists()
    parts = len(list((tmp_path / "vectors.parquet.parts").glob("*.parquet")))
    assert parts == 2
    embedded.clear()
    counts: list[int] = []
    made = semelha.embed_files(tiny, folder, out=out, batch_size=4, progress=lambda done, _: counts.append(done))
    assert (sum(embedded), made.vectors, made.reused) == (4, 12, 8)
    assert counts == [12]
    assert out.read_bytes() == whole.read_bytes()


KILLED = """
import os, signal, sys, semelha
from semelha.bulk import VectorFile, chunks
chunks.LEAST = 4
def kill(done, total):
    if done == 8:
        os.kill(os.getpid(), signal.SIGKILL)
semelha.embed_files(sys.argv[1], sys.argv[2], out=sys.argv[3], batch_size=4, progress=kill)
"""


def test_a_killed_run_goes_on(tiny: Model, tmp_path: Path, embedded: list[int]) -> None:
    folder, out, whole = photos(tmp_path / "photos"), tmp_path / "vectors.parquet", tmp_path / "whole.parquet"
    semelha.embed_files(tiny, folder, out=whole, batch_size=4)
    killed = subprocess.run([sys.executable, "-c", KILLED, tiny.folder, folder, out], timeout=60)
    assert killed.returncode == -signal.SIGKILL
    embedded.clear()
    made = semelha.embed_files(tiny, folder, out=out, batch_size=4)
    assert (sum(embedded), made.reused) == (4, 8)
    assert out.read_bytes() == whole.read_bytes()


def test_pictures_that_moved_are_recognized_by_content(tiny: Model, tmp_path: Path, embedded: list[int]) -> None:
    """A later run over a folder that changed embeds what is new: every chunk has other pictures by then."""
    folder, out = photos(tmp_path / "photos"), tmp_path / "vectors.parquet"
    semelha.embed_files(tiny, folder, out=out, batch_size=4)
    before = {row["content_hash"]: row["vector"] for row in rows(out)}
    save(folder / "a new thing" / "0.png", 999)
    (folder / "thing 1").rename(folder / "renamed")
    embedded.clear()
    made = semelha.embed_files(tiny, folder, out=out, batch_size=4)
    assert (sum(embedded), made.vectors, made.reused) == (1, 13, 12)
    after = rows(out)
    assert {row["label"] for row in after} == {"a new thing", "renamed", "thing 0", "thing 2"}
    assert all(row["vector"] == before[row["content_hash"]] for row in after if row["label"] != "a new thing")


def test_a_changed_file_is_embedded_again(tiny: Model, tmp_path: Path, embedded: list[int]) -> None:
    folder, out = photos(tmp_path / "photos"), tmp_path / "vectors.parquet"
    semelha.embed_files(tiny, folder, out=out)
    save(folder / "thing 0" / "0.png", 999)
    assert semelha.embed_files(tiny, folder, out=out).reused == 11
    assert rows(out)[0]["vector"] == tiny.embed(folder / "thing 0" / "0.png")[0].tolist()


def test_vectors_of_another_model_are_not_reused(tiny: Model, tmp_path: Path) -> None:
    from tests.tiny_model import tiny_model

    folder, out = photos(tmp_path / "photos"), tmp_path / "vectors.parquet"
    semelha.embed_files(tiny, folder, out=out)
    assert semelha.embed_files(tiny_model(tmp_path / "other", seed=1), folder, out=out).reused == 0


def test_a_damaged_part_is_embedded_again(
    tiny: Model, tmp_path: Path, embedded: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    folder, out = photos(tmp_path / "photos"), tmp_path / "vectors.parquet"

    def interrupt(done: int, _: int) -> None:
        if done == 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        semelha.embed_files(tiny, folder, out=out, batch_size=4, progress=interrupt)
    part = next((tmp_path / "vectors.parquet.parts").glob("*.parquet"))
    part.write_bytes(part.read_bytes()[:100])
    assert semelha.embed_files(tiny, folder, out=out, batch_size=4).reused == 4
    assert "its pictures are embedded again" in caplog.text


def test_damaged_vectors_of_an_earlier_run_are_not_reused(tiny: Model, tmp_path: Path) -> None:
    """A bit of a number turned: the numbers have checksums."""
    folder, out = photos(tmp_path / "photos"), tmp_path / "vectors.parquet"
    semelha.embed_files(tiny, folder, out=out)
    data = bytearray(out.read_bytes())
    place = data.index(np.float32(rows(out)[5]["vector"]).tobytes())
    data[place] ^= 1
    out.write_bytes(data)
    with pytest.raises(DatasetError, match="is damaged: remove it"):
        semelha.embed_files(tiny, folder, out=out)
    with pytest.raises(DatasetError, match="is damaged"), VectorFile(out, dim=tiny.dim) as file:
        list(file.batches())


def test_vectors_that_are_not_finite_are_left_out(tiny: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, out = photos(tmp_path / "photos", classes=1), tmp_path / "vectors.parquet"
    compute = extractors.GraphExtractor.vectors

    def vectors(self: extractors.GraphExtractor, prepared: Any) -> Any:
        found = compute(self, prepared).copy()
        found[0, 3] = np.nan
        return found

    monkeypatch.setattr(extractors.GraphExtractor, "vectors", vectors)
    made = semelha.embed_files(tiny, folder, out=out)
    assert made.vectors == 3
    assert "not finite" in made.skipped[0].reason


def test_boxes_of_a_manifest(tiny: Model, tmp_path: Path) -> None:
    save(tmp_path / "a.png", 1)
    table = tmp_path / "table.csv"
    table.write_text("path,label,left,top,right,bottom\na.png,one,0,0,10,10\na.png,two,10,10,20,20\n")
    semelha.embed_files(tiny, table, out=tmp_path / "vectors.parquet")
    found = rows(tmp_path / "vectors.parquet")
    assert [row["label"] for row in found] == ["one", "two"]
    assert found[0]["content_hash"] != found[1]["content_hash"]


def test_two_processes_do_not_write_one_file(tiny: Model, tmp_path: Path) -> None:
    folder, out = photos(tmp_path / "photos"), tmp_path / "vectors.parquet"
    (tmp_path / "vectors.parquet.parts").mkdir()
    with (
        file_lock(tmp_path / "vectors.parquet.parts" / ".lock", wait=False),
        pytest.raises(SemelhaError, match="another process writes"),
    ):
        semelha.embed_files(tiny, folder, out=out)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"engine": "spark"}, "engine is 'spark': it must be one of local, ray"),
        ({"actors": 2}, "actors are of the engine ray"),
        ({"engine": "ray", "actors": 0}, "actors is 0"),
        ({"batch_size": 0}, "batch_size is 0"),
    ],
)
def test_arguments(more: dict[str, Any], message: str, tiny: Model, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=message):
        semelha.embed_files(tiny, tmp_path, out=tmp_path / "vectors.parquet", **more)
    assert not list(tmp_path.iterdir())


def test_a_folder_without_pictures(tiny: Model, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetError, match="contains no pictures"):
        semelha.embed_files(tiny, tmp_path / "empty", out=tmp_path / "vectors.parquet")


@pytest.mark.skipif(os.name != "posix", reason="names of files are bytes on POSIX alone")
def test_a_name_that_is_no_unicode(tiny: Model, tmp_path: Path) -> None:
    save(tmp_path / "photos" / os.fsdecode(b"caf\xe9.png"), 1)
    semelha.embed_files(tiny, tmp_path / "photos", out=tmp_path / "vectors.parquet")
    assert Path(rows(tmp_path / "vectors.parquet")[0]["name"]).name == r"caf\xe9.png"
