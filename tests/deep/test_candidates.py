"""The default training: several candidates, measured on held-out classes, of which the best is published."""

import json
from pathlib import Path

import numpy as np
import pytest
from tests.tiny_model import tiny_model

import semelha
from semelha.cli.app import main
from semelha.deep import Network, build, candidates, throughput
from semelha.deep.candidates import describe_candidates, train_candidates
from semelha.deep.publish import write_network
from semelha.errors import BackboneError, UsageError
from semelha.images import Dataset, Picture
from semelha.metrics import Cosine

LIMITS = {"minutes": 60.0, "steps": 6}
"""However slow the machine is, all candidates are trained, and a little."""


@pytest.fixture(autouse=True)
def on_any_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Networks are trained however slow the machine is."""
    monkeypatch.setattr(throughput, "PASSES", 0.0)


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> semelha.Model:
    """A ready model with stages: a tiny network of timm, whose weights are random."""
    network = Network(backbone="test_resnet", channels=3, size=32, dim=None)
    return write_network(
        build(network, seed=0),
        network,
        tmp_path_factory.mktemp("models") / "ready",
        metric=Cosine(),
        training={"method": "none"},
        classes=(),
        content_hashes=(),
        results={},
    )


def hues(classes: int = 24, each: int = 6, pattern: float = 60) -> Dataset:
    """Classes that differ by their hue, under patterns that differ from picture to picture."""
    random = np.random.default_rng(0)
    colors = random.normal(size=(classes, 3)) * 25

    def drawn(label: int) -> np.ndarray:
        squares = random.normal(size=(4, 4)).repeat(8, 0).repeat(8, 1)[:, :, None] * pattern
        return (128 + squares + colors[label]).clip(0, 255).astype(np.uint8)

    made = (Picture(drawn(c), f"c{c:02}", f"{c}-{n}") for c in range(classes) for n in range(each))
    return Dataset("hues", tuple(made))


def stop(progress: object) -> None:
    """A callback that ends a training after its first step."""
    raise KeyboardInterrupt


def test_the_best_is_published_with_what_was_measured(base: semelha.Model, tmp_path: Path) -> None:
    model = train_candidates(hues(), base=base, out=tmp_path / "m", **LIMITS)
    table = model.card.results["candidates"]
    names = [one["name"] for one in table]
    assert names[:4] == list(describe_candidates(base)[:4])
    chosen = table[names.index(model.card.training["chosen"])]
    assert chosen["name"] != names[0]
    assert chosen["lead"]["low"] > 0
    assert model.card.results["r_at_1_on_held_out_classes"] == chosen["r_at_1"]["value"]
    assert model.card.results["interval"] == [chosen["r_at_1"]["low"], chosen["r_at_1"]["high"]]
    assert model.card.classes == list(hues().classes)
    assert len(model.card.content_hashes) == 144
    assert not (tmp_path / "m.training").exists()
    vectors = semelha.load_embedder(tmp_path / "m").embed(hues().pictures)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-3)


def test_a_ready_model_that_is_right_already_stays_as_it_is(base: semelha.Model, tmp_path: Path) -> None:
    """Nothing is trained, and the card claims no class as learned."""
    model = train_candidates(hues(8, pattern=8), base=base, out=tmp_path / "m", **LIMITS)
    assert model.fingerprint == base.fingerprint
    assert (model.card.classes, model.card.content_hashes) == ([], [])
    assert model.card.training["chosen"] == "ready as it is"
    assert [one["name"] for one in model.card.results["candidates"]] == list(describe_candidates(base)[:3])


def test_last_layers_are_left_alone_where_the_minutes_do_not_suffice(
    base: semelha.Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(throughput, "PASSES", 1e6)
    with pytest.raises(KeyboardInterrupt):  # in the training of the small network, which comes next
        train_candidates(hues(), base=base, out=tmp_path / "m", **LIMITS, callback=stop)
    assert not (tmp_path / "m.training" / "further").exists()
    assert "the last layers of ready are not trained further: this machine learns from" in caplog.text


def test_last_layers_that_timm_does_not_know_are_left_alone(
    base: semelha.Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def unknown(*arguments: object, **named: object) -> None:
        raise BackboneError("timm does not know the layers")

    monkeypatch.setattr(candidates, "least_frozen", unknown)
    with pytest.raises(KeyboardInterrupt):
        train_candidates(hues(), base=base, out=tmp_path / "m", **LIMITS, callback=stop)
    assert not (tmp_path / "m.training" / "further").exists()
    assert "of ready are not trained further: timm does not know the layers" in caplog.text


def test_of_noise_no_more_than_chance_is_announced(base: semelha.Model, tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    noise = (Picture(random.integers(0, 256, (32, 32, 3), np.uint8), f"c{n % 12}", str(n)) for n in range(60))
    model = train_candidates(Dataset("noise", tuple(noise)), base=base, out=tmp_path / "m", **LIMITS)
    low, high = model.card.results["interval"]
    assert low < 1 / 12 < high


def test_too_few_classes_to_measure_leave_the_ready_model(base: semelha.Model, tmp_path: Path) -> None:
    model = train_candidates(hues(3), base=base, out=tmp_path / "m", **LIMITS)
    assert model.fingerprint == base.fingerprint
    assert model.card.results == {}


def test_a_ready_model_without_stages_is_joined_all_the_same(tmp_path: Path) -> None:
    base = tiny_model(tmp_path / "tiny", channels=3)
    assert describe_candidates(base) == (
        "tiny as it is",
        "a small network from nothing",
        "the best of the others, joined with it",
    )
    model = train_candidates(hues(), base=base, out=tmp_path / "m", **LIMITS)
    assert [one["name"] for one in model.card.results["candidates"]][-1] == (
        "tiny as it is, joined with the small network"
    )


def test_an_interrupted_training_goes_on(base: semelha.Model, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        train_candidates(hues(), base=base, out=tmp_path / "m", **LIMITS, callback=stop)
    assert (tmp_path / "m.training" / "features.f16").stat().st_size
    train_candidates(hues(), base=base, out=tmp_path / "m", **LIMITS, resume=True)
    assert (tmp_path / "m" / "model.json").exists()
    assert not (tmp_path / "m.training").exists()


def test_several_processes_are_told_to_name_a_network(
    base: semelha.Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(UsageError, match="say which"):
        train_candidates(hues(), base=base, out=tmp_path / "m")


def test_by_the_command_line(
    base: semelha.Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from PIL import Image

    for one in hues():
        folder = tmp_path / "photos" / one.label
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.asarray(one.source)).save(folder / f"{one.name}.png")
    monkeypatch.setenv("SEMELHA_MODEL", str(base.folder))
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> str:
        with pytest.raises(SystemExit) as stopped:
            main(list(words))
        found = capsys.readouterr()
        assert stopped.value.code == 0, found.err
        return found.out

    planned = run("train", "photos", "--plan")
    assert "candidate ready, its stages by classes" in planned
    assert "at most 18 minutes for all candidates" in planned
    out = run("train", "photos", "--out", "m", "--minutes", "0.05")
    assert "lead over the first" in out
    assert "among 24 other classes" in out
    told = json.loads(run("train", "photos", "--out", "n", "--minutes", "0.05", "--json"))
    assert told["chosen"] in [one["name"] for one in told["candidates"]]
