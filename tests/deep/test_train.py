"""Training end to end on small drawn shapes: it learns, publishes, resumes after kill -9, and refuses bad input."""

import json
import multiprocessing
import random
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw
from torch import nn

import semelha
import semelha.deep
from semelha.deep import LoopSettings, Network, Recipe, build, train_network, untrained_embedder
from semelha.deep.loop import embed
from semelha.deep.losses import Contrastive, CrossBatchMemory, MarginLoss, SupCon, Triplet
from semelha.deep.metric_layer import MetricLayer
from semelha.deep.sampler import ClassBalanced, Hierarchical
from semelha.errors import DatasetError, TrainingError, UsageError
from semelha.metrics import KullbackLeibler, Mahalanobis

SMALL = Network(channels=1, size=24, dim=16)
SHORT = Recipe(steps=24, minutes=float("inf"), batch=32, warmup=0.2)


def shapes(folder: Path, classes: int = 12, pictures: int = 4) -> Path:
    """Polygons of 3 to 14 corners, each drawn a few times at other angles."""
    random_angles = np.random.default_rng(0)
    for corners in range(3, 3 + classes):
        (folder / f"{corners} corners").mkdir(parents=True)
        for number in range(pictures):
            picture = Image.new("L", (32, 32), 255)
            ImageDraw.Draw(picture).regular_polygon(
                (16, 16, 12), corners, rotation=float(random_angles.uniform(0, 30)), fill=0
            )
            picture.save(folder / f"{corners} corners" / f"{number}.png")
    return folder


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shapes(tmp_path_factory.mktemp("data") / "shapes")


@pytest.fixture(scope="module")
def trained(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("models") / "model"
    train_network(semelha.read_folder(data), out=out, network=SMALL, recipe=SHORT)
    return out


def test_the_model_is_whole_and_embeds(trained: Path, data: Path) -> None:
    model = semelha.load_embedder(trained)
    vectors = model.embed(sorted(data.rglob("*.png"))[:5])
    assert vectors.shape == (5, 16)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert model.card.training["pictures"] == 48
    assert len(model.card.classes) == 12
    assert len(model.card.content_hashes) > 12


def test_the_graph_gives_what_the_network_gives(trained: Path) -> None:
    """The weights, loaded into the torch network, and the ONNX graph agree to 1e-4."""
    from safetensors.torch import load_file

    model = semelha.load_embedder(trained)
    network = build(Network(**model.card.network), seed=1)
    network.load_state_dict(load_file(trained / "weights.safetensors"))
    pixels = np.random.default_rng(0).integers(0, 256, (7, 1, 24, 24), np.uint8)
    np.testing.assert_allclose(embed(network, pixels, torch.device("cpu")), model.extractor.vectors(pixels), atol=1e-4)


def test_the_log_is_json_lines_and_nothing_else_stays(trained: Path) -> None:
    folder = trained.with_name("model.training")
    assert [file.name for file in folder.iterdir()] == ["log.jsonl"]
    moments = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    assert moments[-1]["step"] == 24
    assert moments[-1]["done"] == 1


def test_same_seed_same_model(trained: Path, data: Path, tmp_path: Path) -> None:
    again = train_network(semelha.read_folder(data), out=tmp_path / "again", network=SMALL, recipe=SHORT)
    pictures = sorted(data.rglob("*.png"))[:5]
    np.testing.assert_allclose(again.embed(pictures), semelha.load_embedder(trained).embed(pictures), atol=1e-3)


def test_it_learns(data: Path, tmp_path: Path) -> None:
    """Training pictures lie nearer to their own class than before training."""
    dataset = semelha.read_folder(data)
    model = train_network(dataset, out=tmp_path / "m", network=SMALL, recipe=replace(SHORT, steps=60))
    losses = [json.loads(line)["loss"] for line in (tmp_path / "m.training" / "log.jsonl").read_text().splitlines()]
    assert np.mean(losses[-3:]) < 0.8 * losses[0]
    assert model.card.results["r_at_1_on_held_out_classes"] >= 0.5


PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["semelha.deep.train"])  # torch is imported once, not in each process


def train_with_log(data: Path, out: Path, steps: Path) -> None:
    """A training that saves after every step, and writes the number of each to the file `steps`."""

    def log(progress: semelha.deep.TrainingProgress) -> None:
        with steps.open("a") as file:
            file.write(f"{progress.step}\n")
        time.sleep(0.1)

    often = LoopSettings(checkpoint_seconds=0.0)
    train_network(
        semelha.read_folder(data), out=out, network=SMALL, recipe=SHORT, resume=True, loop=often, callback=log
    )


def start(data: Path, out: Path, steps: Path) -> multiprocessing.process.BaseProcess:
    steps.touch()
    process = PROCESSES.Process(target=train_with_log, args=(data, out, steps))
    process.start()
    return process


@pytest.mark.parametrize("kills", [3, pytest.param(10, marks=pytest.mark.slow)])
def test_killed_at_random_moments_it_goes_on_to_the_same_model(
    kills: int, data: Path, trained: Path, tmp_path: Path
) -> None:
    chance = random.Random(kills)
    out, most = tmp_path / "model", 0
    for number in range(kills):
        process = start(data, out, tmp_path / f"steps {number}")
        time.sleep(chance.uniform(0, 3))
        process.kill()
        process.join()
        steps = [int(line) for line in (tmp_path / f"steps {number}").read_text().split()]
        if steps:
            assert steps[0] >= most, "a step that was saved was lost"
            most = steps[-1]
        if out.exists():
            break
    if not out.exists():
        process = start(data, out, tmp_path / "steps")
        process.join(300)
        assert process.exitcode == 0
    pictures = sorted(data.rglob("*.png"))[:5]
    np.testing.assert_allclose(
        semelha.load_embedder(out).embed(pictures), semelha.load_embedder(trained).embed(pictures), atol=1e-3
    )


def test_a_loss_of_pairs_on_batches_without_pairs_is_refused(tmp_path: Path) -> None:
    """It would learn nothing, and say nothing."""
    recipe = replace(SHORT, batch=6, sampler=ClassBalanced, lookalikes=0.0, loss=lambda pictures, dim: SupCon())
    dataset = semelha.read_folder(shapes(tmp_path / "shapes", classes=8))
    with pytest.raises(UsageError, match="SupCon compares pictures of one class, and a batch of 6 by ClassBalanced"):
        train_network(dataset, out=tmp_path / "m", network=SMALL, recipe=recipe)
    assert not (tmp_path / "m.training").exists()
    train_network(dataset, out=tmp_path / "m", network=SMALL, recipe=replace(recipe, lookalikes=0.5))  # of two each


def test_an_interrupted_training_is_not_overwritten(data: Path, tmp_path: Path) -> None:
    (tmp_path / "m.training").mkdir()
    (tmp_path / "m.training" / "checkpoint.pt").write_bytes(b"precious")
    with pytest.raises(TrainingError, match="--resume"):
        train_network(semelha.read_folder(data), out=tmp_path / "m", network=SMALL, recipe=SHORT)


def test_an_existing_model_is_not_overwritten(data: Path, trained: Path) -> None:
    with pytest.raises(TrainingError, match="exists already"):
        train_network(semelha.read_folder(data), out=trained, network=SMALL, recipe=SHORT)


def test_one_class_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="at least two"):
        train_network(semelha.read_folder(shapes(tmp_path / "one", classes=1)), out=tmp_path / "m")


def test_classes_of_one_picture_each_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="one picture"):
        train_network(semelha.read_folder(shapes(tmp_path / "ones", pictures=1)), out=tmp_path / "m")


def test_a_class_with_one_picture_is_trained_on(tmp_path: Path) -> None:
    folder = shapes(tmp_path / "some", classes=4)
    for extra in sorted((folder / "3 corners").iterdir())[1:]:
        extra.unlink()
    model = train_network(
        semelha.read_folder(folder),
        out=tmp_path / "m",
        network=SMALL,
        recipe=replace(SHORT, steps=4, batch=8),
    )
    assert "3 corners" in model.card.classes


def test_a_picture_that_turns_out_bad_is_listed(tmp_path: Path) -> None:
    folder = shapes(tmp_path / "some", classes=4)
    whole = (folder / "3 corners" / "0.png").read_bytes()
    (folder / "3 corners" / "0.png").write_bytes(whole[: len(whole) // 2])
    model = train_network(
        semelha.read_folder(folder),
        out=tmp_path / "m",
        network=SMALL,
        recipe=replace(SHORT, steps=4, batch=8),
    )
    assert model.card.training["skipped"] == 1


def test_a_place_that_cannot_be_written_is_said(data: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(TrainingError, match="cannot be written"):
        train_network(semelha.read_folder(data), out=tmp_path / "file" / "m", network=SMALL, recipe=SHORT)


def draws_at_random(pictures: np.ndarray, dim: int) -> nn.Module:
    return CrossBatchMemory(MarginLoss(), dim, size=64)


def test_draws_memory_chunks_and_families_come_from_the_seed(data: Path, tmp_path: Path) -> None:
    """A loss that draws its negatives against a memory, in chunks, is the same training twice, and after a pause."""
    recipe = replace(SHORT, loss=draws_at_random, chunk=12, sampler=partial(Hierarchical, separator=" "), lookalikes=0)
    settings = {"network": SMALL, "recipe": recipe}
    dataset = semelha.read_folder(data)
    whole = train_network(dataset, out=tmp_path / "whole", **settings)

    def pause(progress: semelha.deep.TrainingProgress) -> None:
        if progress.step == 11:
            raise KeyboardInterrupt

    often = LoopSettings(checkpoint_seconds=0.0)
    with pytest.raises(KeyboardInterrupt):
        train_network(dataset, out=tmp_path / "again", callback=pause, loop=often, **settings)
    again = train_network(dataset, out=tmp_path / "again", resume=True, **settings)
    pictures = sorted(data.rglob("*.png"))[:5]
    np.testing.assert_allclose(again.embed(pictures), whole.embed(pictures), atol=1e-3)
    assert again.card.training["sampler"] == "Hierarchical(separator=' ')"
    assert again.card.training["loss"] == "draws_at_random"
    assert again.card.training["chunk"] == 12


def test_training_leaves_the_generator_of_torch_alone(data: Path, tmp_path: Path) -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    train_network(semelha.read_folder(data), out=tmp_path / "m", network=SMALL, recipe=replace(SHORT, steps=2))
    assert torch.equal(torch.get_rng_state(), before)


def on_the_simplex(pictures: np.ndarray, dim: int) -> nn.Module:
    return Triplet(metric=KullbackLeibler())


def test_a_metric_of_histograms_on_a_simplex(data: Path, tmp_path: Path) -> None:
    """The model gives histograms, its card has the metric, and it is used with it; so is the untrained network."""
    network = replace(SMALL, head="simplex")
    dataset = semelha.read_folder(data)
    model = train_network(dataset, out=tmp_path / "m", network=network, recipe=replace(SHORT, loss=on_the_simplex))
    vectors = model.embed(sorted(data.rglob("*.png"))[:5])
    np.testing.assert_allclose(vectors.sum(axis=1), 1, atol=1e-5)
    assert (vectors > 0).all()
    assert model.metric.name == "kullback-leibler"
    blank = untrained_embedder(model.card)
    assert blank is not None
    assert blank.metric.name == "kullback-leibler"
    np.testing.assert_allclose(blank.embed(sorted(data.rglob("*.png"))[:5]).sum(axis=1), 1, atol=1e-5)
    with pytest.raises(UsageError, match="kullback-leibler compares histograms: give the network the head 'simplex'"):
        train_network(dataset, out=tmp_path / "n", network=SMALL, recipe=replace(SHORT, loss=on_the_simplex))
    assert not (tmp_path / "n.training").exists()


def learned_distance(pictures: np.ndarray, dim: int) -> nn.Module:
    return Contrastive(metric=MetricLayer(Mahalanobis(M=np.eye(dim))))


def test_a_mahalanobis_distance_is_learned_with_the_network(data: Path, tmp_path: Path) -> None:
    """And is the metric of the model, the one that was validated with."""
    recipe = replace(SHORT, loss=learned_distance)
    model = train_network(semelha.read_folder(data), out=tmp_path / "m", network=SMALL, recipe=recipe)
    assert model.metric.name == "mahalanobis"
    L = model.metric.arrays()["L"]
    assert L.shape == (16, 16)
    assert np.abs(L - np.eye(16)).max() > 1e-3
    vectors = model.embed(sorted(data.rglob("*.png"))[:5])
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    expected = np.linalg.norm((vectors[:, None] - vectors[None]) @ L.T, axis=2)
    np.testing.assert_allclose(model.metric.pairwise(vectors, vectors), expected, atol=1e-3)


def test_ten_thousand_classes(tmp_path: Path) -> None:
    """A step with 10,000 classes fits in the memory and time of any other."""
    random_pixels = np.random.default_rng(0).integers(0, 256, (20_000, 8, 8), np.uint8)
    pictures = tuple(
        semelha.Picture(source=pixels, label=f"{i // 2}", name=f"{i}") for i, pixels in enumerate(random_pixels)
    )
    dataset = semelha.Dataset(name="many", pictures=pictures)
    model = train_network(
        dataset,
        out=tmp_path / "m",
        network=Network(channels=1, size=16, dim=8),
        recipe=replace(SHORT, steps=3, quarter_turns=True),
    )
    assert len(model.card.classes) == 10_000
