"""`train` and `plan_training`: from folders of pictures to a model folder, with a network or a linear method."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from semelha.arguments import check_choice, check_numbers, check_types_late
from semelha.errors import TrainingError, UsageError
from semelha.files import check_writable
from semelha.images import Dataset, burst_remark, for_use, read_dataset, with_groups
from semelha.published_models import resolve_model
from semelha.training_plan import TrainingPlan

if TYPE_CHECKING:
    from semelha.deep import Network, Recipe, TrainingProgress, TrainingSettings
    from semelha.deep.curves import Log
    from semelha.deep.ssl import SelfSupervised
    from semelha.embedders import Model
    from semelha.features import Features
    from semelha.linear.base import Learner

WITHOUT_LABELS = ("simclr", "simclr-v2", "moco-v1", "moco-v2", "moco-v3")
"""Names of the methods by which a network learns without labels."""
NONE = "none"
"""Name of the method that uses a network as a feature extractor, without training it."""
READOUT = "readout"
"""Name of the method that fits a new readout (`semelha.deep.readout`) to a trained network."""

Path_ = str | os.PathLike[str]
Kind = Literal["candidates", "network", "linear", "none", "readout"]
"""What is trained: the best of several candidates, a network, a linear method, nothing, or a new readout."""


def _annotated_types() -> dict[str, Any]:
    """Types in annotations that this module does not import; those of `semelha.deep` are empty until it is imported."""
    from semelha.embedders import Model
    from semelha.features import Features
    from semelha.linear.base import Learner

    deep = sys.modules.get("semelha.deep")
    deep_names = {} if deep is None else vars(deep) | vars(deep.ssl)
    names = ("Network", "Recipe", "SelfSupervised", "TrainingProgress", "TrainingSettings")
    loggers = sys.modules.get("lightning.fabric.loggers")
    return {
        "Log": (getattr(loggers, "Logger", None) or type("Logger", (), {})) | str,
        "Model": Model,
        "Features": Features,
        "Learner": Learner,
        **{name: deep_names.get(name) or type(name, (), {}) for name in names},
    }


@check_types_late(_annotated_types)
def train(
    dataset: Dataset | Path_,
    *,
    out: Path_,
    method: Learner | SelfSupervised | str | None = None,
    features: Features | None = None,
    on: Model | Path_ | None = None,
    network: Network | None = None,
    recipe: Recipe | None = None,
    settings: TrainingSettings | None = None,
    teacher: Model | Path_ | None = None,
    from_model: Model | Path_ | None = None,
    minutes: float | None = None,
    seed: int = 0,
    resume: bool = False,
    accelerator: str = "auto",
    callback: Callable[[TrainingProgress], None] | None = None,
    reading_progress: Callable[[int, int], None] | None = None,
    log: Log | None = None,
) -> Model:
    """Learn to tell pictures of different classes apart, and write the result as a model folder.

    By default several candidates are measured on classes that are held out, and the best is written: a ready model
    (`semelha.pretrained`) as it is, the features of its stages, a small network trained from nothing, and two of them
    joined (docs/training.md). A network that is described by any argument is trained alone. Both need the extra
    `train`. With a method of `semelha.deep.ssl` it
    learns without labels. A method of `semelha.linear` learns a distance between features, or between the vectors of a
    model. The method "none" trains nothing: the features of a network, such as a pretrained one, become a model. The
    method "readout" keeps the network of a model, and fits how its layers become the embedding to these pictures.

    Parameters
    ----------
    dataset : Dataset or path
        Pictures with labels; a path is read by `read_dataset` (a folder of class folders, or a CSV manifest). For a
        method without labels, "none" or "readout", pictures may lie anywhere in the folder; labels are ignored. If the
        pictures have splits, those of train are learned from, and those of val validate.
    out : path
        The model folder to make. Must not exist.
    method : learner, SelfSupervised or str, optional
        Such as `semelha.linear.GMML()` or `semelha.deep.ssl.SimCLR()`, or a name for its default settings, such as
        "gmml" or "simclr". "none": no training. "readout": a new readout of the network of `on`.
    features : Features, optional
        What a linear method learns on, such as `semelha.features.HOG()`, which is the default.
    on : Model or path, optional
        The base model. A linear method learns a distance between its vectors, instead of features. The method "readout"
        requires it, and fits a new readout of its network.
    network, recipe : Network, Recipe, optional
        From `semelha.deep`. Chosen from the pictures by default; `plan_training` returns the choice.
    settings : TrainingSettings, optional
        From `semelha.deep`. Explicit settings that replace fields of the network and the recipe.
    teacher : Model or path, optional
        A model whose similarities between the pictures are learned too (distillation), such as an ensemble.
    from_model : Model or path, optional
        A model with a network, whose training goes on with these pictures: with more classes or others. Network and
        input are its own, and the training begins with its weights; everything else is chosen as usual.
    minutes : float, optional
        Maximum time (default: 18): of the default training, for all candidates; of one network, without reading the
        pictures. A training ends sooner if all its steps are done.
    seed : int
    resume : bool
        Continue an interrupted training of the same pictures and settings.
    accelerator : str
        "auto", "cpu", "cuda" or "mps".
    callback : callable, optional
        Called with a `semelha.deep.TrainingProgress` after every step.
    reading_progress : callable, optional
        Called with (pictures read, all pictures) while the pictures are decoded; not by "none" and "readout", which
        read a sample.
    log : Logger or str, optional
        Write the curves of a network's training to "tensorboard", "mlflow" or "wandb", or to a logger of Lightning
        Fabric (docs/other-libraries.md). After a colon may stand a folder for TensorBoard, by default "runs" beside the
        model; the URI of an MLflow server; or the project of Weights & Biases.

    Returns
    -------
    Model
        The model, loaded from `out`.

    Raises
    ------
    MissingExtra
        A network is trained, and torch is not installed; or the package that `log` names.
    UsageError
        Arguments that do not go together.
    DatasetError, TrainingError, ModelError, VectorsError, BackboneError, PretrainedUnavailable
    """
    check_choice("accelerator", accelerator, ("auto", "cpu", "cuda", "mps"))
    check_writable(Path(out), is_folder=True, error=TrainingError)
    kind = _trained_part(method, features, on)
    if kind == "network" and not _named((network, recipe, teacher, from_model), method, settings):
        kind = "candidates"
    if kind not in ("network", "candidates"):
        network_only: dict[str, object] = {"network": network, "recipe": recipe, "teacher": teacher, "minutes": minutes}
        network_only |= {"from_model": from_model, "resume": resume or None, "callback": callback, "log": log}
        network_only["accelerator"] = None if accelerator == "auto" else accelerator
        _check_no_network_arguments(kind, _method_name(method, recipe), settings, network_only)
    elif isinstance(log, str):
        from semelha.deep.curves import check_log

        check_log(log)
    pictures = _pictures(dataset, method, recipe)
    if kind == "linear":
        from semelha.linear import learner_named, train_linear

        learner: Any = learner_named(method, seed=seed) if isinstance(method, str) else method
        base = _linear_base(on, features)
        return train_linear(
            pictures, out=Path(out), method=learner, on=base, seed=seed, reading_progress=reading_progress
        )
    if kind == "readout":
        from semelha.deep.without_training import refit_readout

        return refit_readout(pictures, model=_load(on), out=Path(out), seed=seed)
    from semelha.deep import TrainingSettings
    from semelha.deep.candidates import train_candidates
    from semelha.deep.curves import training_curves
    from semelha.deep.train import train_network
    from semelha.deep.without_training import publish_feature_extractor

    settings = settings or TrainingSettings()
    if kind == "none":
        return publish_feature_extractor(pictures, out=Path(out), network=network, settings=settings, seed=seed)
    running: dict[str, Any] = {"out": Path(out), "minutes": minutes, "seed": seed, "resume": resume}
    running |= {"accelerator": accelerator, "callback": callback, "reading_progress": reading_progress}
    with training_curves(log, Path(out)) as curves:
        if kind == "candidates":
            return train_candidates(pictures, base=resolve_model(None), curves=curves, **running)
        return train_network(
            pictures,
            method=_self_supervised(method),
            network=network,
            recipe=recipe,
            settings=settings,
            teacher=_load(teacher),
            from_model=_load(from_model),
            curves=curves,
            **running,
        )


@check_types_late(_annotated_types)
def plan_training(
    dataset: Dataset | Path_,
    *,
    method: Learner | SelfSupervised | str | None = None,
    features: Features | None = None,
    on: Model | Path_ | None = None,
    network: Network | None = None,
    recipe: Recipe | None = None,
    settings: TrainingSettings | None = None,
    teacher: Model | Path_ | None = None,
    from_model: Model | Path_ | None = None,
    minutes: float | None = None,
    seed: int = 0,
) -> TrainingPlan:
    """What `train` would do with the same arguments, and why, without training.

    All arguments are checked. `TrainingPlan.network` and `TrainingPlan.recipe` can be changed by `dataclasses.replace`
    and passed to `train`.

    Raises
    ------
    MissingExtra
        A network is trained, and torch is not installed.
    UsageError
        Arguments that do not go together.
    DatasetError, ModelError, BackboneError, PretrainedUnavailable
    """
    name = _method_name(method, recipe)
    kind = _trained_part(method, features, on)
    if kind != "network":
        network_only = {"network": network, "recipe": recipe, "teacher": teacher, "minutes": minutes}
        network_only["from_model"] = from_model
        _check_no_network_arguments(kind, name, settings, network_only)
    pictures = _pictures(dataset, method, recipe)
    remark = burst_remark(pictures)
    bursts: tuple[str, ...] = () if remark is None else (f"{remark} in the validation.",)
    classes = len([*filter(None, pictures.classes)])
    plan = TrainingPlan(pictures.name, len(pictures), classes, name, reasons=bursts)
    if kind == "linear":
        base = _linear_base(on, features)
        name = base.card.name if hasattr(base, "card") else type(base).__name__
        return replace(plan, features=f"the vectors of {name}" if hasattr(base, "card") else f"{name} features")
    if kind == "readout":
        return replace(plan, features=f"the layers of {_load(on).card.name}")
    from semelha.deep import TrainingSettings
    from semelha.deep.plan import plan_feature_extractor, plan_network

    settings = settings or TrainingSettings()
    if kind == "none":
        planned, reasons = plan_feature_extractor(pictures, network=network, settings=settings, seed=seed)
        return replace(plan, network=planned, reasons=reasons)
    found = plan_network(
        pictures,
        method=_self_supervised(method),
        network=network,
        recipe=recipe,
        settings=settings,
        teacher=_load(teacher),
        from_model=_load(from_model),
        minutes=minutes,
        seed=seed,
    )
    plan = replace(plan, network=found.network, recipe=found.recipe, reasons=(*found.reasons, *bursts))
    if _named((network, recipe, teacher, from_model), method, settings):
        return plan
    from semelha.deep.candidates import describe_candidates

    return replace(plan, method="the best candidate", candidates=describe_candidates(resolve_model(None)))


def method_with(name: str, settings: Mapping[str, float], *, seed: int) -> Learner | SelfSupervised:
    """The method with this name and these arguments. Raises `UsageError` for an unknown name or argument."""
    from semelha.linear import METHODS, learner_named

    if name in METHODS:
        return learner_named(name, seed=seed, settings=settings)
    if name not in WITHOUT_LABELS:
        raise UsageError(f"method {name} has no settings: those with some are {', '.join((*METHODS, *WITHOUT_LABELS))}")
    from semelha.deep.ssl import METHODS as SELF_SUPERVISED

    method = SELF_SUPERVISED[name]
    return replace(method, **check_numbers(name, type(method), settings))


def needs_labels(method: Learner | SelfSupervised | str | None, recipe: Recipe | None = None) -> bool:
    """Whether a training by this method needs labels."""
    if isinstance(method, str):
        return method not in (*WITHOUT_LABELS, NONE, READOUT)
    if method is None:
        return getattr(recipe, "method", None) is None
    from semelha.linear.base import Learner

    return isinstance(method, Learner)


def _trained_part(method: object, features: object, on: object) -> Kind:
    """What the method trains. Raises `UsageError` for an unknown name, or `features` or `on` that do not go with it."""
    kind: Kind = "network"
    if isinstance(method, str):
        from semelha.linear import METHODS

        if method not in (names := (*METHODS, *WITHOUT_LABELS, NONE, READOUT)):
            raise UsageError(f"no method is called {method!r}: there are {', '.join(names)}")
        kinds: dict[str, Kind] = {NONE: "none", READOUT: "readout", **dict.fromkeys(METHODS, "linear")}
        kind = kinds.get(method, kind)
    elif method is not None:
        from semelha.linear.base import Learner

        kind = "linear" if isinstance(method, Learner) else kind
    if kind == "readout" and (on is None or features is not None):
        raise UsageError("method readout needs a model: give it as on (--on MODEL), and no features")
    if kind in ("network", "none") and (features is not None or on is not None):
        raise UsageError("features and on are for a method that learns a distance: name one, such as gmml")
    if features is not None and on is not None:
        raise UsageError("a linear method learns on features or on a model: give one of the two")
    return kind


def _named(parts: tuple[object, ...], method: object, settings: TrainingSettings | None) -> bool:
    """Whether arguments say which network to train."""
    return method is not None or any(part is not None for part in parts) or bool(settings and settings.explicit())


def _check_no_network_arguments(
    kind: Kind, name: str, settings: TrainingSettings | None, network_only: Mapping[str, object]
) -> None:
    """Raise `UsageError` for arguments or settings of a network's training: this method trains no network."""
    names = [each for each, value in network_only.items() if value is not None and (each, kind) != ("network", NONE)]
    if settings is not None and kind != NONE:
        names += settings.explicit()
    if names:
        raise UsageError(f"method {name} trains no network: leave out {', '.join(names)}")
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise UsageError(f"method {name} runs in one process: leave out torchrun")


def _method_name(method: object, recipe: Recipe | None) -> str:
    """Such as "gmml" or "simclr"; "supervised" without a method."""
    if method is None and recipe is not None:
        method = recipe.method
    if method is None or isinstance(method, str):
        return method or "supervised"
    return getattr(method, "name", type(method).__name__)


def _self_supervised(method: Any) -> SelfSupervised | None:
    from semelha.deep.ssl import METHODS

    return METHODS[method] if isinstance(method, str) else method


def _pictures(dataset: Dataset | Path_, method: Any, recipe: Recipe | None) -> Dataset:
    """The pictures to train on, read with labels only if they are needed: the splits train and val, if there are.

    With labels they are grouped by bursts, so that near-duplicates do not match in a validation.
    """
    labelled = needs_labels(method, recipe)
    whole = dataset if isinstance(dataset, Dataset) else read_dataset(dataset, labelled=labelled)
    return with_groups(for_use(whole, "training")) if labelled else for_use(whole, "training without labels")


def _linear_base(on: Model | Path_ | None, features: Features | None) -> Features | Model:
    """The model or the features on which a linear method learns."""
    from semelha.features import HOG

    return _load(on) or features or HOG()


def _load(model: Any) -> Any:
    """The model, loaded if it is a folder or a published name; None stays None."""
    return None if model is None else resolve_model(model)
