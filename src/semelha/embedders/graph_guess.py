"""What an imported graph takes and gives: by its inputs and outputs, its metadata, and the caller's settings."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError

from semelha.embedders.card import InputSpec
from semelha.embedders.extractors import TENSORS
from semelha.embedders.graph_spec import GraphLayout
from semelha.embedders.import_settings import IMAGENET, MAX_SIDE, ImportSettings
from semelha.embedders.trial import Port, TrialResult
from semelha.errors import ModelError, UsageError

MAX_DIM = 65536
FLOATS = ("tensor(float)", "tensor(float16)", "tensor(double)")
EMBEDDINGS = ("embedding", "embeddings", "image_embeds", "image_embedding", "pooler_output", "pooled_output", "feature")
"""Names of the output that is the embedding, for graphs with several."""
CHANNEL_AXES: dict[GraphLayout, int] = {"nchw": 1, "nhwc": 3}


class BatchError(ModelError):
    """The graph cannot take several pictures at a time, or mixes them."""


def choose_input(result: TrialResult, settings: ImportSettings, name: str) -> tuple[InputSpec, list[str]]:
    """The input of a graph, and a line for each thing that the caller did not say. Its output is chosen later.

    Raises `ModelError` for a graph that takes no pictures, `UsageError` for settings that contradict it.
    """
    axes, dtype = _check_input(result, name)
    said: list[str] = []
    layout, channels = _layout(axes, settings, name, said)
    height, width = _size(axes, layout, result.metadata, settings, name, said)
    bgr = _bgr(channels, result.metadata, settings, said)
    mean, std = _statistics(dtype, channels, result.metadata, settings, said)
    known = settings.known
    fit = settings.fit or (known.fit if known else "crop")
    if settings.fit is None:
        said.append(f"fit: {fit}, {_source(settings)}")
    graph = {"layout": layout, "dtype": dtype, "mean": mean, "std": std, "bgr": bgr, "batch": axes[0], "output": "",
             "normalize": settings.normalize}  # fmt: skip
    spec = {"height": height, "width": width, "channels": channels, "fit": fit, "graph": graph}
    try:
        return InputSpec.model_validate(spec), said
    except ValidationError as error:
        problem = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise ModelError(f"{name} takes {result.inputs[0]}, which is no input for pictures: {problem}") from error


def _check_input(result: TrialResult, name: str) -> tuple[list[Any], str]:
    """The four axes of the only input, None where they are free without a name, and its dtype."""
    if len(result.inputs) != 1:
        names = ", ".join(map(str, result.inputs[:4])) or "none"
        raise ModelError(f"{name} has {len(result.inputs)} inputs ({names}): it must take pictures alone, in one input")
    port = result.inputs[0]
    dtype = next((name for name, kind in TENSORS.items() if kind == port.type), None)
    if dtype is None:
        text = ", as models of text do" if port.type in ("tensor(int64)", "tensor(int32)", "tensor(string)") else ""
        raise ModelError(f"{name} takes {port}{text}: it must take uint8, float16 or float32 pictures")
    axes = list(port.shape) or [None] * 4  # ONNX Runtime gives none if their number is unknown
    if len(axes) != 4:
        raise ModelError(f"{name} takes {port}: it must take pictures (n, channels, height, width), or channels last")
    axes[0] = axes[0] if isinstance(axes[0], int) and axes[0] > 0 else None
    return [None if isinstance(axis, int) and axis < 1 else axis for axis in axes], dtype


def _layout(axes: list[Any], settings: ImportSettings, name: str, said: list[str]) -> tuple[GraphLayout, int]:
    """Order of the axes, and the number of channels."""
    layout = settings.layout
    if layout is None:
        layout, reason = _guessed_layout(axes, name)
        said.append(f"layout: {layout}, {reason}")
    channels = axes[CHANNEL_AXES[layout]]
    if not isinstance(channels, int):
        said.append("channels: 3, assumed")
        return layout, 3
    if channels not in (1, 3):
        raise ModelError(f"{name} takes {channels} channels in the layout {layout}: it must take 1 or 3")
    return layout, channels


def _guessed_layout(axes: list[Any], name: str) -> tuple[GraphLayout, str]:
    for wanted, reason in ((3, "by its axis of 3 channels"), (1, "by its axis of 1 channel")):
        for layout, axis in CHANNEL_AXES.items():
            if axes[axis] == wanted:
                return layout, reason
    for layout, axis in CHANNEL_AXES.items():
        if "channel" in str(axes[axis]).lower():
            return layout, "by the name of its axis of channels"
    for layout, axis in CHANNEL_AXES.items():
        if not isinstance(axes[axis], int):
            return layout, "assumed"
    raise ModelError(f"{name} takes {' × '.join(map(str, axes[1:]))}: none of its axes is one of 1 or 3 channels")


def _size(
    axes: list[Any],
    layout: GraphLayout,
    metadata: dict[str, str],
    settings: ImportSettings,
    name: str,
    said: list[str],
) -> tuple[int, int]:
    """Height and width."""
    sides = axes[2:4] if layout == "nchw" else axes[1:3]
    fixed = [side if isinstance(side, int) else None for side in sides]
    if any(side is not None and side > MAX_SIDE for side in fixed):
        raise ModelError(f"{name} takes pictures of {fixed[0]} × {fixed[1]} pixels: at most {MAX_SIDE} each")
    if settings.size is not None:
        if any(side is not None and side != own for side, own in zip(fixed, settings.size, strict=True)):
            raise UsageError(
                f"size is {settings.size}: the graph takes {' × '.join(str(side or 'any') for side in fixed)}"
            )
        return settings.size
    stated = _stated(metadata, "size", "image_size", "input_size", "imgsz")
    whole = [int(one) for one in stated[-2:] if 1 <= one <= MAX_SIDE]
    if None not in fixed:
        size, source = fixed, "from the shape of the input"
    elif any(fixed):
        size, source = [fixed[0] or fixed[1], fixed[1] or fixed[0]], "assumed: one side of the input is free"
    elif whole:
        size, source = [whole[0], whole[-1]], "from the metadata of the file"
    else:
        known = settings.known
        size, source = [known.size if known else 224] * 2, _source(settings)
    said.append(f"size: {size[0]} × {size[1]}, {source}")
    return int(size[0] or 0), int(size[1] or 0)


def _bgr(channels: int, metadata: dict[str, str], settings: ImportSettings, said: list[str]) -> bool:
    if channels == 1:
        if settings.bgr:
            raise UsageError("bgr is True: the graph takes one channel")
        return False
    if settings.bgr is not None:
        return settings.bgr
    orders = {"rgb": False, "bgr": True}
    for key in ("color_order", "channel_order", "color_space", "color_format"):
        if (order := metadata.get(key, "").strip().lower()) in orders:
            said.append(f"order of the channels: {order.upper()}, from the metadata of the file")
            return orders[order]
    said.append(f"order of the channels: RGB, {_source(settings)}")
    return False


def _statistics(
    dtype: str, channels: int, metadata: dict[str, str], settings: ImportSettings, said: list[str]
) -> tuple[list[float], list[float]]:
    """Mean and standard deviation of each channel; none for uint8."""
    own = {"mean": settings.mean, "std": settings.std}
    if dtype == "uint8":
        for key, value in own.items():
            if value is not None:
                raise UsageError(f"{key} is {value}: the graph takes uint8 pixels, unchanged; leave it out")
        said.append("mean, std: none, because the graph takes uint8")
        return [], []
    known = settings.known
    usual, source = ((known.mean, known.std), _source(settings)) if known else (IMAGENET, "those of ImageNet, assumed")
    found: dict[str, Sequence[float]] = dict(zip(own, usual, strict=True))
    mean, std = (
        _stated(metadata, "mean", "image_mean", "pixel_mean"),
        _stated(metadata, "std", "image_std", "pixel_std"),
    )
    if known is None and len(mean) in (1, channels) and len(std) in (1, channels) and min(std) > 0:
        scale = 255 if max(*mean, *std, 0) > 1 else 1
        found = {"mean": [one / scale for one in mean], "std": [max(1e-6, one / scale) for one in std]}
        source = "from the metadata of the file"
    for key, value in own.items():
        if value is None:
            found[key] = _spread(found[key], channels)
            said.append(f"{key}: {', '.join(f'{one:.6g}' for one in found[key])}, {source}")
        elif len(value) not in (1, channels):
            raise UsageError(f"{key} is {value}: the graph takes {channels} channel, so it must be one number")
        else:
            found[key] = _spread(value, channels)
    return list(found["mean"]), list(found["std"])


def _spread(numbers: Sequence[float], channels: int) -> list[float]:
    """A number for each channel, from one for all; for grey, the mean of three."""
    if len(numbers) == channels:
        return list(numbers)
    return [numbers[0]] * channels if len(numbers) == 1 else [sum(numbers) / len(numbers)]


def _source(settings: ImportSettings) -> str:
    return "assumed" if settings.preset is None else f"from the preset {settings.preset}"


def _stated(metadata: dict[str, str], *keys: str) -> list[float]:
    """The finite numbers of the first of these keys that the metadata has, written as JSON; [] if there are none."""
    for key in keys:
        if key in metadata:
            try:
                value = json.loads(metadata[key])
            except (ValueError, RecursionError):
                continue
            numbers = value if isinstance(value, list) else [value]
            if numbers and all(type(one) in (int, float) and abs(one) < 1e6 for one in numbers):
                return [float(one) for one in numbers]
    return []


def choose_output(
    result: TrialResult, spec: InputSpec, settings: ImportSettings, name: str
) -> tuple[InputSpec, int, list[str]]:
    """The input with the output of its graph, the dimension of the vectors, and lines as `choose_input`.

    Raises `ModelError` for a graph that gives no vectors, `UsageError` for settings that contradict it.
    """
    assert spec.graph is not None
    given = dict(zip(result.outputs, result.output_shapes, strict=False))
    port = _output(given, settings, name)
    shape = given[port]
    is_tokens = _kind(shape) == "tokens"
    expected = spec.graph.batch or 2
    if shape[0] != expected:
        raise BatchError(f"{name} gives {port.label} {shape} for {expected} pictures: it must give each a vector")
    dim = shape[2] if is_tokens else shape[1]
    if not 2 <= dim <= MAX_DIM:
        raise ModelError(f"{name} gives vectors of {dim} numbers: it must be from 2 to {MAX_DIM:,}")
    said = []
    if settings.output is None and len(result.outputs) > 1:
        said.append(f"output: {port.label}, of {', '.join(each.label for each in result.outputs[:8])}")
    if is_tokens and not settings.first_token:
        said.append(f"vector: the first of {shape[1]} tokens, {_source(settings)}")
    graph = spec.graph.model_copy(update={"output": port.name, "first_token": is_tokens})
    return spec.model_copy(update={"graph": graph}), dim, said


def _output(given: dict[Port, tuple[int, ...]], settings: ImportSettings, name: str) -> Port:
    """The output that is the embedding."""
    if settings.output is not None and settings.output not in [port.name for port in given]:
        names = ", ".join(port.label for port in [*given][:8])
        raise UsageError(f"output is {settings.output[:40]!r}: it must be one of {names}")
    some = {port: _kind(shape) for port, shape in given.items() if settings.output in (None, port.name)}
    listed = ", ".join(f"{port.label} {given[port]} {port.type}" for port in [*some][:4])
    floats = {port: kind for port, kind in some.items() if port.type in FLOATS}
    if not floats:
        raise ModelError(f"{name} gives no floating-point numbers, but {listed}")
    known = settings.known
    wanted = ["vectors", "tokens"] if settings.first_token is None and known and known.first_token else ["vectors"]
    if settings.first_token:
        wanted = ["tokens"]
    for kind in wanted:
        found = [port for port in floats if floats[port] == kind]
        if len(found) > 1:
            found = [port for port in found if port.name in EMBEDDINGS] or found
        if len(found) == 1:
            return found[0]
        if found:
            raise ModelError(f"{name} gives several outputs, {listed}: choose one by its name, with output")
    if "tokens" in floats.values() and not settings.first_token:
        raise ModelError(f"{name} gives tokens, {listed}: set first_token to take the first one as the vector")
    shape = "(n, tokens, dim)" if settings.first_token else "(n, dim)"
    raise ModelError(f"{name} gives {listed} for two pictures: an output must be {shape}")


def _kind(shape: tuple[int, ...]) -> str:
    """Whether an array has a vector for each picture, tokens, or something else."""
    if len(shape) >= 2 and all(side == 1 for side in shape[2:]):
        return "vectors"
    return "tokens" if len(shape) == 3 and shape[1] else "other"
