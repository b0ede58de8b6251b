"""Checks of arguments: each raises a `UsageError` that names the argument, its value, and what it must be."""

from __future__ import annotations

import math
import os
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence, Sized
from dataclasses import fields
from functools import cache, wraps
from inspect import Parameter, signature
from numbers import Integral, Real
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, BinaryIO, NoReturn, ParamSpec, TypeVar, Union, get_args, get_origin, get_type_hints

import numpy as np

from semelha.errors import UsageError

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")

ALIAS: Any = getattr(typing, "TypeAliasType", ())  # from Python 3.12 on
MIN_INT, MAX_INT = -(1 << 63), (1 << 63) - 1
MAX_PATH_PART = 255
MAX_SETTING = 1_000_000

WORDS: dict[Any, str] = {
    NoneType: "None",
    str: "a string",
    os.PathLike: "a path",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    bytes: "bytes",
    BinaryIO: "a binary file",
    np.ndarray: "an array",
    Callable: "a function",
    "Image": "a PIL image",
}
"""What messages call a type, if not by its name. Image is found by its name, so that PIL is not imported."""


def check_types(function: Callable[P, R]) -> Callable[P, R]:
    """Decorate a function so that every argument must be of its annotated type; elements of lists and tuples too."""
    # At the first call, when every name in the annotations is defined.
    return _checked(function, cache(lambda: get_type_hints(function)))


def check_types_late(types: Callable[[], dict[str, Any]]) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """As `check_types`; `types` returns, at every call, the types in annotations that the module does not import."""

    def decorated(function: Callable[P, R]) -> Callable[P, R]:
        return _checked(function, lambda: get_type_hints(function, localns=types()))

    return decorated


def _checked(function: Callable[P, R], hints: Callable[[], dict[str, Any]]) -> Callable[P, R]:
    names = tuple(signature(function).parameters)

    @wraps(function)
    def checked(*args: P.args, **kwargs: P.kwargs) -> R:
        known = hints()
        for name, value in (*zip(names, args, strict=False), *kwargs.items()):
            _check(name, value, known.get(name, Any))
        return function(*args, **kwargs)

    return checked


def check_fields(instance: Any) -> None:
    """Check the fields of a dataclass as `check_types` does arguments."""
    kind: Any = type(instance)
    for name, hint, plain in _fields_of_class(kind):
        value = getattr(instance, name)
        if type(value) not in plain:
            _check(name, value, hint)


@cache
def _fields_of_class(kind: Any) -> tuple[tuple[str, Any, frozenset[Any]], ...]:
    """Name and type of each field, and the types of which every instance matches."""
    hints = get_type_hints(kind)
    return tuple((field.name, hints[field.name], _plain_types(hints[field.name])) for field in fields(kind))


def _check(name: str, value: object, hint: Any) -> None:
    if type(value) in _plain_types(hint) or _matches(value, hint):
        if isinstance(value, int) and not MIN_INT <= value <= MAX_INT:
            refuse(name, value, "a whole number of 64 bits")
        if isinstance(value, str) and _takes_paths(hint):
            _check_path(name, value)
        return
    if isinstance(value, list | tuple):
        for element in (
            get_args(one)[0] for one in _alternatives(hint) if get_origin(one) in (list, tuple, Sequence, Iterable)
        ):
            for position, one in enumerate(value):
                _check(f"{name}[{position}]", one, element)
    refuse(name, value, _described(hint))


@cache
def _plain_types(hint: Any) -> frozenset[Any]:
    """Types of which every instance matches, found without comparing each alternative."""
    kinds = {_kind(one) for one in _alternatives(hint)}
    return frozenset((kinds | ({type(Path())} if Path in kinds else set())) - {list, tuple})


@cache
def _takes_paths(hint: Any) -> bool:
    return any(get_origin(one) is os.PathLike for one in _alternatives(hint))


def _check_path(name: str, path: str) -> None:
    """Refuse what no system takes as a path: it would raise at an odd place."""
    if "\0" in path or any(len(part.encode(errors="replace")) > MAX_PATH_PART for part in path.split(os.sep)):
        refuse(name, path, f"a path, without NUL and with at most {MAX_PATH_PART} bytes between separators")


def _matches(value: object, hint: Any) -> bool:
    kind, inner = _kind(hint), get_args(hint)
    if kind in (Union, UnionType):
        return any(_matches(value, one) for one in inner)
    if kind in (Any, object):
        return True
    if kind in (int, float):
        return isinstance(value, Integral if kind is int else Real) and not isinstance(value, bool)
    if kind is BinaryIO:
        return hasattr(value, "read")
    if kind in (list, tuple, Sequence, Iterable) and isinstance(value, list | tuple):
        if kind is tuple and inner[-1] is not Ellipsis:
            return len(value) == len(inner) and all(map(_matches, value, inner))
        return all(_matches(one, inner[0]) for one in value)
    if kind is Sequence and isinstance(value, np.ndarray):
        return all(_matches(one, inner[0]) for one in value) if value.ndim else False
    if kind in (Sequence, Iterable) and isinstance(value, str | bytes | bytearray):
        return False
    return isinstance(value, kind)


def _kind(hint: Any) -> Any:
    """The class of a hint: list for list[int]. NumPy's NDArray is an alias of its own kind from Python 3.12 on."""
    kind = get_origin(hint) or hint
    return _kind(kind.__value__) if isinstance(kind, ALIAS) else kind


def _alternatives(hint: Any) -> tuple[Any, ...]:
    return get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)


def _described(hint: Any) -> str:
    """Such as "a path, a Dataset or None"."""
    kinds = _alternatives(hint)
    paths = any(get_origin(one) is os.PathLike for one in kinds)
    words = dict.fromkeys(_word(one) for one in kinds if not (one is str and paths))
    *others, last = sorted(words, key=lambda word: word == "None")
    return f"{', '.join(others)} or {last}" if others else last


def _word(hint: Any) -> str:
    kind, inner = _kind(hint), get_args(hint)
    if kind in (list, tuple, Sequence, Iterable):
        if kind is tuple and inner[-1] is not Ellipsis:
            return f"{len(inner)} of {_described(inner[0])}"
        return f"a sequence of which each is {_described(inner[0])}"
    name = kind.__name__
    return WORDS.get(kind) or WORDS.get(name) or f"{'an' if name[0] in 'AEIOU' else 'a'} {name}"


def refuse(name: str, value: object, must_be: str) -> NoReturn:
    """Raise `UsageError`: the argument has this value, and must be something else."""
    text = repr(value)
    raise UsageError(f"{name} is {text if len(text) <= 60 else f'{text[:57]}...'}: it must be {must_be}")


def check_int(name: str, value: object, least: int, most: int) -> int:
    """Return the value if it is a whole number within the limits, else raise `UsageError`."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or not least <= value <= most:
        refuse(name, value, f"a whole number from {least} to {most}")
    return int(value)


def check_any(name: str, values: Sized) -> None:
    """Raise `UsageError` if `values` is empty."""
    if not len(values):
        raise UsageError(f"{name} is empty: pass one or more")


def check_float(name: str, value: object, least: float, most: float) -> float:
    """Return the value if it is a number within the limits, else raise `UsageError`."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not least <= value <= most:
        refuse(name, value, f"a number from {least:g} to {most:g}")
    return float(value)


def check_pair(name: str, value: object, least: int, most: int) -> tuple[int, int]:
    """Return the value if it is two whole numbers within the limits, else raise `UsageError`."""
    if not isinstance(value, list | tuple) or len(value) != 2:
        refuse(name, value, "two whole numbers")
    return check_int(name, value[0], least, most), check_int(name, value[1], least, most)


def check_bool(name: str, value: object) -> bool:
    """Return the value if it is True or False, else raise `UsageError`."""
    if not isinstance(value, bool):
        refuse(name, value, "true or false")
    return value


def check_choice(name: str, value: object, choices: tuple[T, ...]) -> T:
    """Return the choice that equals the value and has its type, else raise `UsageError`."""
    for choice in choices:
        if type(value) is type(choice) and value == choice:
            return choice
    refuse(name, value, f"one of {', '.join(map(str, choices))}")


def number_arguments(function: Callable[..., Any]) -> dict[str, Parameter]:
    """Optional arguments of a function that are numbers, by name; its module postpones annotations.

    Whole numbers may be None by default; the others may not.
    """
    return {
        name: one
        for name, one in signature(function).parameters.items()
        if one.default is not Parameter.empty
        if _is_whole(one) or (one.default is not None and one.annotation in ("float", "float | None"))
    }


def check_numbers(owner: str, function: Callable[..., Any], values: Mapping[str, float]) -> dict[str, float]:
    """Return the values as number arguments of a function, which users call `owner`, else raise `UsageError`.

    Whole numbers are from 1 to `MAX_SETTING`. The others are above 0, or 0 if the default is.
    """
    known = number_arguments(function)
    checked: dict[str, float] = {}
    for name, value in values.items():
        if name not in known:
            raise UsageError(f"{owner} has no setting {name!r}: it has {', '.join(known) or 'none'}")
        if _is_whole(known[name]):
            if isinstance(value, bool) or value not in range(1, MAX_SETTING + 1):
                refuse(name, value, f"a whole number from 1 to {MAX_SETTING}")
            checked[name] = int(value)
            continue
        may_be_0 = known[name].default == 0
        if isinstance(value, bool) or not 0 <= value < math.inf or (value == 0 and not may_be_0):
            refuse(name, value, "a number, 0 or more" if may_be_0 else "a number above 0")
        checked[name] = float(value)
    return checked


def _is_whole(one: Parameter) -> bool:
    return one.annotation in ("int", "int | None")
