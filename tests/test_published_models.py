"""A model without training: made once from weights that are installed, then loaded without torch."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import semelha
from semelha.embedders.published import DEFAULT, published_folder
from semelha.errors import MissingExtra, ModelError, UsageError
from tests.tiny_model import noise, tiny_model


@pytest.fixture(scope="module")
def default(tmp_path_factory: pytest.TempPathFactory) -> Iterator[semelha.Model]:
    """The default model, made as on a new machine."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEMELHA_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield semelha.pretrained()


def without_torch(script: str) -> str:
    blocked = "import sys\nfor name in ('torch', 'timm', 'onnx'): sys.modules[name] = None\n"
    done = subprocess.run([sys.executable, "-c", blocked + script], capture_output=True, text=True, check=True)
    return done.stdout


def test_the_default_embeds_and_says_what_it_is(default: semelha.Model) -> None:
    vectors = default.embed([noise(0), noise(1)])
    assert vectors.shape == (2, 1280)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert default.card.training["published"] == DEFAULT
    assert default.card.training["license"] == "Apache-2.0"
    assert (default.card.classes, default.card.content_hashes) == ([], [])


def test_later_use_needs_no_torch(default: semelha.Model) -> None:
    script = "import semelha\nprint(semelha.pretrained().fingerprint)"
    assert without_torch(script) == f"{default.fingerprint}\n"


@pytest.mark.slow
def test_every_machine_makes_the_same_model(
    default: semelha.Model, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SEMELHA_CACHE", str(tmp_path))
    assert semelha.pretrained().fingerprint == default.fingerprint


def test_without_torch_the_first_use_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEMELHA_CACHE", str(tmp_path))
    script = "import semelha\ntry: semelha.pretrained()\nexcept semelha.errors.MissingExtra as error: print(error)"
    assert "pip install 'semelha[train]', or take it from another machine" in without_torch(script)
    assert issubclass(MissingExtra, semelha.errors.SemelhaError)


def test_a_copy_goes_where_it_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEMELHA_CACHE", str(tmp_path / "cache"))
    made = tiny_model(published_folder(DEFAULT), published=DEFAULT)
    copy = semelha.pretrained(out=tmp_path / "copy")
    assert (copy.folder, copy.fingerprint) == (tmp_path / "copy", made.fingerprint)
    with pytest.raises(ModelError, match="exists already"):
        semelha.pretrained(out=tmp_path / "copy")


def test_the_chosen_model_is_that_of_a_new_gallery(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = tiny_model(tmp_path / "own")
    monkeypatch.setenv("SEMELHA_MODEL", str(own.folder))
    with semelha.Gallery.create(tmp_path / "shop") as gallery:
        assert gallery.model.fingerprint == own.fingerprint


def test_a_name_that_no_model_has_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEMELHA_CACHE", str(tmp_path))
    with pytest.raises(ModelError, match="there is no model folder nobody"):
        semelha.pretrained("nobody")
    with pytest.raises(UsageError, match="dinov2-small is not on this machine: run semelha weights fetch dinov2-small"):
        semelha.pretrained("dinov2-small")
    with pytest.raises(UsageError, match="no published model is called 'resnet18'"):
        semelha.fetch_published("resnet18")
    monkeypatch.setenv("SEMELHA_MODEL", "nobody")
    with pytest.raises(ModelError, match="there is no model folder nobody"):
        semelha.Gallery.create(tmp_path / "shop")
    assert not (tmp_path / "shop").exists()
