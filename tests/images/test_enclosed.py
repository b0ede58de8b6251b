"""Data sets from outside: no picture is read that lies elsewhere."""

from pathlib import Path

import pytest
from PIL import Image
from tests.tiny_model import noise

from semelha.errors import DatasetError
from semelha.images import read_dataset


@pytest.fixture
def inside(tmp_path: Path) -> Path:
    """A folder with a picture, and one beside it."""
    for place in ("inside/a/1.png", "outside/a/2.png"):
        (tmp_path / place).parent.mkdir(parents=True)
        Image.fromarray(noise(1)).save(tmp_path / place)
    return tmp_path / "inside"


@pytest.mark.parametrize(
    "path", ["../outside/a/2.png", "{}/outside/a/2.png", "..\\outside\\a\\2.png", "a/../../outside/a/2.png"]
)
def test_a_manifest_cannot_name_a_file_elsewhere(inside: Path, path: str) -> None:
    named = path.format(inside.parent)
    (inside / "list.csv").write_text(f"path,label\na/1.png,a\n{named},b\n")
    with pytest.raises(DatasetError, match="does not lie in the folder"):
        read_dataset(inside / "list.csv", within=inside)
    assert len(read_dataset(inside / "list.csv")) == 2


def test_a_link_to_elsewhere_is_refused(inside: Path) -> None:
    (inside / "a" / "link.png").symlink_to(inside.parent / "outside" / "a" / "2.png")
    with pytest.raises(DatasetError, match="does not lie in the folder"):
        read_dataset(inside, within=inside)


def test_what_lies_inside_is_read(inside: Path) -> None:
    (inside / "list.csv").write_text("path,label\na/1.png,a\n")
    assert len(read_dataset(inside / "list.csv", within=inside)) == len(read_dataset(inside, within=str(inside))) == 1
    with pytest.raises(DatasetError, match="does not lie"):
        read_dataset(inside, within=inside / "a" / "1")
