"""Training curves reach TensorBoard, MLflow and any logger of Fabric, and a logger that fails stops no training."""

import logging
from pathlib import Path
from typing import Any

import pytest
from lightning.fabric.loggers import Logger
from tests.deep.test_train import shapes

import semelha
from semelha.deep import Network, Recipe, TrainingProgress, curves
from semelha.deep.curves import Curves, LogTarget, training_curves
from semelha.errors import MissingExtra, TrainingError, UsageError

SMALL = Network(channels=1, size=24, dim=16)
SHORT = Recipe(steps=24, minutes=float("inf"), batch=32, warmup=0.2)
STEPS = [10, 20, 24]


class Kept(Logger):
    """Keeps what it gets, and fails at one step."""

    def __init__(self, fails_at: int | None = None) -> None:
        self.points: list[tuple[int, dict[str, float]]] = []
        self.settings: dict[str, Any] = {}
        self.status, self.fails_at = "", fails_at

    name, version = "kept", 0

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        if step == self.fails_at:
            raise ConnectionError("the server is gone")
        self.points.append((step or 0, metrics))

    def log_hyperparams(self, params: Any) -> None:
        self.settings |= params

    def finalize(self, status: str) -> None:
        self.status = status


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shapes(tmp_path_factory.mktemp("data") / "shapes")


def trained(data: Path, out: Path, log: Logger | str) -> None:
    semelha.train(data, out=out, network=SMALL, recipe=SHORT, log=log)


def progress(step: int, done: float = 0.5, validation: float | None = None) -> TrainingProgress:
    return TrainingProgress(step, done, 1.0, 0.25, 0.003, 100.0, validation, None)


def test_a_logger_gets_the_curves_and_the_recipe(data: Path, tmp_path: Path) -> None:
    kept = Kept()
    trained(data, tmp_path / "model", kept)
    assert [step for step, _ in kept.points] == STEPS
    assert set(kept.points[-1][1]) == {"loss", "learning_rate", "images_per_second", "validation_r_at_1"}
    assert kept.settings["batch"] == 32
    assert kept.settings["size"] == 24
    assert kept.status == "success"


def test_curves_of_tensorboard(data: Path, tmp_path: Path) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    trained(data, tmp_path / "model", "tensorboard")
    events = accumulator.EventAccumulator(str(tmp_path / "runs" / "model")).Reload()
    assert [event.step for event in events.Scalars("loss")] == STEPS
    trained(data, tmp_path / "other", f"tensorboard:{tmp_path / 'elsewhere'}")
    assert list((tmp_path / "elsewhere" / "other").iterdir())


def test_curves_of_mlflow(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")  # a database takes more packages
    uri = f"file:{tmp_path / 'mlruns'}"
    trained(data, tmp_path / "model", f"mlflow:{uri}")
    client = mlflow.MlflowClient(tracking_uri=uri)
    (run,) = client.search_runs([client.get_experiment_by_name("semelha").experiment_id])
    assert run.info.run_name == "model"
    assert run.info.status == "FINISHED"
    assert run.data.params["batch"] == "32"
    assert [point.step for point in client.get_metric_history(run.info.run_id, "loss")] == STEPS


def test_mlflow_without_a_uri_takes_that_of_the_environment_or_a_database_beside_the_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loggers = pytest.importorskip("lightning.pytorch.loggers")
    pytest.importorskip("mlflow")
    taken = []
    monkeypatch.setattr(loggers, "MLFlowLogger", lambda name, **arguments: taken.append(arguments["tracking_uri"]))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    Curves(LogTarget("mlflow", tmp_path / "model")).open()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://server")
    Curves(LogTarget("mlflow", tmp_path / "model")).open()
    Curves(LogTarget("mlflow:http://other:5000", tmp_path / "model")).open()
    assert taken == [f"sqlite:///{tmp_path / 'mlflow.db'}", "http://server", "http://other:5000"]


def test_curves_of_weights_and_biases(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    trained(data, tmp_path / "model", "wandb:shapes")
    assert list((tmp_path / "wandb").glob("offline-run-*"))


def test_each_of_several_networks_has_its_own_curves(tmp_path: Path) -> None:
    kept = Kept()
    with training_curves(kept, tmp_path / "model") as written:
        assert written is not None
        written.open()
        written.named("small").add(progress(10))
        written.named("further").add(progress(10, validation=0.5))
    assert [set(points) & {"small/loss", "further/loss", "further/validation_r_at_1"} for _, points in kept.points] == [
        {"small/loss"},
        {"further/loss", "further/validation_r_at_1"},
    ]


def test_a_logger_that_fails_is_left_and_the_training_goes_on(
    data: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    kept = Kept(fails_at=20)
    with caplog.at_level(logging.WARNING):
        trained(data, tmp_path / "model", kept)
    assert [step for step, _ in kept.points] == [10]
    assert caplog.text.count("the log gets no more curves, and the training goes on: the server is gone") == 1
    assert semelha.load_embedder(tmp_path / "model").dim == 16


def test_an_interrupted_training_ends_its_run(tmp_path: Path) -> None:
    kept = Kept()

    def interrupted() -> None:
        with training_curves(kept, tmp_path / "model") as written:
            assert written is not None
            written.open()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert kept.status == "failed"


def test_a_log_that_cannot_be_opened_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(TrainingError, match=r"the log tensorboard:.*file cannot be opened"):
        Curves(LogTarget(f"tensorboard:{tmp_path / 'file'}", tmp_path / "model")).open()


def test_unknown_words_and_missing_packages_are_refused(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UsageError, match=r"log is 'csv': it must be one of tensorboard\[:FOLDER\], mlflow"):
        trained(data, tmp_path / "model", "csv")
    with pytest.raises(UsageError, match="method gmml trains no network: leave out log"):
        semelha.train(data, out=tmp_path / "model", method="gmml", log="tensorboard")
    monkeypatch.setattr(curves, "find_spec", lambda name: None)
    for word in ("tensorboard", "mlflow", "wandb"):
        with pytest.raises(MissingExtra, match=f"log {word} needs a package .*: pip install {word}$"):
            trained(data, tmp_path / "model", f"{word}:somewhere")
    assert not (tmp_path / "model.training").exists()
