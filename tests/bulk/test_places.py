"""Places of pictures: URLs that fsspec reads, beside folders and files; each is read ahead, and none twice."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.bulk.made import photos
from tests.tiny_model import noise

import semelha
from semelha.bulk import RemotePicture, places, read_places
from semelha.embedders import Model
from semelha.errors import DatasetError, MissingExtra, UsageError
from semelha.images import Limits

pytest.importorskip("pyarrow")
fsspec = pytest.importorskip("fsspec")


@pytest.fixture
def bucket(tmp_path: Path) -> Iterator[str]:
    """Class folders in memory, with files that are no pictures."""
    memory: Any = fsspec.filesystem("memory")
    local = photos(tmp_path / "photos")
    memory.put(str(local), "/bucket/photos", recursive=True)
    memory.pipe("/bucket/photos/thing 1/9.png", b"no picture")
    memory.pipe("/bucket/photos/readme.txt", b"text")
    memory.pipe("/bucket/photos/thing 0/.hidden.png", b"text")
    memory.pipe("/bucket/photos/@eaDir/thumb.png", b"text")
    yield "memory://bucket/photos"
    memory.rm("/bucket", recursive=True)


def test_object_storage_gives_what_a_folder_gives(bucket: str, tiny: Model, tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    made = semelha.embed_files(tiny, bucket, out=tmp_path / "remote.parquet")
    semelha.embed_files(tiny, tmp_path / "photos", out=tmp_path / "local.parquet")
    remote, local = (pq.read_table(tmp_path / f"{name}.parquet") for name in ("remote", "local"))
    assert remote.drop_columns(["name"]).equals(local.drop_columns(["name"]))
    assert remote.column("name")[0].as_py() == "memory:///bucket/photos/thing 0/0.png"
    assert [one.name for one in made.skipped] == ["memory:///bucket/photos/thing 1/9.png"]


def test_what_is_ignored_is_told(bucket: str) -> None:
    remarks = [str(remark) for remark in read_places(bucket).remarks]
    assert remarks == [
        "ignored: hidden files, and files of desktop software: 2 (memory:///bucket/photos/@eaDir/thumb.png, "
        "memory:///bucket/photos/thing 0/.hidden.png)",
        "ignored: files that are no pictures by their names: 1 (memory:///bucket/photos/readme.txt)",
    ]


def test_a_file_and_a_pattern(bucket: str) -> None:
    assert [picture.label for picture in read_places(f"{bucket}/thing 0/1.png")] == [""]
    assert [picture.label for picture in read_places(f"{bucket}/*/1.png")] == ["thing 0", "thing 1", "thing 2"]


def test_a_file_url_is_a_folder(tmp_path: Path) -> None:
    dataset = read_places([photos(tmp_path / "photos").as_uri(), tmp_path / "photos" / "thing 0" / "1.png"])
    assert [picture.label for picture in dataset].count("") == 1
    assert len(dataset) == 13
    assert not any(isinstance(picture, RemotePicture) for picture in dataset)


def test_files_that_cannot_be_read_are_left_out(
    bucket: str, tiny: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = places._content

    def broken(url: str, path: str, size: int | None, most: int) -> bytes:
        if path.endswith("2.png"):
            raise TimeoutError("the network is slow")
        return content(url, path, size, most)

    monkeypatch.setattr(places, "_content", broken)
    made = semelha.embed_files(tiny, bucket, out=tmp_path / "vectors.parquet")
    assert made.vectors == 9
    assert made.skipped[0].reason == "memory:///bucket/photos/thing 0/2.png cannot be read: the network is slow"


def test_large_files_are_not_read(bucket: str, tiny: Model) -> None:
    first = read_places(bucket, limits=Limits(max_bytes=10)).pictures[0]
    with pytest.raises(semelha.errors.PictureTooLarge, match="max_bytes is 10"):
        first.pixels()
    np.testing.assert_array_equal(read_places(bucket).pictures[0].pixels(), noise(0))


def test_reading_ahead_stops_with_the_caller(bucket: str) -> None:
    ahead = places.with_content(read_places(bucket))
    next(ahead)
    ahead.close()  # type: ignore[attr-defined]


def test_urls_that_cannot_be_read(bucket: str) -> None:
    with pytest.raises(DatasetError, match="contains no pictures"):
        read_places("memory://bucket/nothing")
    with pytest.raises(UsageError, match="which fsspec cannot read"):
        read_places("nonsense://bucket/photos")
    with pytest.raises(UsageError, match="pictures is empty"):
        read_places([])


def test_a_package_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    import fsspec.core

    def missing(url: str) -> None:
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr(fsspec.core, "url_to_fs", missing)
    with pytest.raises(MissingExtra, match="Install s3fs"):
        read_places("s3://bucket/photos")
