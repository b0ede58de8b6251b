"""The commands on a gallery that is on Milvus, and two servers of it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from tests.cli.commands import answer, run
from tests.milvus_server import MilvusServer
from tests.service.process import server
from tests.tiny_model import noise

import semelha
from semelha.embedders import Model
from semelha.gallery import Gallery
from semelha.store.milvus.client import Collection

pytest.importorskip("milvus_lite")


@pytest.fixture
def milvus(tmp_path: Path) -> Iterator[MilvusServer]:
    with MilvusServer(tmp_path / "data") as running:
        yield running


@pytest.fixture
def pictures(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / f"{number}.png" for number in range(4)]
    for number, path in enumerate(paths):
        Image.fromarray(noise(number)).save(path)
    return paths


def test_commands_take_an_address(
    milvus: MilvusServer,
    pictures: list[Path],
    tiny: Model,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shop = milvus.address("shop")
    status, _, err = run(capsys, "enroll", shop, "a", pictures[0], "--model", tiny.folder)
    assert status == 2
    assert "--pictures" in err
    there = ["--model", tiny.folder, "--pictures", tmp_path / "there"]
    assert answer(capsys, "enroll", shop, "a", pictures[0], *there)["subjects"] == 1
    assert answer(capsys, "enroll", shop, "b", pictures[1], pictures[2])["subjects"] == 2
    (found,) = answer(capsys, "identify", shop, pictures[2])["identifications"]
    assert found["subject"] == "b"
    assert answer(capsys, "copy", shop, tmp_path / "back")["examples"] == 3
    assert answer(capsys, "subjects", "remove", shop, "b", "--yes") is not None
    with Gallery(tmp_path / "back") as back:
        assert sorted(back) == ["a", "b"]
    milvus.kill()
    monkeypatch.setattr(Collection, "patience", 1.0)
    status, _, err = run(capsys, "identify", shop, pictures[2])
    assert status == 1
    assert "cannot be reached" in err


def test_two_servers_answer_for_one_gallery(
    milvus: MilvusServer, pictures: list[Path], tiny: Model, tmp_path: Path
) -> None:
    """What one enrolls, the other identifies at once."""
    shop = milvus.address("shop")
    with Gallery.create(shop, tiny, pictures=tmp_path / "there") as gallery:
        gallery.enroll("a", pictures[0])
    with (
        server(shop, tmp_path=tmp_path) as (_, one),
        server(shop, tmp_path=tmp_path) as (_, other),
        semelha.Client(one) as first,
        semelha.Client(other) as second,
    ):
        first.enroll("b", pictures[1])
        assert second.identify(pictures[1]).candidates[0].subject == "b"
        second.remove("a")
        assert [each.name for each in first.find_subjects().subjects] == ["b"]
        milvus.kill()
        milvus.start()
        assert second.identify(pictures[1]).candidates[0].subject == "b"
