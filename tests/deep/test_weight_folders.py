"""Folders with weights that cannot be used: one clear error, and nothing in them is trusted."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import timm
import torch
from tests.deep.test_backbones import Malicious
from tests.deep.test_feature_extractor import things
from tests.deep.weight_folders import NAME, changed, features, saved
from tests.test_untrusted import HOSTILE

import semelha
from semelha.deep import Network, TrainingSettings, build
from semelha.deep.weight_names import read_config, resolve_backbone
from semelha.errors import BackboneError, PretrainedUnavailable, SemelhaError


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(tmp_path_factory.mktemp("places") / "mine")


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(folder, tmp_path / "copy"))


def cut(folder: Path) -> None:
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-1000])


def other(folder: Path) -> None:
    torch.save(timm.create_model("resnet18").state_dict(), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()


def lacking(folder: Path) -> None:
    state = timm.create_model(NAME).state_dict()
    del state["layer2.0.conv1.weight"]
    torch.save(state, folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()


def pickled(folder: Path) -> None:
    torch.save({"fc.weight": Malicious(folder / "touched")}, folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (shutil.rmtree, "there is no folder '.*copy'"),
        (lambda folder: (folder / "config.json").unlink(), "copy has no config.json"),
        (lambda folder: (folder / "model.safetensors").unlink(), "has no model.safetensors or pytorch_model.bin"),
        (lambda folder: (folder / "model.safetensors").rename(folder / "model.safetensors.part"), "has no model.safet"),
        (cut, "model.safetensors is no weight file that can be read"),
        (other, "pytorch_model.bin does not fit resnet10t"),
        (lacking, "pytorch_model.bin does not fit resnet10t: it lacks 1 tensors"),
        (pickled, "pytorch_model.bin is no weight file that can be read"),
    ],
    ids=["no folder", "no configuration", "no weights", "half-downloaded", "cut", "other", "lacking", "pickled"],
)
def test_folder_that_cannot_be_used(damage: Callable[[Path], object], said: str, copy: Path, tmp_path: Path) -> None:
    """Never random weights, and no code of the file is run."""
    damage(copy)
    with pytest.raises((PretrainedUnavailable, BackboneError), match=said) as error:
        features(f"local-dir:{copy}", tmp_path / "model")
    assert "\n" not in str(error.value)
    assert not (tmp_path / "model").exists()
    assert not (copy / "touched").exists()


@pytest.mark.parametrize("name", ["", "\0", "x" * 5000])
def test_name_of_no_folder(name: str) -> None:
    with pytest.raises(PretrainedUnavailable, match="there is no folder"):
        resolve_backbone(f"local-dir:{name}", None)


@pytest.mark.parametrize("document", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_configuration_is_refused_in_one_sentence(document: bytes, copy: Path) -> None:
    (copy / "config.json").write_bytes(document)
    with pytest.raises(BackboneError) as error:
        resolve_backbone(f"local-dir:{copy}", None)
    assert "config.json" in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"architecture": None}, "it has no architecture"),
        ({"architecture": ["resnet10t"]}, "it has no architecture"),
        ({"architecture": "resnet_of_ours"}, f"'resnet_of_ours', which timm {timm.__version__} does not know"),
        ({"architecture": "../../resnet10t"}, "does not know"),
        ({"architecture": "hf-hub:evil/model"}, "does not know"),
        ({"architecture": "x" * 10**6}, "does not know"),
        ({"pretrained_cfg": [1]}, "pretrained_cfg and model_args must be objects"),
        ({"model_args": "none"}, "pretrained_cfg and model_args must be objects"),
        (
            {"model_args": {"act_layer": "relu6"}},
            "has a variant of resnet10t, by its model_args, which is not supported: .'act_layer'",
        ),
        ({"INPUT_SIZE": [3, 64]}, "input_size is .3, 64., and must be 3 whole numbers from 1 to 2048"),
        ({"INPUT_SIZE": [3, 64, 10**9]}, "must be 3 whole numbers"),
        ({"INPUT_SIZE": [3, 64.5, 64]}, "must be 3 whole numbers"),
        ({"INPUT_SIZE": [True, 64, 64]}, "must be 3 whole numbers"),
        ({"INPUT_SIZE": None}, "input_size is None"),
        ({"MEAN": [0.5, 0.5]}, "mean is .0.5, 0.5., and must be 1 or 3 numbers from 0.0 to 1.0"),
        ({"MEAN": ["0.5"] * 3}, "must be 1 or 3 numbers"),
        ({"MEAN": 0.5}, "must be 1 or 3 numbers"),
        ({"MEAN": [0.1] * 10**5}, "must be 1 or 3 numbers"),
        ({"STD": [0, 0, 0]}, "std is .0, 0, 0., and must be 3 numbers from 0.001 to 1.0"),
        ({"STD": [0.5]}, "must be 3 numbers"),
        ({"STD": [1e300] * 3}, "must be 3 numbers"),
    ],
)
def test_configuration_with_a_wrong_field_is_refused(fields: dict[str, object], said: str, copy: Path) -> None:
    with pytest.raises(BackboneError, match=said) as error:
        resolve_backbone(changed(copy, **fields), None)
    assert len(str(error.value)) < 500


@pytest.mark.parametrize("size", [[4, 64, 64], [3, 7, 7]])
def test_input_that_no_network_has_is_refused(size: list[int], copy: Path) -> None:
    with pytest.raises(SemelhaError, match=r"(channels|size) is \d: it must be"):
        semelha.plan_training(things(), settings=TrainingSettings(backbone=changed(copy, INPUT_SIZE=size)))


def test_the_rest_of_a_configuration_is_not_used(copy: Path) -> None:
    """Such as other places to load weights from."""
    name = changed(copy, FILE="/etc/passwd", URL="http://127.0.0.1:9/x", CUSTOM_LOAD=True, HF_HUB_ID="evil/x", TAG=[])
    expected = build(Network(backbone=f"local-dir:{copy}", channels=3), seed=0).state_dict()
    found = build(Network(backbone=changed(copy, label_names=["a"] * 10, num_classes="many"), channels=3), seed=1)
    assert all(torch.equal(found.state_dict()[key], expected[key]) for key in expected if key.startswith("backbone"))
    assert vars(read_config(name)) == vars(read_config(name)) | {"url": None, "file": None, "hf_hub_id": None}
