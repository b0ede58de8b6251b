"""The guides: every command and every block of Python runs, in both languages, on a small set of pictures."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from docs.site.pages import outside_code
from PIL import Image
from tests.docs.runner import Block, blocks, environment, follow
from tests.foreign_graph import network
from tests.tiny_model import noise, tiny_model

import semelha

GUIDES = Path(__file__).parents[2] / "docs" / "guides"
NAMES = sorted(path.stem for path in GUIDES.glob("*.md") if not path.name.endswith(".pt-BR.md"))
NOT_RUN = {"start": 1, "animals": 1, "air-gapped": 3, "many-machines": 3}
"""Blocks that no test can run: they install, download, or need another machine."""

NEAREST = ("granny-smith", "golden-delicious", "lime", "anjou")
"""What `new.jpg` looks like, the most similar first."""


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the guides assume: pictures of letters, two or three of each, and a model."""
    folder = tmp_path_factory.mktemp("guides")
    tiny_model(folder / "model", size=32, dim=64)
    tiny_model(folder / "model-2", size=32, dim=64, seed=1)
    network(folder / "arcface.onnx", size=(112, 112))
    for target, script, most, subjects in (
        ("catalogue", "Cyrillic", 2, 230),
        ("photos", "Greek", 4, 30),
        ("test-photos", "Lao", 4, 20),
    ):
        by_class: dict[str, list[np.ndarray]] = {}
        for picture in semelha.glyphs([script], size=32):
            by_class.setdefault(picture.label.split("/")[-1], []).append(np.asarray(picture.source))
        for name, found in list(by_class.items())[:subjects]:
            for number, pixels in enumerate(found[:most]):
                save(folder / target / name / f"{number}.png", pixels)
    for number in range(120):
        save(folder / "strangers" / str(number) / "1.png", noise(number))
    for number, path in enumerate(sorted((folder / "test-photos").rglob("*.png"))[:30]):
        save(folder / "pictures" / f"{number}.png", np.asarray(Image.open(path)))
    apples = sorted((folder / "catalogue").iterdir())[:4]
    granny_smith = np.asarray(Image.open(apples[0] / "0.png"))
    for path, name, share in zip(apples, NEAREST, (1, 0.9, 0.7, 0.5), strict=True):
        for picture in path.iterdir():  # the others look a little like the first
            mixed = share * granny_smith + (1 - share) * np.asarray(Image.open(picture))
            save(picture, mixed.astype(np.uint8))
        path.rename(path.with_name(name))
    for name, light in (("a.jpg", 1.0), ("b.jpg", 0.99), ("new.jpg", 0.98)):
        Image.fromarray((light * granny_smith).astype(np.uint8)).convert("RGB").save(folder / name)
    return folder


def save(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


@pytest.mark.parametrize("name", NAMES)
def test_every_block_of_a_guide_runs(
    name: str, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "reader"
    shutil.copytree(pictures, folder)
    monkeypatch.chdir(folder)
    for key, value in environment(folder).items():
        monkeypatch.setenv(key, value)
    follow(text_of(name), folder / "model")


@pytest.mark.parametrize("name", NAMES)
def test_both_languages_have_the_same_code(name: str) -> None:
    """What runs in English runs in Portuguese: the blocks are the same, except for comments."""
    english, portuguese = blocks(text_of(name)), blocks(text_of(f"{name}.pt-BR"))
    assert [code(each) for each in english] == [code(each) for each in portuguese]


@pytest.mark.parametrize("path", sorted(GUIDES.glob("*.md")), ids=lambda path: path.name)
def test_every_figure_of_a_guide_is_in_the_results(path: Path) -> None:
    results = (GUIDES.parents[1] / "benchmarks" / "RESULTS.md").read_text(encoding="utf-8")
    figures: set[str] = set()
    outside_code(path.read_text(encoding="utf-8"), lambda prose: figures.update(re.findall(r"\d+\.\d+", prose)) or "")
    assert {figure for figure in figures - {"3.11"} if figure not in results} == set()


def text_of(page: str) -> str:
    return (GUIDES / f"{page}.md").read_text(encoding="utf-8")


def code(block: Block) -> tuple[str, str, bool, str | None]:
    return block.kind, block.without_comments(), block.reason is None, block.shown


def test_blocks_that_are_not_run_are_listed_here() -> None:
    marked = {name: sum(each.reason is not None for each in blocks(text_of(name))) for name in NAMES}
    assert {name: count for name, count in marked.items() if count} == NOT_RUN
