"""Shards: what is written is read again, from disks and from storage, and nothing else."""

import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.tiny_model import noise
from webdataset import tariterators

from semelha.errors import DatasetError, PictureError, PictureTooLarge, UsageError
from semelha.images import Dataset, Limits, Picture, class_shards, content_hashes, read_dataset, write_shards
from semelha.images.packed import Packed, local_copy
from semelha.images.shards import divide


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Of five classes with 1 to 5 pictures; one has a group, a split, a box and a domain."""
    folder = tmp_path_factory.mktemp("photos")
    from PIL import Image

    for label in range(5):
        (folder / f"çlass {label}").mkdir()
        for number in range(label + 1):
            Image.fromarray(noise(10 * label + number)).save(folder / f"çlass {label}" / f"{'abcde'[number]}.png")
    read = read_dataset(folder)
    special = read.pictures[-1]
    marked = Picture(special.source, special.label, special.name, "g", "train", (1, 2, 9, 8), domain="iconic")
    array = Picture(noise(7), "çlass 0", "array")
    return Dataset("photos", (*read.pictures[:-1], marked, array))


@pytest.fixture
def packed(pictures: Dataset, tmp_path: Path) -> Path:
    write_shards(pictures, tmp_path / "packed", number=3)
    return tmp_path / "packed"


def as_rows(dataset: Dataset) -> dict[str, object]:
    return {
        one.name: (one.label, one.group, one.split, one.box, one.domain, content_hashes(one)[0], one.pixels().tobytes())
        for one in dataset
    }


@pytest.mark.parametrize(
    "path", [str, "{}/shards.json".format, "{}/shards-{{0000..0002}}.tar".format, "file://{}".format]
)
def test_what_is_written_is_read_again(path: Callable[[Path], str], pictures: Dataset, packed: Path) -> None:
    found = read_dataset(path(packed))
    assert as_rows(found) == as_rows(pictures)
    assert found.classes == pictures.classes


def test_each_class_is_in_one_shard_of_about_equal_size(pictures: Dataset, packed: Path) -> None:
    found = read_dataset(packed)
    archives: dict[str, set[str]] = {}
    for one in found:
        assert isinstance(one.source, Packed)
        archives.setdefault(one.label, set()).add(one.source.archive)
    assert all(len(several) == 1 for several in archives.values())
    sizes = np.bincount(class_shards(found, 3))
    assert sizes.tolist() == [5, 6, 5] or sorted(sizes.tolist()) == [5, 5, 6]
    one = read_dataset(f"{packed}/shards-0001.tar")
    assert {str(picture.source.archive) for picture in one} == {f"{packed}/shards-0001.tar"}  # type: ignore[union-attr]


def test_webdataset_reads_them(pictures: Dataset, packed: Path) -> None:
    labels = pictures.classes
    found = {}
    for archive in packed.glob("*.tar"):
        with archive.open("rb") as stream:  # opened here, because WebDataset leaves its files open
            members = tariterators.tar_file_expander([{"url": str(archive), "stream": stream}])
            for sample in tariterators.group_by_keys(members):
                told = json.loads(sample["json"])
                assert labels[int(sample["cls"])] == told["label"]
                found[told["name"]] = sample["png"]
    assert len(found) == len(pictures)
    for one in read_dataset(packed):
        assert isinstance(one.source, Packed)
        assert one.source.read(max_bytes=10**6) == found[one.name]


def test_classes_are_divided_evenly_and_always_alike() -> None:
    random = np.random.default_rng(0)
    sizes = {f"class {number}": int(random.integers(1, 50)) for number in range(200)}
    parts = divide(sizes, 7)
    loads = np.bincount(list(parts.values()), weights=list(map(sizes.__getitem__, parts)))
    assert loads.max() - loads.min() <= 50
    assert divide(dict(reversed(sizes.items())), 7) == parts


def test_shards_of_other_shards_are_the_same(packed: Path, tmp_path: Path) -> None:
    again = tmp_path / "again"
    assert sum(one.pictures for one in write_shards(read_dataset(packed), again)) == 16
    assert as_rows(read_dataset(again)) == as_rows(read_dataset(packed))


def test_what_cannot_be_divided_is_refused(pictures: Dataset, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="5 classes, and each is in one shard"):
        write_shards(pictures, tmp_path / "packed", number=6)
    with pytest.raises(DatasetError, match="5 classes, which cannot be divided into 6"):
        class_shards(pictures, 6)


def edited(packed: Path, edit: Callable[[Any], None]) -> None:
    index = json.loads((packed / "shards.json").read_text(encoding="utf-8"))
    edit(index)
    (packed / "shards.json").write_text(json.dumps(index), encoding="utf-8")


def put(*path: str | int, value: object) -> Callable[[Any], None]:
    def edit(index: Any) -> None:
        for key in path[:-1]:
            index = index[key]
        index[path[-1]] = value

    return edit


FIRST = ("shards", 0, "pictures", 0)


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (put("shards", 0, "file", value="../photos.tar"), "no name of a shard"),
        (put("shards", 0, "file", value="/etc/passwd"), "no name of a shard"),
        (put("shards", 0, "file", value="s3://elsewhere/x.tar"), "no name of a shard"),
        (put("shards", 0, "bytes", value=10), "lies outside of it|its index says 10"),
        (put(*FIRST, "start", value=10**9), "lies outside"),
        (put(*FIRST, "start", value=-1), "'start' is -1"),
        (put(*FIRST, "length", value=0), "lies outside"),
        (put(*FIRST, "class", value=99), "has no class"),
        (put(*FIRST, "class", value="0"), "must be a whole number"),
        (put(*FIRST, "box", value=[1, 2, 3]), "four whole numbers"),
        (put(*FIRST, value=3), "no object"),
        (put("classes", 1, "label", value="çlass 0"), "a class twice"),
        (put("version", value=2), "no index of shards"),
        (put("shards", value=[]), "names no picture"),
    ],
)
def test_a_hostile_index_is_refused(edit: Callable[[Any], None], said: str, packed: Path) -> None:
    edited(packed, edit)
    with pytest.raises(DatasetError, match=said):
        read_dataset(packed)


def test_no_path_link_or_size_in_an_archive_is_followed(packed: Path, tmp_path: Path) -> None:
    """A member that is a link, or names a path outside, is bytes that no picture of the index has."""
    with tarfile.open(packed / "shards-0000.tar", "w") as archive:
        link = tarfile.TarInfo("../../outside.png")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    size = (packed / "shards-0000.tar").stat().st_size
    with pytest.raises(DatasetError, match=f"has {size:,} bytes, and its index says"):
        read_dataset(packed)


def test_other_bytes_than_were_written_are_a_damaged_picture(packed: Path) -> None:
    archive = packed / "shards-0001.tar"
    data = bytearray(archive.read_bytes())
    data[600] ^= 1
    archive.write_bytes(data)
    first = next(one for one in read_dataset(packed) if str(archive) in str(one.source))
    with pytest.raises(PictureError, match="damaged: it is not what was written"):
        first.pixels()


def test_limits_hold_for_pictures_in_archives(packed: Path) -> None:
    for limits, said in ((Limits(max_bytes=100), "max_bytes is 100"), (Limits(max_pixels=100), "max_pixels is 100")):
        with pytest.raises(PictureTooLarge, match=said):
            read_dataset(packed, limits=limits).pictures[0].pixels()


def test_archives_lie_within_the_folder_that_is_allowed(packed: Path, tmp_path: Path) -> None:
    assert len(read_dataset(packed, within=packed)) == 16
    (packed / "shards-0000.tar").rename(tmp_path / "elsewhere.tar")
    (packed / "shards-0000.tar").symlink_to(tmp_path / "elsewhere.tar")
    assert len(read_dataset(packed)) == 16
    with pytest.raises(DatasetError, match="does not lie in the folder"):
        read_dataset(packed, within=packed)
    with pytest.raises(DatasetError, match="does not lie in the folder"):
        read_dataset(f"file://{packed}", within=packed)


def test_storage_that_is_away_is_no_damaged_picture(packed: Path, tmp_path: Path) -> None:
    """It ends what was begun, so that no training goes on with a part of its pictures."""
    found = read_dataset(f"file://{packed}")
    for archive in packed.glob("*.tar"):
        archive.unlink()
    with pytest.raises(DatasetError, match=r"shards-000\d.tar cannot be read"):
        found.pictures[0].pixels()
    with pytest.raises(DatasetError, match="cannot be read"), local_copy(f"file://{packed}/x.tar", tmp_path):
        pass
    with pytest.raises(DatasetError, match="cannot be read"):
        read_dataset("nonsense://bucket/photos")
    with pytest.raises(DatasetError, match="no index shards"):
        read_dataset(tmp_path / "shards-{0..3}.tar")


def test_an_archive_in_storage_is_copied_while_it_is_read(packed: Path, tmp_path: Path) -> None:
    url = f"file://{packed}/shards-0000.tar"
    with local_copy(url, tmp_path) as copy:
        assert Path(copy).read_bytes() == (packed / "shards-0000.tar").read_bytes()
    assert not Path(copy).exists()
    with local_copy(str(packed), tmp_path) as same:
        assert same == str(packed)
