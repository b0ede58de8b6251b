"""What an imported graph takes and gives: by its inputs and outputs, its metadata, and the caller's settings."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from semelha.embedders.card import MAX_DIM, MAX_SIDE, InputSpec
from semelha.embedders.extractors import TENSORS
from semelha.embedders.graph_spec import vector_kind
from semelha.embedders.import_settings import IMAGENET, ImportSettings
from semelha.embedders.trial import Port, TrialResult
from semelha.errors import ModelError, UsageError
from semelha.text import shown

FLOATS = ("tensor(float)", "tensor(float16)", "tensor(double)")
EMBEDDINGS = ("embedding", "embeddings", "image_embeds", "image_embedding", "pooler_output", "pooled_output", "feature")
"""Names of the output that is the embedding, for graphs with several."""
CHANNEL_AXES = {"nchw": 1, "nhwc": 3}


class BatchError(ModelError):
    """The graph cannot take several pictures at a time, or mixes them."""


@dataclass
class InputGuess:
    """What the input of a graph is guessed from, and a line for each thing that was found or assumed."""

    name: str
    settings: ImportSettings
    metadata: dict[str, str]
    assumptions: list[str] = field(default_factory=list)
    has_free_size: bool = False

    @property
    def source(self) -> str:
        """Where values come from that neither the caller nor the file states."""
        preset = self.settings.preset
        return "assumed" if preset is None else f"from the preset {preset}"

    def assume(self, text: str) -> None:
        """Add a line."""
        self.assumptions.append(text)


def choose_input(result: TrialResult, settings: ImportSettings, name: str) -> tuple[InputSpec, InputGuess]:
    """The input of a graph, and what was assumed for it. Its output is chosen later.

    Raises `ModelError` for a graph that takes no pictures, `UsageError` for settings that contradict it.
    """
    guess = InputGuess(name, settings, result.metadata)
    axes, dtype = _check_input(result, name)
    layout, channels = _layout(axes, guess)
    height, width = _size(axes, layout, guess)
    bgr = _bgr(channels, guess)
    mean, std = _statistics(dtype, channels, guess)
    preset = settings.preset_values
    fit = settings.fit or (preset.fit if preset else "crop")
    if settings.fit is None:
        guess.assume(f"fit: {fit}, {guess.source}")
    graph = {"layout": layout, "dtype": dtype, "mean": mean, "std": std, "bgr": bgr, "batch": axes[0], "output": "",
             "normalize": settings.normalize}  # fmt: skip
    spec = {"height": height, "width": width, "channels": channels, "fit": fit, "graph": graph}
    try:
        return InputSpec.model_validate(spec), guess
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


def _layout(axes: list[Any], guess: InputGuess) -> tuple[str, int]:
    """Order of the axes, and the number of channels."""
    layout = guess.settings.layout
    if layout is None:
        layout, reason = _guessed_layout(axes, guess.name)
        guess.assume(f"layout: {layout}, {reason}")
    channels = axes[CHANNEL_AXES[layout]]
    if not isinstance(channels, int):
        guess.assume("channels: 3, assumed")
        return layout, 3
    if channels not in (1, 3):
        raise ModelError(f"{guess.name} takes {channels} channels in the layout {layout}: it must take 1 or 3")
    return layout, channels


def _guessed_layout(axes: list[Any], name: str) -> tuple[str, str]:
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
    sides = " × ".join(shown(str(axis)[:20]) for axis in axes[1:])
    raise ModelError(f"{name} takes {sides}: none of its axes is one of 1 or 3 channels")


def _size(axes: list[Any], layout: str, guess: InputGuess) -> tuple[int, int]:
    """Height and width."""
    sides = axes[2:4] if layout == "nchw" else axes[1:3]
    fixed = [side if isinstance(side, int) else None for side in sides]
    guess.has_free_size = None in fixed
    if any(side is not None and side > MAX_SIDE for side in fixed):
        raise ModelError(f"{guess.name} takes pictures of {fixed[0]} × {fixed[1]} pixels: at most {MAX_SIDE} each")
    chosen, preset = guess.settings.sides, guess.settings.preset_values
    if chosen is not None:
        if any(side is not None and side != own for side, own in zip(fixed, chosen, strict=True)):
            raise UsageError(f"size is {chosen}: the graph takes {' × '.join(str(side or 'any') for side in fixed)}")
        return chosen
    stated = metadata_numbers(guess.metadata, "size", "image_size", "input_size", "imgsz")
    whole = [int(one) for one in stated[-2:] if 1 <= one <= MAX_SIDE]
    if None not in fixed:
        size, source = fixed, "from the shape of the input"
    elif any(fixed):
        size, source = [fixed[0] or fixed[1], fixed[1] or fixed[0]], "assumed: one side of the input is free"
    elif whole:
        size, source = [whole[0], whole[-1]], "from the metadata of the file"
    else:
        size, source = [preset.size if preset else 224] * 2, guess.source
    guess.assume(f"size: {size[0]} × {size[1]}, {source}")
    return int(size[0] or 0), int(size[1] or 0)


def _bgr(channels: int, guess: InputGuess) -> bool:
    bgr = guess.settings.bgr
    if channels == 1:
        if bgr:
            raise UsageError("bgr is True: the graph takes one channel")
        return False
    if bgr is not None:
        return bgr
    orders = {"rgb": False, "bgr": True}
    for key in ("color_order", "channel_order", "color_space", "color_format"):
        if (order := guess.metadata.get(key, "").strip().lower()) in orders:
            guess.assume(f"order of the channels: {order.upper()}, from the metadata of the file")
            return orders[order]
    guess.assume("order of the channels: RGB, assumed")
    return False


def _statistics(dtype: str, channels: int, guess: InputGuess) -> tuple[list[float], list[float]]:
    """Mean and standard deviation of each channel; none for uint8."""
    own = {"mean": guess.settings.numbers("mean"), "std": guess.settings.numbers("std")}
    if dtype == "uint8":
        for key, value in own.items():
            if value is not None:
                raise UsageError(f"{key} is {value}: the graph takes uint8 pixels, unchanged; leave it out")
        guess.assume("mean, std: none, because the graph takes uint8")
        return [], []
    preset = guess.settings.preset_values
    usual, source = ((preset.mean, preset.std), guess.source) if preset else (IMAGENET, "those of ImageNet, assumed")
    found: dict[str, Sequence[float]] = dict(zip(own, usual, strict=True))
    mean, std = (metadata_numbers(guess.metadata, key, f"image_{key}", f"pixel_{key}") for key in own)
    if preset is None and len(mean) in (1, channels) and len(std) in (1, channels) and min(std) > 0:
        scale = 255 if max(*mean, *std, 0) > 1 else 1
        found = {"mean": [one / scale for one in mean], "std": [max(1e-6, one / scale) for one in std]}
        source = "from the metadata of the file"
    for key, value in own.items():
        if value is None:
            found[key] = _spread(found[key], channels)
            guess.assume(f"{key}: {', '.join(f'{one:.6g}' for one in found[key])}, {source}")
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


def metadata_numbers(metadata: dict[str, str], *keys: str) -> list[float]:
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


def choose_output(result: TrialResult, spec: InputSpec, guess: InputGuess) -> tuple[InputSpec, int, list[str]]:
    """The input with the output of its graph, the dimension of the vectors, and what was assumed for them.

    Raises `ModelError` for a graph that gives no vectors, `UsageError` for settings that contradict it.
    """
    assert spec.graph is not None
    shapes = dict(zip(result.outputs, result.output_shapes, strict=False))
    port = _output(shapes, guess.settings, guess.name)
    shape = shapes[port]
    is_tokens = vector_kind(shape) == "tokens"
    expected = spec.graph.batch or 2
    if shape[0] != expected:
        raise BatchError(f"{guess.name} gives {port.label} {shape} for {expected} pictures: it must give each a vector")
    dim = shape[2] if is_tokens else shape[1]
    if not 2 <= dim <= MAX_DIM:
        raise ModelError(f"{guess.name} gives vectors of {dim} numbers: it must be from 2 to {MAX_DIM:,}")
    assumptions = []
    if guess.settings.output is None and len(result.outputs) > 1:
        assumptions.append(f"output: {port.label}, of {', '.join(each.label for each in result.outputs[:8])}")
    if is_tokens and not guess.settings.first_token:
        assumptions.append(f"vector: the first of {shape[1]} tokens, {guess.source}")
    graph = spec.graph.model_copy(update={"output": port.name, "first_token": is_tokens})
    return spec.model_copy(update={"graph": graph}), dim, assumptions


def _output(shapes: dict[Port, tuple[int, ...]], settings: ImportSettings, name: str) -> Port:
    """The output that is the embedding."""
    if settings.output is not None and settings.output not in [port.name for port in shapes]:
        names = ", ".join(port.label for port in [*shapes][:8])
        raise UsageError(f"output is {settings.output[:40]!r}: it must be one of {names}")
    some = {port: vector_kind(shape) for port, shape in shapes.items() if settings.output in (None, port.name)}
    listed = ", ".join(f"{port.label} {shapes[port]} {port.type}" for port in [*some][:4])
    floats = {port: kind for port, kind in some.items() if port.type in FLOATS}
    if not floats:
        raise ModelError(f"{name} gives no floating-point numbers, but {listed}")
    preset = settings.preset_values
    wanted = ["vectors", "tokens"] if settings.first_token is None and preset and preset.first_token else ["vectors"]
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
