"""`train` and `plan_training`: from folders of pictures to a model folder, with a network or a linear method."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Any, Literal

from semelha.arguments import check_choice, refuse
from semelha.errors import UsageError
from semelha.images import Dataset, read_dataset

if TYPE_CHECKING:
    from semelha.deep import Network, Recipe, TrainingProgress, TrainingSettings
    from semelha.deep.ssl import SelfSupervised
    from semelha.embedders import Model
    from semelha.features import Features
    from semelha.linear import BoostedSimilarity
    from semelha.linear.base import LinearLearner

WITHOUT_LABELS = ("simclr", "simclr-v2", "moco-v1", "moco-v2", "moco-v3")
"""Names of the methods by which a network learns without labels."""
NOTHING = "none"
"""Name of the method that uses a network without training it."""
READOUT = "readout"
"""Name of the method that fits a new readout to a trained network."""

Path_ = str | os.PathLike[str]
Kind = Literal["network", "linear", "none", "readout"]


@dataclass(frozen=True)
class TrainingPlan:
    """What a training would do. Printed, it is a summary for people.

    Attributes
    ----------
    data : str
        Name of the data set.
    pictures, classes : int
    method : str
        "supervised", or the name of the method.
    network : Network, optional
        If a network is trained or used.
    recipe : Recipe, optional
        If a network is trained.
    features : str, optional
        What a linear method learns on.
    reasons : tuple of str
        Why each default was chosen, with the evidence.
    """

    data: str
    pictures: int
    classes: int
    method: str
    network: Network | None = None
    recipe: Recipe | None = None
    features: str | None = None
    reasons: tuple[str, ...] = ()

    @property
    def duration(self) -> str:
        """How long the training takes."""
        if self.recipe is None:
            return "no training of a network: seconds to minutes, by the number of pictures"
        minutes = f" or {self.recipe.minutes:g} minutes, whichever ends first"
        return f"at most {self.recipe.steps:,} steps of {self.recipe.batch} pictures{minutes}"

    def __str__(self) -> str:
        lines = [f"data      {self.data}: {self.pictures:,} pictures of {self.classes:,} classes"]
        lines.append(f"method    {self.method}" + (f" on {self.features}" if self.features else ""))
        if (network := self.network) is not None:
            color = "grey" if network.channels == 1 else "color"
            dim = "the pooled features" if network.dim is None else f"an embedding of {network.dim} numbers"
            lines.append(f"network   {network.backbone}, {network.size} × {network.size} pixels in {color}, {dim}")
        lines += [f"duration  {self.duration}", *(f"- {reason}" for reason in self.reasons)]
        return "\n".join(lines)

    def to_json(self) -> dict[str, object]:
        """The plan as plain values: network and recipe as a model card keeps them."""
        return {
            "data": self.data,
            "pictures": self.pictures,
            "classes": self.classes,
            "method": self.method,
            "network": None if self.network is None else self.network.as_card(),
            "recipe": None if self.recipe is None else self.recipe.as_card(),
            "features": self.features,
            "duration": self.duration,
            "reasons": list(self.reasons),
        }


def train(
    dataset: Dataset | Path_,
    *,
    out: Path_,
    method: LinearLearner | BoostedSimilarity | SelfSupervised | str | None = None,
    features: Features | None = None,
    on: Model | Path_ | None = None,
    network: Network | None = None,
    recipe: Recipe | None = None,
    settings: TrainingSettings | None = None,
    teacher: Model | Path_ | None = None,
    minutes: float | None = None,
    seed: int = 0,
    resume: bool = False,
    accelerator: str = "auto",
    callback: Callable[[TrainingProgress], None] | None = None,
    reading_progress: Callable[[int, int], None] | None = None,
) -> Model:
    """Learn to tell pictures of different classes apart, and write the result as a model folder.

    By default a network learns an embedding; that needs the extra `train`. With a method of `semelha.deep.ssl` it
    learns without labels. A method of `semelha.linear` learns a distance between features, or between the vectors of a
    model. The method "none" trains nothing: the features of a network, such as a pretrained one, become a model. The
    method "readout" fits a new readout of the layers of a model's network to these pictures.

    Parameters
    ----------
    dataset : Dataset or path
        Pictures with labels; a path is read by `read_dataset` (a folder of class folders, or a CSV manifest). For a
        method without labels, "none" or "readout", pictures may lie anywhere in the folder; labels are ignored.
    out : path
        The model folder to make. Must not exist.
    method : learner, SelfSupervised or str, optional
        Such as `semelha.linear.GMML()` or `semelha.deep.ssl.SimCLR()`, or a name for its default settings, such as
        "gmml" or "simclr". "none": no training. "readout": a new readout of the network of `on`.
    features : Features, optional
        What a linear method learns on, such as `semelha.features.HOG()`, which is the default.
    on : Model or path, optional
        The model on whose vectors a linear method learns, instead of features; or whose readout is fitted.
    network, recipe : Network, Recipe, optional
        From `semelha.deep`. Chosen from the pictures by default; `plan_training` returns the choice.
    settings : TrainingSettings, optional
        From `semelha.deep`. Explicit settings that replace fields of the network and the recipe, given or chosen.
    teacher : Model or path, optional
        A model whose similarities between the pictures are learned too (distillation), such as an ensemble.
    minutes : float, optional
        Time for the training of a network, without reading the pictures (default: the recipe's, 18). It ends with its
        steps or its minutes, whichever is sooner.
    seed : int
    resume : bool
        Continue an interrupted training of the same pictures and settings.
    accelerator : str
        "auto", "cpu", "cuda" or "mps".
    callback : callable, optional
        Called with a `semelha.deep.TrainingProgress` after every step.
    reading_progress : callable, optional
        Called with (pictures read, all pictures) while the pictures are decoded.

    Returns
    -------
    Model
        The model, loaded from `out`.

    Raises
    ------
    MissingExtra
        A network is trained, and torch is not installed.
    UsageError
        Arguments that do not go together.
    DatasetError, TrainingError, ModelError, VectorsError, BackboneError, PretrainedUnavailable
    """
    _check_type("out", out, (str, os.PathLike), "a path")
    _check_type("resume", resume, (bool,), "true or false")
    check_choice("accelerator", accelerator, ("auto", "cpu", "cuda", "mps"))
    _check_type("callback", callback, (Callable, NoneType), "a function or None")
    _check_type("reading_progress", reading_progress, (Callable, NoneType), "a function or None")
    request = _Request(method, features, on, network, recipe, settings, teacher, minutes, seed)
    request.check_types(dataset)
    kind = request.kind()
    if kind != "network":
        request.check_without_training(kind, resume=resume, accelerator=accelerator, callback=callback)
    pictures = request.pictures(dataset)
    if kind == "linear":
        return request.train_linear(pictures, Path(out), reading_progress)
    if kind == "readout":
        from semelha.deep.without_training import refit_readout

        return refit_readout(pictures, model=request.loaded_base(), out=Path(out), seed=seed)
    from semelha.deep import TrainingSettings
    from semelha.deep.train import train_network
    from semelha.deep.without_training import publish_feature_extractor

    settings = TrainingSettings() if settings is None else settings
    if kind == "none":
        return publish_feature_extractor(pictures, out=Path(out), network=network, settings=settings, seed=seed)
    return train_network(
        pictures,
        out=Path(out),
        method=request.self_supervised(),
        network=network,
        recipe=recipe,
        settings=settings,
        teacher=_loaded(teacher),
        minutes=minutes,
        seed=seed,
        resume=resume,
        accelerator=accelerator,
        callback=callback,
        reading_progress=reading_progress,
    )


def plan_training(
    dataset: Dataset | Path_,
    *,
    method: LinearLearner | BoostedSimilarity | SelfSupervised | str | None = None,
    features: Features | None = None,
    on: Model | Path_ | None = None,
    network: Network | None = None,
    recipe: Recipe | None = None,
    settings: TrainingSettings | None = None,
    teacher: Model | Path_ | None = None,
    minutes: float | None = None,
    seed: int = 0,
) -> TrainingPlan:
    """What `train` would do with the same arguments, and why, without training.

    All checks of the arguments are done. `TrainingPlan.network` and `TrainingPlan.recipe` can be changed by
    `dataclasses.replace` and given to `train`.

    Raises
    ------
    MissingExtra
        A network is trained, and torch is not installed.
    UsageError
        Arguments that do not go together.
    DatasetError, ModelError
    """
    request = _Request(method, features, on, network, recipe, settings, teacher, minutes, seed)
    request.check_types(dataset)
    kind = request.kind()
    if kind != "network":
        request.check_without_training(kind)
    pictures = request.pictures(dataset)
    plan = TrainingPlan(pictures.name, len(pictures), len([*filter(None, pictures.classes)]), request.method_name())
    if kind == "linear":
        base = request.linear_base()
        name = base.card.name if hasattr(base, "card") else type(base).__name__
        return replace(plan, features=f"the vectors of {name}" if hasattr(base, "card") else f"{name} features")
    if kind == "readout":
        return replace(plan, features=f"the layers of {request.loaded_base().card.name}")
    from semelha.deep import TrainingSettings
    from semelha.deep.plan import plan_feature_extractor, plan_network

    settings = TrainingSettings() if settings is None else settings
    if kind == "none":
        planned, reasons = plan_feature_extractor(pictures, network=network, settings=settings, seed=seed)
        return replace(plan, network=planned, reasons=reasons)
    found = plan_network(
        pictures,
        method=request.self_supervised(),
        network=network,
        recipe=recipe,
        settings=settings,
        teacher=_loaded(teacher),
        minutes=minutes,
        seed=seed,
    )
    return replace(plan, network=found.network, recipe=found.recipe, reasons=found.reasons)


def needs_labels(
    method: LinearLearner | BoostedSimilarity | SelfSupervised | str | None, recipe: Recipe | None = None
) -> bool:
    """Whether a training by this method needs labels."""
    if isinstance(method, str):
        return method not in (*WITHOUT_LABELS, NOTHING, READOUT)
    if method is None:
        return getattr(recipe, "method", None) is None
    from semelha.linear.base import Learner

    return isinstance(method, Learner)


@dataclass(frozen=True, eq=False)
class _Request:
    """The arguments that `train` and `plan_training` share, and the checks of them."""

    method: LinearLearner | BoostedSimilarity | SelfSupervised | str | None
    features: Features | None
    on: Model | Path_ | None
    network: Network | None
    recipe: Recipe | None
    settings: TrainingSettings | None
    teacher: Model | Path_ | None
    minutes: float | None
    seed: int

    def kind(self) -> Kind:
        """What the method trains. Raises `UsageError` for an unknown name, or for features that it does not take."""
        kind: Kind = "network"
        if isinstance(self.method, str):
            from semelha.linear import METHODS

            if self.method not in (names := (*METHODS, *WITHOUT_LABELS, NOTHING, READOUT)):
                raise UsageError(f"no method is called {self.method!r}: there are {', '.join(names)}")
            kinds: dict[str, Kind] = {NOTHING: "none", READOUT: "readout", **dict.fromkeys(METHODS, "linear")}
            kind = kinds.get(self.method, kind)
        elif self.method is not None:
            from semelha.linear.base import Learner

            kind = "linear" if isinstance(self.method, Learner) else kind
        if kind == "readout" and (self.on is None or self.features is not None):
            raise UsageError("method readout needs a model: give it as on (--on MODEL), and no features")
        if kind in ("network", "none") and (self.features is not None or self.on is not None):
            raise UsageError("features and on are for a method that learns a distance: name one, such as gmml")
        if self.features is not None and self.on is not None:
            raise UsageError("a linear method learns on features or on a model: give one of the two")
        return kind

    def check_types(self, dataset: object) -> None:
        """Raise `UsageError` for arguments of a wrong type. The planner checks those of `semelha.deep`."""
        from semelha.embedders import Model
        from semelha.features import Features
        from semelha.linear.base import Learner

        paths = (str, os.PathLike)
        if self.method is not None and not isinstance(self.method, str | Learner):
            from semelha.deep.ssl import SelfSupervised

            _check_type("method", self.method, (SelfSupervised,), "a learner, a SelfSupervised, a name or None")
        _check_type("dataset", dataset, (Dataset, *paths), "a Dataset or a path")
        for name, value in (("on", self.on), ("teacher", self.teacher)):
            _check_type(name, value, (Model, *paths, NoneType), "a Model or a path")
        _check_type("features", self.features, (Features, NoneType), "features, such as HOG()")
        _check_type("minutes", self.minutes, (int, float, NoneType), "a number")
        _check_type("seed", self.seed, (int,), "an integer")

    def check_without_training(self, kind: Kind, **of_loop: object) -> None:
        """Raise `UsageError` for arguments that need a network to be trained."""
        given: dict[str, object] = {
            "network": self.network,
            "recipe": self.recipe,
            "teacher": self.teacher,
            "minutes": self.minutes,
        }
        given |= {name: value for name, value in of_loop.items() if value not in (False, "auto")}
        names = [name for name, value in given.items() if value is not None and (name, kind) != ("network", NOTHING)]
        if self.settings is not None and kind != NOTHING:
            names += self.settings.explicit()
        if names:
            raise UsageError(f"method {self.method_name()} trains no network: leave out {', '.join(names)}")
        if int(os.environ.get("WORLD_SIZE", "1")) > 1:
            raise UsageError(f"method {self.method_name()} runs in one process: leave out torchrun")

    def method_name(self) -> str:
        """Such as "gmml" or "simclr"; "supervised" without a method."""
        method = self.method if self.method is not None or self.recipe is None else getattr(self.recipe, "method", None)
        if method is None or isinstance(method, str):
            return method or "supervised"
        return getattr(method, "name", type(method).__name__)

    def self_supervised(self) -> SelfSupervised | None:
        """The method without labels, if there is one."""
        from semelha.deep.ssl import METHODS

        # What is no SelfSupervised either is refused by the planner.
        return METHODS[self.method] if isinstance(self.method, str) else self.method

    def pictures(self, dataset: Dataset | Path_) -> Dataset:
        """The data set, read with labels only if they are needed."""
        if isinstance(dataset, Dataset):
            return dataset
        return read_dataset(dataset, labelled=needs_labels(self.method, self.recipe))

    def loaded_base(self) -> Model:
        """The model `on`."""
        model = _loaded(self.on)
        assert model is not None
        return model

    def linear_base(self) -> Features | Model:
        """What a linear method learns on."""
        from semelha.features import HOG

        return _loaded(self.on) or self.features or HOG()

    def train_linear(self, pictures: Dataset, out: Path, progress: Callable[[int, int], None] | None) -> Model:
        from semelha.linear import learner_named, train_linear

        learner = learner_named(self.method, seed=self.seed) if isinstance(self.method, str) else self.method
        on = self.linear_base()
        return train_linear(pictures, out=out, method=learner, on=on, seed=self.seed, reading_progress=progress)  # type: ignore[arg-type]


def _check_type(name: str, value: object, kinds: tuple[Any, ...], expected: str) -> None:
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        refuse(name, value, expected)


def _loaded(model: Model | Path_ | None) -> Model | None:
    from semelha.embedders import load_embedder

    return load_embedder(model) if isinstance(model, str | os.PathLike) else model
