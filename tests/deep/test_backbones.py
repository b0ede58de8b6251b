"""timm's families build, learn and export; weights are those that were asked for, or there is an error."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Literal

import huggingface_hub.constants
import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import Tensor

from semelha.deep.backbones import timm_backbone
from semelha.deep.export import export_onnx
from semelha.deep.network import Network, build
from semelha.errors import BackboneError, PretrainedUnavailable, UsageError

SIZE = 64
WITH_MAP = [
    "resnet10t",
    "convnext_atto",
    "resnet18",
    "mobilenetv3_small_050",
    "efficientnet_lite0",
    "regnetx_002",
    "ghostnet_050",
    "mobilevit_xxs",
    "edgenext_xx_small",
    "densenet121",
    "repvgg_a0",
    "pvt_v2_b0",
]
POOLED = [
    "vit_tiny_patch16_224",
    "deit_tiny_patch16_224",
    "levit_128s",
    "xcit_nano_12_p16_224",
    "mixer_s32_224",
    "efficientvit_b0",  # convolutional, but cannot be had without its pooling
    "swin_tiny_patch4_window7_224",  # tokens laid out as (batch, h, w, features)
]
QUICK = {"resnet10t", "vit_tiny_patch16_224"}  # one with a map and one without


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.slow if n.startswith("swin") else []) for n in [*WITH_MAP, *POOLED]]
)
def test_gives_features_for_grey_and_rgb(name: str, channels: int) -> None:
    backbone = timm_backbone(name, channels=channels, size=SIZE).eval()
    with torch.inference_mode():
        found = backbone(torch.zeros(2, channels, SIZE, SIZE))
    assert found.shape[:2] == (2, backbone.features)
    assert found.ndim == (4 if name in WITH_MAP else 2)


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[] if n in QUICK else pytest.mark.slow) for n in [*WITH_MAP, *POOLED]]
)
def test_every_weight_learns_and_the_graph_gives_the_same_vectors(name: str) -> None:
    """`export_onnx` compares. No weight lies idle, to be saved and decayed for nothing; training goes on after."""
    network = build(Network(backbone=name, channels=1, size=SIZE, dim=16), seed=0)
    export_onnx(network, channels=1, size=SIZE, name=name)
    network(torch.randint(0, 256, (4, 1, SIZE, SIZE), dtype=torch.uint8)).sum().backward()
    assert [key for key, weight in network.named_parameters() if weight.grad is None] == []


@pytest.mark.parametrize("pooling", ["gem", "grid"])
def test_a_backbone_without_a_map_is_not_pooled_in_another_way(pooling: Literal["gem", "grid"]) -> None:
    """It would be left out without a word."""
    with pytest.raises(UsageError, match=f"vit_tiny_patch16_224 has no feature map for the pooling {pooling}"):
        build(Network(backbone="vit_tiny_patch16_224", size=32, pooling=pooling), seed=0)


@pytest.mark.parametrize("backbone", ["small", "resnet10t"])
def test_features_of_a_grid_are_those_of_nine_regions(backbone: str) -> None:
    one, nine = (build(Network(backbone=backbone, dim=None, pooling=way), seed=0) for way in ("average", "grid"))
    assert nine.dim == 9 * one.dim
    pixels = torch.randint(0, 256, (2, 1, 48, 48), dtype=torch.uint8)
    assert nine.eval()(pixels).shape == (2, nine.dim)


def test_unknown_name_suggests_near_ones() -> None:
    with pytest.raises(BackboneError, match=re.escape("timm has no model 'resnet81': is it resnet18 or ")):
        timm_backbone("resnet81", channels=3, size=SIZE)
    with pytest.raises(BackboneError, match=r"'---': timm.list_models\(\) lists all"):
        timm_backbone("---", channels=3, size=SIZE)


def test_unknown_tag_is_refused() -> None:
    with pytest.raises(BackboneError, match=r"resnet18\.bogus .* \(bogus\)"):
        timm_backbone("resnet18.bogus", channels=3, size=SIZE)


@pytest.mark.parametrize("name", ["inception_v3", "vit_tiny_patch16_224"])
def test_size_that_a_model_does_not_take_is_refused(name: str) -> None:
    with pytest.raises(BackboneError, match=f"{name} does not take pictures of 8 × 8 pixels"):
        timm_backbone(name, channels=3, size=8)


def test_published_weights_that_cannot_be_fetched_are_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Offline and not in the cache: not random weights."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(PretrainedUnavailable, match=r"timm/resnet10t.* are not on this machine"):
        timm_backbone("resnet10t", channels=3, size=SIZE, pretrained=True)


def test_model_without_published_weights_is_an_error() -> None:
    with pytest.raises(PretrainedUnavailable, match="timm publishes no weights of efficientnet_b0_g8_gn"):
        timm_backbone("efficientnet_b0_g8_gn", channels=3, size=SIZE, pretrained=True)


def save_pth(state: dict[str, Tensor], file: Path) -> str:
    torch.save(state, file.with_suffix(".pth"))
    return str(file.with_suffix(".pth"))


def save_wrapped(state: dict[str, Tensor], file: Path) -> str:
    return save_pth({"epoch": 3, "state_dict": state}, file)  # type: ignore[dict-item]


def save_safetensors(state: dict[str, Tensor], file: Path) -> str:
    save_file(state, file.with_suffix(".safetensors"))
    return str(file.with_suffix(".safetensors"))


@pytest.mark.parametrize("save", [save_pth, save_wrapped, save_safetensors])
@pytest.mark.parametrize("classes", [0, 10, 1000])
def test_weight_file_gives_its_weights(
    save: Callable[[dict[str, Tensor], Path], str], classes: int, tmp_path: Path
) -> None:
    """Of a model with any classifier, which is left out."""
    saved = timm.create_model("resnet10t", num_classes=classes).state_dict()
    backbone = timm_backbone("resnet10t", channels=3, size=SIZE, pretrained=save(saved, tmp_path / "weights"))
    loaded = backbone.model.state_dict()
    assert loaded.keys() == {key for key in saved if not key.startswith("fc.")}
    assert all(torch.equal(loaded[key], saved[key]) for key in loaded)


def test_weights_for_rgb_serve_grey(tmp_path: Path) -> None:
    """A grey picture gives what it gave as RGB with three equal channels."""
    rgb = timm_backbone("resnet10t", channels=3, size=SIZE).eval()
    file = save_safetensors(rgb.model.state_dict(), tmp_path / "weights")
    grey = timm_backbone("resnet10t", channels=1, size=SIZE, pretrained=file).eval()
    picture = torch.rand(1, 1, SIZE, SIZE)
    with torch.inference_mode():
        torch.testing.assert_close(grey(picture), rgb(picture.expand(1, 3, SIZE, SIZE)))


def test_weights_of_one_size_serve_another(tmp_path: Path) -> None:
    """Position embeddings are interpolated."""
    large = timm_backbone("vit_tiny_patch16_224", channels=3, size=96)
    file = save_safetensors(large.model.state_dict(), tmp_path / "weights")
    small = timm_backbone("vit_tiny_patch16_224", channels=3, size=48, pretrained=file)
    assert small.model.pos_embed.shape[1] == 1 + 3 * 3
    assert torch.equal(small.model.blocks[3].mlp.fc1.weight, large.model.blocks[3].mlp.fc1.weight)


def test_weight_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(PretrainedUnavailable, match=r"there is no weight file .*none\.pth"):
        timm_backbone("resnet10t", channels=3, size=SIZE, pretrained=str(tmp_path / "none.pth"))


def test_weight_file_of_another_model_is_an_error(tmp_path: Path) -> None:
    file = save_pth(timm.create_model("resnet18").state_dict(), tmp_path / "weights")
    with pytest.raises(BackboneError, match=r"weights\.pth does not fit resnet10t: "):
        timm_backbone("resnet10t", channels=3, size=SIZE, pretrained=file)


def test_weight_file_that_lacks_tensors_is_an_error(tmp_path: Path) -> None:
    """timm would leave them random."""
    state = timm.create_model("resnet10t").state_dict()
    del state["layer2.0.conv1.weight"]
    file = save_pth(state, tmp_path / "weights")
    with pytest.raises(BackboneError, match=r"lacks 1 tensors, such as layer2\.0\.conv1\.weight"):
        timm_backbone("resnet10t", channels=3, size=SIZE, pretrained=file)


def test_weight_file_of_an_old_torch_fits(tmp_path: Path) -> None:
    """It has no count of the batches that a normalization has seen, and nothing that is learned is missing."""
    state = timm.create_model("resnet10t").state_dict()
    old = {name: tensor for name, tensor in state.items() if not name.endswith("num_batches_tracked")}
    assert len(old) < len(state)
    found = timm_backbone("resnet10t", channels=3, size=SIZE, pretrained=save_pth(old, tmp_path / "weights"))
    torch.testing.assert_close(found.model.state_dict()["bn1.running_var"], state["bn1.running_var"])
    torch.testing.assert_close(found.model.state_dict()["layer4.0.conv2.weight"], state["layer4.0.conv2.weight"])


@pytest.mark.parametrize("name", ["weights.pth", "weights.safetensors"])
@pytest.mark.parametrize("content", [b"", b"no weights at all"])
def test_damaged_weight_file_is_an_error(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BackboneError, match=f"{name} is no weight file that can be read"):
        timm_backbone("resnet10t", channels=3, size=SIZE, pretrained=str(tmp_path / name))


def test_weight_file_that_holds_no_tensors_is_an_error(tmp_path: Path) -> None:
    file = save_pth([1, 2, 3], tmp_path / "weights")  # type: ignore[arg-type]
    with pytest.raises(BackboneError, match="it does not hold named tensors"):
        timm_backbone("resnet10t", channels=3, size=SIZE, pretrained=file)


class Malicious:
    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return Path.touch, (Path(self.touched),)

    def __init__(self, touched: Path) -> None:
        self.touched = str(touched)


def test_weight_file_runs_no_code(tmp_path: Path) -> None:
    file = save_pth({"fc.weight": Malicious(tmp_path / "touched")}, tmp_path / "weights")  # type: ignore[dict-item]
    with pytest.raises(BackboneError, match="is no weight file that can be read"):
        timm_backbone("resnet10t", channels=3, size=SIZE, pretrained=file)
    assert not (tmp_path / "touched").exists()


def test_a_small_stem_keeps_all_places() -> None:
    """Of 32 pixels a ResNet of its own leaves one place, with a small stem sixteen. Every weight learns; it exports."""
    network = Network(backbone="resnet18", channels=1, size=32, dim=16, stem="small")
    made, own = build(network, seed=0), build(replace(network, stem="own"), seed=0)
    x = torch.rand(2, 1, 32, 32)
    assert own.backbone(x).shape == (2, 512, 1, 1)
    assert made.backbone(x).shape == (2, 512, 4, 4)
    export_onnx(made, channels=1, size=32, name="resnet18")
    made(255 * x).sum().backward()
    assert [key for key, weight in made.named_parameters() if weight.grad is None] == []


@pytest.mark.parametrize("name", ["resnet10t", "vit_tiny_patch16_224"])
def test_a_small_stem_is_for_a_resnet(name: str) -> None:
    with pytest.raises(BackboneError, match="a small stem is for a ResNet"):
        build(Network(backbone=name, channels=1, size=SIZE, stem="small"), seed=0)


@pytest.mark.parametrize("wrong", [{"stem": "large"}, {"stem": "small"}])
def test_other_stems_are_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(UsageError):
        Network(**wrong)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="random weights"):
        Network(backbone="resnet18", stem="small", pretrained=True)
