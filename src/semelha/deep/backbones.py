"""Backbones from timm, by name, with random, published or local weights."""

from __future__ import annotations

import difflib
import logging
from pathlib import Path
from typing import Any

import timm
import torch
from safetensors.torch import load_file
from timm.models._manipulate import group_parameters
from torch import Tensor, nn

from semelha.deep.weight_names import is_place, read_config, weight_file
from semelha.embedders.published import DEFAULT
from semelha.embedders.weight_files import check_reachable, hub_file, packaged_file
from semelha.errors import BackboneError, PretrainedUnavailable

logger = logging.getLogger(__name__)

Arguments = dict[str, Any]
"""Arguments of `timm.create_model` besides the name."""
BLOCKS = 4
"""Blocks of a model of tokens whose maps are read, the last ones."""


class TimmBackbone(nn.Module):
    """A timm model without its classifier: (batch, channels, size, size) → features.

    A `mapped` model returns a feature map, (batch, features, h, w). Models of tokens, and the few whose pooling cannot
    be removed, return pooled features, (batch, features).
    """

    def __init__(self, model: nn.Module, features: int, *, mapped: bool) -> None:
        super().__init__()
        self.model = model
        self.features = features
        self.mapped = mapped

    def forward(self, x: Tensor) -> Tensor:
        features: Tensor = self.model(x)
        return features

    def stages(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """The features, as `forward`, and the feature map of each stage, or of the last four blocks of tokens.

        Raises `BackboneError` if timm gives no maps of this model.
        """
        if not hasattr(self.model, "forward_intermediates"):
            raise BackboneError(f"timm gives no feature maps of {type(self.model).__name__}: choose another backbone")
        model: Any = self.model
        last, maps = model.forward_intermediates(x, indices=None if self.mapped else BLOCKS)
        return model.forward_head(last), list(maps)

    def depths(self) -> dict[str, int]:
        """Depth of the layer of each weight, 0 for the stem. Raises `BackboneError` if timm does not know them."""
        matcher: Any = getattr(self.model, "group_matcher", None)
        if matcher is None:
            raise BackboneError(
                f"timm does not know the layers of {type(self.model).__name__}: freeze all of it or nothing, and let "
                "all layers learn at one rate"
            )
        found = group_parameters(self.model, matcher(coarse=False), reverse=True)
        return {f"model.{name}": int(depth) for name, depth in found.items()}


def timm_backbone(name: str, *, channels: int, size: int, pretrained: bool | str = False) -> TimmBackbone:
    """Build a timm model for pictures of `channels` × `size` × `size`.

    Pretrained weights for RGB are summed over the channels for grey, and position embeddings are interpolated.

    Parameters
    ----------
    name : str
        As timm names it, such as `resnet18`. A tag, as in `resnet18.a1_in1k`, chooses among published weights.
    pretrained : bool or str
        False: random weights. True: timm's published weights, from the hub's cache or the network.
        "efficientnet-lite0": those that the extra `train` installs. `hf-hub:owner/name` or `local-dir:folder`: those of
        that repository or folder. A path: the state of this model as a `.safetensors` file, or one that `torch.load`
        reads with `weights_only=True`; its classifier is ignored.

    Raises
    ------
    BackboneError
        timm has no such model, it cannot be built for this size, or the file does not fit it.
    PretrainedUnavailable
        The weights are not available. Random ones never take their place.
    """
    if not timm.is_model(name):
        near = difflib.get_close_matches(name.split(".")[0], timm.list_models(), n=3)
        hint = f"is it {' or '.join(near)}?" if near else "timm.list_models() lists all"
        raise BackboneError(f"timm has no model {name!r}: {hint}")
    try:
        model, arguments, found = _without_classifier(name, channels, size)
    except Exception as error:  # each family fails in its own way
        raise BackboneError(f"{name} does not take pictures of {size} × {size} pixels: {_reason(error)}") from error
    if pretrained == DEFAULT:
        model = _packaged(name, arguments)
    elif isinstance(pretrained, str) and is_place(pretrained):
        model = _from_place(name, arguments, pretrained)
    elif isinstance(pretrained, str):
        model = _from_file(name, arguments, Path(pretrained))
    elif pretrained:
        model = _published(name, arguments)
    return TimmBackbone(model, found.shape[1], mapped=found.ndim == 4)


def with_small_stem(backbone: TimmBackbone, name: str) -> None:
    """Replace the stem of a ResNet by a 3×3 convolution of stride 1. Raises `BackboneError` for other models."""
    model = backbone.model
    first = getattr(model, "conv1", None)
    if not isinstance(first, nn.Conv2d) or not isinstance(getattr(model, "maxpool", None), nn.Module):
        raise BackboneError(f"{name} does not begin with one convolution and a pooling: a small stem is for a ResNet")
    model.conv1 = nn.Conv2d(first.in_channels, first.out_channels, 3, padding=1, bias=False)
    nn.init.kaiming_normal_(model.conv1.weight, mode="fan_out", nonlinearity="relu")
    model.maxpool = nn.Identity()


def _without_classifier(name: str, channels: int, size: int) -> tuple[nn.Module, Arguments, Tensor]:
    """A model with random weights and a map if it has one, the arguments it was made with, and a sample output."""
    arguments: Arguments = {"num_classes": 0, "in_chans": channels, "img_size": size}
    try:
        model, found = _try(name, {**arguments, "global_pool": ""})
        if found.ndim == 4 and found.shape[1] == model.head_hidden_size:  # tokens can lie in (batch, h, w, features)
            return model, {**arguments, "global_pool": ""}, found
    except (AssertionError, TypeError, ValueError):
        pass  # its pooling cannot be removed
    model, found = _try(name, arguments)
    return model, arguments, found


@torch.no_grad()
def _try(name: str, arguments: Arguments) -> tuple[nn.Module, Tensor]:
    model = _create(name, arguments)
    size = arguments["img_size"]
    found = model.eval()(torch.zeros(1, arguments["in_chans"], size, size))
    return model.train(), found


def _create(name: str, arguments: Arguments) -> nn.Module:
    """`timm.create_model`, for models that take the size of the pictures as an argument and for others."""
    try:
        return timm.create_model(name, **arguments)
    except TypeError as error:
        if "img_size" not in str(error):
            raise
    return timm.create_model(name, **{k: v for k, v in arguments.items() if k != "img_size"})


def _published(name: str, arguments: Arguments) -> nn.Module:
    config = timm.get_pretrained_cfg(name)
    if config is None or not config.has_weights:
        raise PretrainedUnavailable(f"timm publishes no weights of {name}: give a weight file, or none")
    if config.hf_hub_id:
        return _from_file(name, arguments, hub_file(config.hf_hub_id))
    url = str(config.url)
    if not Path(torch.hub.get_dir(), "checkpoints", url.rsplit("/", 1)[-1]).is_file():
        check_reachable(url, f"the weights of {name} are not on this machine")
        logger.warning("downloading the weights of %s from %s", name, url)
    try:
        return _create(name, {**arguments, "pretrained": True})
    except Exception as error:  # the errors are those of half a dozen libraries
        raise PretrainedUnavailable(
            f"the published weights of {name} cannot be fetched: give a weight file ({_reason(error)})"
        ) from error


def _packaged(name: str, arguments: Arguments) -> nn.Module:
    """EfficientNet-Lite0 with the weights of the package, whose tensors have other names in the same order."""
    if name.split(".")[0] != "tf_efficientnet_lite0":
        raise BackboneError(f"the weights {DEFAULT} are those of tf_efficientnet_lite0, and do not fit {name}")
    file = packaged_file()
    names, tensors = timm.create_model(name).state_dict(), _read(file).values()
    if len(names) != len(tensors):
        raise BackboneError(f"{file} has {len(tensors)} tensors, and timm's {name} {len(names)}: install another timm")
    return _from_state(name, arguments, dict(zip(names, tensors, strict=True)), file)


def _from_place(name: str, arguments: Arguments, place: str) -> nn.Module:
    config = read_config(place)
    if config.architecture != name.split(".")[0]:
        raise BackboneError(f"the weights {place} are those of {config.architecture}, and do not fit {name}")
    return _from_file(name, arguments, weight_file(place), config.input_size)


def _from_file(name: str, arguments: Arguments, file: Path, input_size: tuple[int, ...] | None = None) -> nn.Module:
    """The model with the weights of a file, which are for this input (channels, height, width)."""
    if not file.is_file():
        raise PretrainedUnavailable(f"there is no weight file {file}")
    try:
        state = _read(file)
    except Exception as error:  # damaged files fail in many ways
        raise BackboneError(f"{file} is no weight file that can be read: {_reason(error)}") from error
    return _from_state(name, arguments, state, file, input_size)


def _from_state(
    name: str,
    arguments: Arguments,
    state: dict[str, Tensor],
    file: Path,
    input_size: tuple[int, ...] | None = None,
) -> nn.Module:
    try:
        # timm fits channels and positions, and drops a classifier of another number of classes: -1 is always another.
        overlay: dict[str, Any] = {"state_dict": dict(state), "num_classes": -1}
        if input_size:
            overlay["input_size"] = input_size
        model = _create(name, {**arguments, "pretrained": True, "pretrained_cfg_overlay": overlay})
    except Exception as error:
        raise BackboneError(f"{file} does not fit {name}: {_reason(error)}") from error
    # The configurations refer to the weights of the file, which every copy of the model would copy.
    model.pretrained_cfg = model.default_cfg = {}  # type: ignore[assignment]
    # timm leaves these random. Counts of batches, which older files lack, are not weights.
    missing = [key for key in model.state_dict() if key not in state and not key.endswith(".num_batches_tracked")]
    if missing:
        raise BackboneError(f"{file} does not fit {name}: it lacks {len(missing)} tensors, such as {missing[0]}")
    return model


def _read(file: Path) -> dict[str, Tensor]:
    if file.suffix == ".safetensors":
        return load_file(file)
    state = torch.load(file, map_location="cpu", weights_only=True)
    for wrapping in ("state_dict", "model"):
        if isinstance(state, dict) and isinstance(state.get(wrapping), dict):
            state = state[wrapping]
    if not isinstance(state, dict) or not all(isinstance(tensor, Tensor) for tensor in state.values()):
        raise ValueError("it does not hold named tensors")
    return state


def _reason(error: Exception, longest: int = 200) -> str:
    """The message of an error of a library, shortened to one line."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= longest else text[: longest - 1] + "…"
