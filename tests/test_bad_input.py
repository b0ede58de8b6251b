"""Every argument of every public function refuses what it does not take: one `SemelhaError` that names the argument."""

import asyncio
import inspect
import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FunctionType
from typing import Any

import numpy as np
import pytest
from PIL import Image

import semelha
from semelha import Dataset, Gallery, Picture
from semelha.errors import SemelhaError
from tests.tiny_model import noise, tiny_model

BAD = {"None": None, "a number": 12.5, "an object": object(), "an empty list": [], "a list of objects": [object()]}

NO_SERVER = "http://127.0.0.1:1"

# Arguments of which a bad value is accepted, or refused by an error that does not begin with their name; and why.
EXCEPTIONS = {
    ("AsyncClient.calibrate", "scoring", "None"): "None chooses a scoring, and no server answers",
    ("Client.calibrate", "scoring", "None"): "None chooses a scoring, and no server answers",
    ("Gallery.calibrate", "scoring", "None"): "None chooses a scoring, which takes more subjects",
    (
        "Gallery.enroll_vectors",
        "sources",
        "an empty list",
    ): "the error is about the number of vectors",
    ("Gallery.keep_for_review", "answers", "an empty list"): "the error is about the numbers of all three",
}


def functions() -> Iterator[tuple[str, str | None, str]]:
    """Every public function, and every constructor and public method of a public class: its title, class and name."""
    for name in semelha.__all__:
        each = getattr(semelha, name)
        if inspect.isclass(each):
            yield name, None, name
            for method in dir(each):
                static = inspect.getattr_static(each, method)
                if not method.startswith("_") and isinstance(static, FunctionType | classmethod | staticmethod):
                    yield f"{name}.{method}", name, method
        elif callable(each):
            yield name, None, name


def signature(owner: str | None, name: str) -> inspect.Signature:
    """Without `self`; annotations are text."""
    function = getattr(getattr(semelha, owner) if owner else semelha, name)
    found = inspect.signature(function)
    return found.replace(parameters=[one for one in found.parameters.values() if one.name != "self"])


def takes(parameter: inspect.Parameter, bad: str) -> bool:
    """Whether the annotation of an argument allows the bad value."""
    kinds = str(parameter.annotation).split(" | ")
    if bad == "an empty list":
        return any(kind.startswith(("Sequence", "Iterable", "list", "tuple")) for kind in kinds)
    return {"None": "None", "a number": "float"}.get(bad) in kinds


def cases() -> Iterator[Any]:
    for title, owner, name in functions():
        for parameter in signature(owner, name).parameters.values():
            for bad in BAD:
                # A default is no bad input, and neither is a number where one is taken.
                if takes(parameter, bad) and (bad == "a number" or parameter.default is None):
                    continue
                yield pytest.param(title, owner, name, parameter.name, bad, id=f"{title}-{parameter.name}-{bad}")


class Waiting:
    """An object whose coroutines run when they are called."""

    def __init__(self, whole: object) -> None:
        self._whole = whole

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return lambda *args, **kwargs: asyncio.run(getattr(self._whole, name)(*args, **kwargs))


class World:
    """A gallery with two subjects, and a valid value for every argument that has no default."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.model = tiny_model(folder / "model")
        self.gallery = Gallery.create(folder / "shop", self.model, threads=1)
        self.gallery.enroll("apple", [noise(1), noise(2)])
        self.gallery.enroll("pear", [noise(3), noise(4)])
        picture = Picture(noise(5), "plum", "plum.jpg")
        dataset = Dataset("one class", (picture,))  # too few to train on or to evaluate
        evaluation = semelha.evaluate(
            self.model, Dataset("two", (picture, Picture(noise(6), "fig", "fig.jpg"))), baselines=False, resamples=0
        )
        self.owners = {
            "AsyncClient": Waiting(semelha.AsyncClient(NO_SERVER, retries=0)),
            "Client": semelha.Client(NO_SERVER, retries=0),
            "Dataset": dataset,
            "Gallery": self.gallery,
            "Model": self.model,
            "Picture": picture,
        }
        self.values: dict[str, Any] = {
            "after": 0.5,
            "answers": [self.gallery.identify(noise(7))],
            "before": 0.1,
            "card": self.model.card,
            "dataset": dataset,
            "evaluation": evaluation,
            "example": 1,
            "extractor": self.model.extractor,
            "fingerprint": self.model.fingerprint,
            "file": folder / "model" / "embedder.onnx",
            "folder": folder / "model",
            "fpir": 0.5,
            "gallery": folder / "shop",
            "indices": [0],
            "into": "pear",
            "label": "plum",
            "merge": 1,
            "method": "pca",
            "metric": self.model.metric,
            "model": self.model,
            "models": [self.model],
            "name": "plum",
            "new": "quince",
            "number": 1,
            "old": "apple",
            "other": noise(6),
            "out": folder / "new",
            "path": folder / "new",
            "picture": noise(7),
            "pictures": [picture],
            "pixels": noise(8),
            "probe": self.gallery.embed_probes([noise(7)])[0],
            "prepared": np.zeros((1, 1, 16, 16), np.uint8),
            "probes": dataset,
            "rejection": 1,
            "review": 1,
            "reviews": [1],
            "skipped": (),
            "source": "apple",
            "sources": ["elsewhere"],
            "subject": "apple",
            "url": NO_SERVER,
            "vectors": np.eye(1, self.model.dim, dtype=np.float32),
        }
        self.of_function: dict[tuple[str, str], Any] = {
            ("Picture", "source"): noise(9),
            ("Dataset", "pictures"): (picture,),
            ("embed_files", "pictures"): dataset,
            ("Gallery.open", "path"): folder / "shop",
            ("Gallery", "path"): folder / "shop",
            ("Gallery.identify_probes", "probes"): self.gallery.embed_probes([noise(7)]),
            ("Gallery.keep_for_review", "probes"): self.gallery.embed_probes([noise(7)]),
            ("Gallery.verify_probe", "other"): "apple",
        }

    def arguments(self, title: str, found: inspect.Signature) -> dict[str, Any]:
        """A valid value of each argument without default."""
        return {
            one.name: self.of_function.get((title, one.name), self.values.get(one.name))
            for one in found.parameters.values()
            if one.default is one.empty
        }

    def function(self, owner: str | None, name: str) -> Callable[..., Any]:
        function: Callable[..., Any] = getattr(semelha if owner is None else self.owners.get(owner), name)
        return function

    def state(self) -> tuple[object, ...]:
        """What is on the disk."""
        return self.gallery.index_stats()["change"], sorted(self.folder.rglob("*"))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = World(tmp_path_factory.mktemp("world"))
    yield made
    made.gallery.close()


@pytest.mark.parametrize(("title", "owner", "name", "argument", "bad"), list(cases()))
def test_bad_input_is_refused(title: str, owner: str | None, name: str, argument: str, bad: str, world: World) -> None:
    found = signature(owner, name)
    arguments = world.arguments(title, found) | {argument: BAD[bad]}
    before = world.state()
    try:
        world.function(owner, name)(**arguments)
    except SemelhaError as error:
        message = str(error)
        assert re.match(rf"{argument}\b", message) or (title, argument, bad) in EXCEPTIONS, message
        assert world.state() == before
    else:
        assert takes(found.parameters[argument], bad) or (title, argument, bad) in EXCEPTIONS, "it was accepted"


def test_every_argument_without_default_has_a_valid_value(world: World) -> None:
    for title, owner, name in functions():
        for argument, value in world.arguments(title, signature(owner, name)).items():
            assert value is not None, f"{title}: add a valid value of {argument}"


ODD: dict[str, Callable[[], Any]] = {
    "a whole number": lambda: 7,
    "a negative number": lambda: -1,
    "a huge number": lambda: 10**30,
    "not a number": lambda: float("nan"),
    "true": lambda: True,
    "a NUL": lambda: "\0",
    "a long text": lambda: "x" * 5000,
    "bytes": lambda: b"x",
    "a set": lambda: {1},
    "a generator of objects": lambda: (object() for _ in range(2)),
    "a generator of pictures": lambda: (noise(seed) for seed in (50, 51)),
    "a file that is no picture": lambda: io.BytesIO(b"x"),
    "an open picture": lambda: io.BytesIO(png()),
    "a PIL picture": lambda: Image.fromarray(noise(52)),
    "a text file": lambda: io.StringIO("x"),
    "numbers": lambda: [1, 2],
    "no pixels": lambda: np.empty((0, 0), np.uint8),
    "floats": lambda: np.full((4, 4), np.nan),
}
"""Values that are right for some arguments and wrong for others, made anew for each call."""


def png() -> bytes:
    file = io.BytesIO()
    Image.fromarray(noise(53)).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize("title", [title for title, _, _ in functions() if title not in ("glyphs", "plan_training")])
def test_an_odd_value_is_accepted_or_refused_by_an_error_of_ours(title: str, tmp_path: Path) -> None:
    """Never a raw `TypeError`, whatever is passed for one argument."""
    world = World(tmp_path)
    (owner, name) = next((owner, name) for one, owner, name in functions() if one == title)
    found = signature(owner, name)
    raised = []
    with world.gallery:
        for argument in found.parameters:
            for odd, make in ODD.items():
                try:
                    world.function(owner, name)(**world.arguments(title, found) | {argument: make()})
                except SemelhaError:
                    pass
                except Exception as error:
                    raised.append(f"{argument}={odd}: {type(error).__name__}: {error!s:.80}")
    assert not raised
