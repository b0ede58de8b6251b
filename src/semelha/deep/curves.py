"""Training curves for TensorBoard, MLflow and Weights & Biases, by the loggers of Lightning Fabric."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lightning.fabric.loggers.logger import Logger

from semelha.errors import MissingExtra, TrainingError, UsageError

if TYPE_CHECKING:
    from semelha.deep.loop import TrainingProgress

logger = logging.getLogger(__name__)

Log = Logger | str
"""A logger of Lightning Fabric, or one of `KINDS`, with a colon and its place."""
KINDS = {"tensorboard": "FOLDER", "mlflow": "URI", "wandb": "PROJECT"}
"""Where curves are written to, and what may follow after a colon."""
EVERY = 10  # steps between two points of a curve
RUNS = "runs"  # folder for TensorBoard, beside the model


@dataclass
class LogTarget:
    """A logger, or the words for one: opened when a training begins, and left when it fails, for the training goes on.

    Parameters
    ----------
    log : Log
    out : Path
        The model folder, after which the run is named.
    """

    log: Log
    out: Path
    opened: Logger | None = None
    has_failed: bool = False


@dataclass(frozen=True)
class Curves:
    """Writes the progress of a training to a logger. Only the process of rank 0 may call its methods.

    Parameters
    ----------
    target : LogTarget
        Shared by all networks of a training.
    prefix : str
        Before the names of the curves, where several networks are trained.
    """

    target: LogTarget
    prefix: str = ""

    def named(self, name: str) -> Curves:
        """The curves of one network among several, as "name/loss"."""
        return replace(self, prefix=f"{self.prefix}{name}/")

    def open(self) -> None:
        """Open the logger. Raises `TrainingError` if that fails, such as for a server that does not answer."""
        if self.target.opened is not None:
            return
        try:
            made = self.target.log if isinstance(self.target.log, Logger) else _made(self.target.log, self.target.out)
            _ = getattr(made, "experiment", None)  # connects now, not in the middle of the training
        except Exception as error:  # of any of the packages
            shown = str(error).strip().partition("\n")[0] or type(error).__name__
            raise TrainingError(f"the log {self.target.log} cannot be opened: {shown}") from error
        self.target.opened = made

    def describe(self, settings: Mapping[str, Any]) -> None:
        """Write the settings of a training, where the logger keeps any."""
        self._write(lambda opened: opened.log_hyperparams({self.prefix + name: one for name, one in settings.items()}))

    def add(self, progress: TrainingProgress) -> None:
        """Write one point of each curve, every ten steps and at the end."""
        if progress.step % EVERY and progress.done < 1:
            return
        points = {
            "loss": progress.loss,
            "learning_rate": progress.learning_rate,
            "images_per_second": progress.images_per_second,
        }
        if progress.validation is not None:
            points["validation_r_at_1"] = progress.validation
        named = {self.prefix + name: float(value) for name, value in points.items()}
        self._write(lambda opened: opened.log_metrics(named, progress.step))

    def close(self, status: str) -> None:
        """End the run: "success" or "failed"."""
        self._write(lambda opened: opened.finalize(status))

    def _write(self, work: Any) -> None:
        if self.target.opened is None or self.target.has_failed:
            return
        try:
            work(self.target.opened)
        except Exception as error:  # of any of the packages
            self.target.has_failed = True
            logger.warning("the log gets no more curves, and the training goes on: %s", error)


@contextmanager
def training_curves(log: Log | None, out: Path) -> Iterator[Curves | None]:
    """The curves of a training of the model `out`, which are closed at the end; None without a log."""
    if log is None:
        yield None
        return
    curves = Curves(LogTarget(log, out))
    try:
        yield curves
    except BaseException:
        curves.close("failed")
        raise
    curves.close("success")


def check_log(log: str) -> None:
    """Raise `UsageError` for an unknown word, and `MissingExtra` if its package is not installed."""
    kind, _, place = log.partition(":")
    if kind not in KINDS or "\0" in place:
        forms = ", ".join(f"{name}[:{what}]" for name, what in KINDS.items())
        raise UsageError(f"log is {log!r:.60}: it must be one of {forms}, or a Logger of Lightning Fabric")
    packages = ("tensorboard", "tensorboardX") if kind == "tensorboard" else (kind,)
    if not any(find_spec(package) for package in packages):
        raise MissingExtra(f"log {kind} needs a package that is not installed: pip install {kind}")


def _made(log: str, out: Path) -> Logger:
    """The logger of a word such as "tensorboard:runs"."""
    kind, _, place = log.partition(":")
    if kind == "tensorboard":
        from lightning.fabric.loggers.tensorboard import TensorBoardLogger

        made: Logger = TensorBoardLogger(place or out.parent / RUNS, name=out.name, version="", default_hp_metric=False)
        return made
    from lightning.pytorch.loggers import MLFlowLogger, WandbLogger  # here, because importing them takes seconds

    if kind == "mlflow":
        uri = place or os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{out.parent.absolute() / 'mlflow.db'}"
        return MLFlowLogger("semelha", run_name=out.name, tracking_uri=uri)
    return WandbLogger(name=out.name, save_dir=str(out.parent), project=place or "semelha")
