"""Published models: where they are, which one is used, and how they get to a machine without internet."""

import json
import os
import shutil
from pathlib import Path

import pytest
from tests.tiny_model import tiny_model

from semelha.embedders.published import (
    DEFAULT,
    PUBLISHED,
    choose_model,
    chosen_model,
    export_published,
    import_published,
    is_available,
    published_folder,
)
from semelha.errors import ModelError, UsageError

OTHER = "dinov2-small"


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user without models and choices."""
    use_machine(tmp_path / "machine", monkeypatch)


def use_machine(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEMELHA_CACHE", str(folder / "cache"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(folder / "config"))


def test_variable_then_choice_then_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert chosen_model() == DEFAULT
    own = tiny_model(tmp_path / "own")
    monkeypatch.chdir(tmp_path)
    choose_model("own")
    monkeypatch.chdir("/")
    assert chosen_model() == str(own.folder)
    monkeypatch.setenv("SEMELHA_MODEL", OTHER)
    assert chosen_model() == OTHER
    monkeypatch.delenv("SEMELHA_MODEL")
    choose_model(DEFAULT)
    assert chosen_model() == DEFAULT


def test_any_folder_name_can_be_chosen(tmp_path: Path) -> None:
    own = tiny_model(Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9 ")))
    choose_model(str(own.folder))
    assert chosen_model() == str(own.folder)


def test_what_is_not_here_cannot_be_chosen(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=f"run semelha weights fetch {OTHER}"):
        choose_model(OTHER)
    with pytest.raises(ModelError, match="there is no model folder"):
        choose_model(str(tmp_path / "nothing"))
    assert chosen_model() == DEFAULT


def test_a_choice_that_cannot_be_read_is_an_error_and_not_the_default(tmp_path: Path) -> None:
    file = tmp_path / "machine/config/semelha/model"
    file.parent.mkdir(parents=True)
    file.mkdir()
    with pytest.raises(ModelError, match="which names the model to use, cannot be read"):
        chosen_model()


def test_models_are_carried_to_another_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ModelError, match="no published model is on this machine"):
        export_published(tmp_path / "stick")
    model = tiny_model(published_folder(OTHER), published=OTHER)
    assert export_published(tmp_path / "stick") == [OTHER]
    assert export_published(tmp_path / "stick") == []
    tiny_model(published_folder(DEFAULT), published=DEFAULT)
    assert export_published(tmp_path / "stick") == [DEFAULT]
    shutil.rmtree(tmp_path / "stick" / DEFAULT)
    tiny_model(tmp_path / "stick" / DEFAULT, published=DEFAULT, seed=1)
    with pytest.raises(ModelError, match="is another model: choose another folder"):
        export_published(tmp_path / "stick")
    shutil.rmtree(tmp_path / "stick" / DEFAULT)

    use_machine(tmp_path / "another", monkeypatch)
    assert not is_available(OTHER)
    assert import_published(tmp_path / "stick") == [OTHER]
    assert import_published(tmp_path / "stick") == []
    assert json.loads((published_folder(OTHER) / "model.json").read_text())["fingerprint"] == model.fingerprint
    choose_model(OTHER)
    assert chosen_model() == OTHER


def test_what_is_not_a_published_model_is_not_imported(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="has no published models: it must have folders such as"):
        import_published(tmp_path / "nothing")
    tiny_model(tmp_path / "stick" / OTHER)
    with pytest.raises(ModelError, match="is another model, tiny"):
        import_published(tmp_path / "stick")
    shutil.rmtree(tmp_path / "stick")
    tiny_model(tmp_path / "stick" / OTHER, published=OTHER)
    graph = tmp_path / "stick" / OTHER / "embedder.onnx"
    graph.write_bytes(graph.read_bytes()[:-1])
    with pytest.raises(ModelError, match="is not the file that was written"):
        import_published(tmp_path / "stick")
    assert not is_available(OTHER)


@pytest.mark.parametrize("name", ["", "..", "../model", "nobody", "Efficientnet-lite0"])
def test_only_published_names_are_names(name: str) -> None:
    with pytest.raises(UsageError, match="no published model is called"):
        published_folder(name)


def test_every_published_model_can_be_used_commercially_and_is_described() -> None:
    for name, one in PUBLISHED.items():
        assert one.license in ("Apache-2.0", "MIT", "BSD-3-Clause"), name
        assert one.about
        assert min(one.dim, one.size, one.megabytes) > 0
