"""Archives from outside: plain files within limits are unpacked, and nothing is written elsewhere."""

import io
import stat
import struct
import warnings
import zipfile
from pathlib import Path
from typing import Any

import pytest

from semelha.errors import DatasetError, PictureTooLarge, SemelhaError
from semelha.service.archives import unpack
from semelha.service.settings import Settings


def archive(path: Path, *members: tuple[str, bytes], mode: int = 0, how: int = zipfile.ZIP_DEFLATED) -> Path:
    """An archive of these files, all of a mode."""
    with warnings.catch_warnings(), zipfile.ZipFile(path, "w", how) as file:
        warnings.simplefilter("ignore")  # of a name that is there twice
        for name, content in members:
            info = zipfile.ZipInfo("x")
            info.filename, info.external_attr, info.compress_type = name, mode << 16, how
            file.writestr(info, content)
    return path


def unpacked(path: Path, into: Path, **settings: Any) -> list[tuple[int, int]]:
    """Unpack, and return the progress."""
    steps: list[tuple[int, int]] = []
    into.mkdir()
    unpack(path, into, Settings(**settings), lambda done, total: steps.append((done, total)))
    return steps


def test_files_are_unpacked_with_progress(tmp_path: Path) -> None:
    made = archive(tmp_path / "a.zip", ("a/1.png", b"one"), ("ü 猫/2.png", b"x" * 100_000), ("a/", b""))
    assert unpacked(made, tmp_path / "out") == [(1, 2), (2, 2)]
    assert (tmp_path / "out" / "a" / "1.png").read_bytes() == b"one"
    assert len((tmp_path / "out" / "ü 猫" / "2.png").read_bytes()) == 100_000


@pytest.mark.parametrize(
    "name",
    ["../x", "a/../../x", "/etc/x", "a//x", "./x", "..", "a\\..\\x", "x\x00y", "a/" + "x" * 256, "d/" * 40 + "x",
     "猫" * 100],
)  # fmt: skip
def test_paths_that_lead_outside_or_are_none(tmp_path: Path, name: str) -> None:
    made = archive(tmp_path / "a.zip", (name, b"evil"))
    with pytest.raises(DatasetError):
        unpacked(made, tmp_path / "out")
    assert sorted(one.name for one in tmp_path.iterdir()) == ["a.zip", "out"]
    assert not any(one.is_file() for one in (tmp_path / "out").rglob("*"))


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFSOCK])
def test_links_and_devices_are_refused(tmp_path: Path, kind: int) -> None:
    made = archive(tmp_path / "a.zip", ("a/link", b"/etc/passwd"), mode=kind | 0o777)
    with pytest.raises(DatasetError, match="link"):
        unpacked(made, tmp_path / "out")


def test_a_name_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SemelhaError):
        unpacked(archive(tmp_path / "a.zip", ("a/1", b"1"), ("a/1", b"2")), tmp_path / "out")
    with pytest.raises(SemelhaError):
        unpacked(archive(tmp_path / "b.zip", ("a", b"1"), ("a/1", b"2")), tmp_path / "out2")


def test_bombs(tmp_path: Path) -> None:
    zeros = archive(tmp_path / "a.zip", ("a/1", bytes(30 << 20)))
    with pytest.raises(PictureTooLarge, match="200 times its size"):
        unpacked(zeros, tmp_path / "out")
    many = archive(tmp_path / "b.zip", *((f"a/{n}", bytes(1000)) for n in range(50)))
    with pytest.raises(PictureTooLarge, match="more than 20,000 bytes"):
        unpacked(many, tmp_path / "out2", max_import_unpacked=20_000)
    with pytest.raises(DatasetError, match="50 files: at most 49"):
        unpacked(many, tmp_path / "out3", max_import_files=49)


@pytest.mark.parametrize("disguise", ["none", "an end in the end", "a ZIP64 record at another place"])
def test_a_table_of_contents_that_would_fill_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, disguise: str
) -> None:
    """It is refused before its files are listed, whichever of its ends an archive states the size in."""
    one = b"PK\x01\x02" + bytes(42)
    table = one * 30_000
    disks = b"PK\x05\x06" if disguise == "an end in the end" else bytes(4)
    size, wide = len(table), b""
    if disguise == "a ZIP64 record at another place":
        wide = struct.pack("<4sQHHLLQQQQ", b"PK\x06\x06", 44, 45, 45, 0, 0, 1, 1, size, 0)
        wide += struct.pack("<4sLQL", b"PK\x06\x07", 0, 0, 1)
        size = 46
    end = b"PK\x05\x06" + disks + struct.pack("<HHLLH", 1, 1, size, 0, 0)
    (tmp_path / "a.zip").write_bytes(table + wide + end)
    assert len(zipfile.ZipFile(tmp_path / "a.zip").infolist()) == 30_000
    monkeypatch.setattr(zipfile, "ZipInfo", None)
    for most in (10, 29_999):
        with pytest.raises(DatasetError, match=f"more than {most:,} files"):
            unpacked(tmp_path / "a.zip", tmp_path / f"out{most}", max_import_files=most)


@pytest.mark.parametrize("how", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_compression_is_refused(tmp_path: Path, how: int) -> None:
    with pytest.raises(DatasetError, match="compressed in another way"):
        unpacked(archive(tmp_path / "a.zip", ("a/1", b"1"), how=how), tmp_path / "out")


def test_encrypted_files_are_refused(tmp_path: Path) -> None:
    made = archive(tmp_path / "a.zip", ("a/1", b"1"))
    data = bytearray(made.read_bytes())
    for signature, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.find(signature) + place] |= 1
    made.write_bytes(data)
    with pytest.raises(DatasetError, match="encrypted"):
        unpacked(made, tmp_path / "out")


def test_whatever_is_cut_off_or_changed_is_refused_with_one_sentence(tmp_path: Path) -> None:
    """Every truncation and every changed byte of a small archive: an error of ours, or the files as they are."""
    good = archive(tmp_path / "good.zip", ("a/1.png", b"one" * 50), ("b/2.png", b"two")).read_bytes()
    variants = [good[:length] for length in range(0, len(good), 7)]
    variants += [good[:place] + bytes([good[place] ^ 0x55]) + good[place + 1 :] for place in range(0, len(good), 3)]
    messages: list[str] = []
    for number, variant in enumerate([b"", b"PK", b"x" * 1000, good + good, *variants]):
        (tmp_path / "bad.zip").write_bytes(variant)
        try:
            unpacked(tmp_path / "bad.zip", tmp_path / f"out{number}")
        except SemelhaError as error:
            messages.append(str(error))
        assert sum(one.stat().st_size for one in (tmp_path / f"out{number}").rglob("*") if one.is_file()) < 2000
    assert len(messages) > 20
    assert not any("\n" in one for one in messages)


def test_an_archive_in_an_archive_is_a_file(tmp_path: Path) -> None:
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as file:
        file.writestr("x", b"1")
    made = archive(tmp_path / "a.zip", ("a/inner.zip", inner.getvalue()))
    unpacked(made, tmp_path / "out")
    assert [one.name for one in (tmp_path / "out").rglob("*") if one.is_file()] == ["inner.zip"]
