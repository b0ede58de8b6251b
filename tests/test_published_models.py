"""A model without training: made once from weights that are installed, then loaded without torch."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import timm
from safetensors.torch import save_file

import semelha
import semelha.deep.published
from semelha.deep.published import make_published
from semelha.embedders.published import DEFAULT, PUBLISHED, published_folder
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


def test_no_network_is_seen_before_torch_is_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Importing torch takes longer than the five seconds in which the answer should come."""
    monkeypatch.setenv("SEMELHA_CACHE", str(tmp_path))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    script = (
        "import semelha, sys\ntry: semelha.fetch_published('dinov2-small')\n"
        "except semelha.errors.PretrainedUnavailable as error: print(error, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "127.0.0.1:9 cannot be reached" in done.stdout
    assert done.stdout.endswith("False\n")


def test_a_damaged_model_in_the_cache_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEMELHA_CACHE", str(tmp_path))
    monkeypatch.setattr(semelha.deep.published, "make_published", lambda name, _, out: tiny_model(out, published=name))
    tiny_model(published_folder(DEFAULT), published=DEFAULT)
    for damage in ("embedder.onnx", "model.json"):
        (published_folder(DEFAULT) / damage).write_bytes(b"")
        assert semelha.pretrained().dim == 8
    (published_folder(DEFAULT) / "model.json").unlink()
    assert semelha.pretrained().dim == 8


def test_a_folder_that_is_called_like_a_published_model_is_not_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEMELHA_CACHE", str(tmp_path / "cache"))
    made = tiny_model(published_folder(DEFAULT), published=DEFAULT)
    tiny_model(tmp_path / DEFAULT, published=DEFAULT, seed=1)
    monkeypatch.chdir(tmp_path)
    assert semelha.pretrained().fingerprint == made.fingerprint


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in PUBLISHED if name != DEFAULT])
def test_models_that_are_fetched_can_be_made(name: str, tmp_path: Path) -> None:
    """With random weights: their network, its size and its export."""
    network = timm.create_model(PUBLISHED[name].backbone)
    save_file(network.state_dict(), tmp_path / "model.safetensors")
    model = make_published(name, tmp_path / "model.safetensors", tmp_path / "model")
    assert model.dim == PUBLISHED[name].dim
    assert model.embed(noise(0)).shape == (1, model.dim)


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
