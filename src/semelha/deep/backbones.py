"""Backbones from timm, by name."""

from __future__ import annotations

import difflib
import logging
from pathlib import Path
from typing import Any

import timm
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from semelha.errors import BackboneError, PretrainedUnavailable

logger = logging.getLogger(__name__)


class TimmBackbone(nn.Module):
    """A timm model without its classifier.

    `forward` gives a feature map (batch, features, h, w) where the model has one, to be pooled; models of tokens pool
    as they were designed to, and give (batch, features).
    """

    def __init__(self, model: nn.Module, features: int, *, has_map: bool) -> None:
        super().__init__()
        self.model = model
        self.features = features
        self.has_map = has_map

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.model.forward_features(x)  # type: ignore[operator]
        if self.has_map:
            return found
        pooled: Tensor = self.model.forward_head(found, pre_logits=True)  # type: ignore[operator]
        return pooled


def timm_backbone(name: str, *, channels: int, size: int, pretrained: bool | str = False) -> TimmBackbone:
    """Build a timm model for pictures of `channels` × `size` × `size`.

    Parameters
    ----------
    name : str
        As timm names it, such as `resnet18` or `vit_tiny_patch16_224`.
    channels : {1, 3}
    size : int
    pretrained : bool or str
        True: timm's published weights, from its cache or the network. A path: a `.safetensors` or `.pth` file of the
        model's state, its classifier ignored.

    Raises
    ------
    BackboneError
        timm has no such model, it cannot be built for this size, or the file does not fit it.
    PretrainedUnavailable
        The published weights cannot be had, here and now.
    """
    model = _create(name, channels, size, published=pretrained is True)
    if isinstance(pretrained, str):
        _load(model, Path(pretrained), name)
    try:
        features, has_map = _probe(model, channels, size)
    except Exception as error:  # each family fails in its own way
        raise BackboneError(
            f"{name} does not take pictures of {size} × {size} pixels: {_first_line(error)}"
        ) from error
    return TimmBackbone(model, features, has_map=has_map)


def _create(name: str, channels: int, size: int, *, published: bool) -> nn.Module:
    if not timm.is_model(name):
        near = difflib.get_close_matches(name.split(".")[0], timm.list_models(), n=3)
        hint = f": is it {' or '.join(near)}?" if near else ": `timm.list_models()` names those there are"
        raise BackboneError(f"timm has no model {name!r}{hint}")
    arguments: dict[str, Any] = {"num_classes": 0, "in_chans": channels, "pretrained": published}
    try:
        try:
            return timm.create_model(name, img_size=size, **arguments)
        except TypeError as error:
            if "img_size" not in str(error):
                raise
            return timm.create_model(name, **arguments)
    except Exception as error:  # the hub's errors are those of half a dozen libraries
        if published:
            raise PretrainedUnavailable(
                f"the published weights of {name} cannot be had ({_first_line(error)}): go online once, or give a file"
            ) from error
        raise BackboneError(
            f"{name} cannot be built for {size} × {size} pixels: {_first_line(error)}"
        ) from error


def _load(model: nn.Module, file: Path, name: str) -> None:
    if not file.is_file():
        raise PretrainedUnavailable(f"there is no weight file {file}")
    try:
        if file.suffix == ".safetensors":
            state = load_file(file)
        else:
            state = torch.load(file, map_location="cpu", weights_only=True)
        if not isinstance(state, dict):
            raise TypeError("it does not hold named tensors")
        state = state.get("state_dict", state)
        own = model.state_dict()
        missing = [key for key in own if key not in state]
        other = [key for key in own if key in state and state[key].shape != own[key].shape]
    except Exception as error:
        raise BackboneError(f"{file} is no weight file that can be read: {_first_line(error)}") from error
    if missing or other:
        example = (missing + other)[0]
        raise BackboneError(
            f"{file} does not fit {name}: {len(missing)} tensors are missing and {len(other)} have another shape, "
            f"such as {example}"
        )
    model.load_state_dict({key: state[key] for key in own})


@torch.no_grad()
def _probe(model: nn.Module, channels: int, size: int) -> tuple[int, bool]:
    """Length of its features, and whether they come as a map."""
    was = model.training
    model.eval()
    blank = torch.zeros(1, channels, size, size)
    found = model.forward_features(blank)  # type: ignore[operator]
    features = int(getattr(model, "num_features", 0))
    has_map = isinstance(found, Tensor) and found.ndim == 4 and found.shape[1] == features
    if not has_map:
        features = int(model.forward_head(found, pre_logits=True).shape[1])  # type: ignore[operator]
    model.train(was)
    return features, has_map


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
