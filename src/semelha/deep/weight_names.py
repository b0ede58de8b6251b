"""Weights that are named by their place, as timm does: `hf-hub:owner/name`, `timm/name` or `local-dir:folder`.

A repository or folder has weights, and a `config.json` with their architecture and input.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import timm
from timm.models import PretrainedCfg

from semelha.embedders.weight_files import HUB_FILES, hub_file
from semelha.errors import BackboneError, PretrainedUnavailable, UsageError
from semelha.untrusted import read_json

HUB, FOLDER = "hf-hub:", "local-dir:"
CONFIG = "config.json"
MAX_CONFIG_BYTES = 1 << 24
"""Names and descriptions of 22,000 classes take 3 MB."""
IGNORED_ARGUMENTS = re.compile("num_classes|in_chans|global_pool|((dynamic|strict)_)?img_size|(.*_)?drop_rate")
"""Arguments of a model that its weights do not depend on: of classifier, input, pooling and training."""


def is_place(name: str) -> bool:
    """Whether this names the place of weights: `hf-hub:owner/name` or `local-dir:folder`."""
    return name.startswith((HUB, FOLDER))


def resolve_backbone(name: str, pretrained: bool | str | None) -> tuple[str, bool | str]:
    """The plain name of a backbone, as timm knows it, and its pretrained weights, as for `timm_backbone`.

    A name of weights means these weights; then `pretrained` can be None or True. Their architecture is that in their
    `config.json`, which is not needed for the weights that timm publishes.

    Raises `UsageError`, and the errors of `read_config`.
    """
    place = re.sub("^(hf_hub:|(?=timm/))", HUB, name)
    if not is_place(place):
        if "/" in name:
            raise UsageError(f"timm has no model {name!r:.120}: is it hf-hub:OWNER/NAME, or local-dir:FOLDER?")
        return name, pretrained or False
    if pretrained not in (None, True, place):
        raise UsageError(f"{name} names weights, and pretrained is {pretrained!r}: leave one of them out")
    known = place.removeprefix(f"{HUB}timm/")
    if timm.is_model_pretrained(known) and timm.get_pretrained_cfg_value(known, "hf_hub_id") == f"timm/{known}":
        return known, True
    return str(read_config(place).architecture), place


def weight_config(backbone: str, pretrained: bool | str | None) -> PretrainedCfg | None:
    """Input size, mean and standard deviation of the weights of a backbone, as `resolve_backbone` returns them.

    They are those of a `config.json`, or those that timm publishes. None without weights, and for unknown names.
    """
    if isinstance(pretrained, str) and is_place(pretrained):
        return read_config(pretrained)
    try:
        return timm.get_pretrained_cfg(backbone) if pretrained and timm.is_model(backbone) else None
    except RuntimeError:  # an unknown tag, which `timm_backbone` refuses
        return None


def weight_file(place: str, names: tuple[str, ...] = HUB_FILES) -> Path:
    """The first of these files that a repository or folder has. Raises `PretrainedUnavailable` or `UsageError`."""
    prefix, _, name = place.partition(":")
    if f"{prefix}:" == HUB:
        return hub_file(name, names)
    folder = os.path.expanduser(name)
    if not os.path.isdir(folder):
        raise PretrainedUnavailable(f"there is no folder {folder!r}")
    for file in (Path(folder, each) for each in names):
        if os.path.isfile(file):
            return file
    raise PretrainedUnavailable(f"the folder {folder} has no {' or '.join(names)}")


def read_config(place: str) -> PretrainedCfg:
    """The architecture, input size, mean and standard deviation of the weights in a repository or folder, checked.

    Nothing else of the `config.json` is used. Raises `PretrainedUnavailable` or `UsageError` if there is none, and
    `BackboneError` if it is damaged or does not describe an architecture of timm.
    """
    file = weight_file(place, (CONFIG,))
    content = read_json(file, max_bytes=MAX_CONFIG_BYTES, error=BackboneError)
    name = content.get("architecture")
    if not isinstance(name, str):
        raise BackboneError(f"{file} is no configuration of a timm model: it has no architecture")
    if not timm.is_model(name):
        raise BackboneError(f"{file} has the architecture {name!r:.80}, which timm {timm.__version__} does not know")
    found, arguments = content.get("pretrained_cfg", content), content.get("model_args", {})
    if not isinstance(found, dict) or not isinstance(arguments, dict):
        raise BackboneError(f"{file} is damaged: its pretrained_cfg and model_args must be objects")
    if others := [each for each in arguments if not IGNORED_ARGUMENTS.fullmatch(each)]:
        raise BackboneError(
            f"{file} has a variant of {name}, by its model_args, which is not supported: {others!r:.80}"
        )
    mean = _numbers(found, "mean", file, lengths=(1, 3), least=0.0, most=1.0)
    return PretrainedCfg(
        architecture=name.split(".")[0],
        input_size=_numbers(found, "input_size", file, lengths=(3,), least=1, most=2048),
        mean=mean,
        std=_numbers(found, "std", file, lengths=(len(mean),), least=0.001, most=1.0),
    )


def _numbers(
    content: dict[str, Any], key: str, file: Path, *, lengths: tuple[int, ...], least: float, most: float
) -> Any:
    """Numbers within limits, whole ones if the limits are; those that timm takes by default if there are none."""
    value = content.get(key, getattr(PretrainedCfg, key))
    kinds = {int, type(least)}
    right = isinstance(value, list | tuple) and len(value) in lengths
    if not right or not all(type(each) in kinds and least <= each <= most for each in value):
        what = f"{' or '.join(map(str, lengths))} {'whole ' if kinds == {int} else ''}numbers from {least} to {most}"
        raise BackboneError(f"{file} is damaged: its {key} is {value!r:.80}, and must be {what}")
    return tuple(value)
