"""A training without labels, end to end: from pictures in no order to a model that works where there is no torch."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tests.test_architecture import run_without_torch
from tests.tiny_model import noise

import semelha
from semelha.deep import Augmentation, LoopSettings, Network, Recipe, TrainingProgress, publish, train, train_network
from semelha.deep.defaults import PictureStats, choose_recipe_without_labels, with_lars, with_sgd
from semelha.deep.plan import plan_network
from semelha.deep.ssl import METHODS, MoCo, MoCoV3, SimCLR
from semelha.errors import DatasetError, UsageError
from semelha.images import Dataset, Picture
from semelha.linear import GMML

SMALL = Network(channels=1, size=16, dim=8)
WARPED = Augmentation(rotate=10, elastic=0.02)
SHORT = Recipe(steps=6, minutes=float("inf"), batch=8, warmup=1 / 3, lookalikes=0, validation=0, quarter_turns=True)


def pictures(number: int = 20) -> Dataset:
    return Dataset("loose", tuple(Picture(source=noise(n), label="", name=f"{n}") for n in range(number)))


@pytest.fixture(scope="module")
def loose(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures in no folder of a class."""
    folder = tmp_path_factory.mktemp("data") / "photos"
    folder.mkdir()
    for number in range(20):
        Image.fromarray(noise(number)).save(folder / f"{number}.png")
    return folder


USE = """
import numpy, semelha
model = semelha.load_embedder(sys.argv[1])
vectors = model.embed([numpy.load(sys.argv[2])])
assert abs(float((vectors ** 2).sum()) - 1) < 1e-5
print(vectors.shape, model.metric.name)
"""


def test_a_folder_of_pictures_becomes_a_model_that_needs_no_torch(loose: Path, tmp_path: Path) -> None:
    """What is written is the encoder alone, with vectors of length 1: no projector, no key network, no queue."""
    model = semelha.train(loose, out=tmp_path / "m", method="moco-v2", network=SMALL, recipe=SHORT)
    np.save(tmp_path / "picture.npy", noise(3))
    assert run_without_torch(USE, model.folder, tmp_path / "picture.npy") == "(1, 8) cosine\n"
    card = model.card
    assert card.classes == []
    assert len(card.content_hashes) == card.training["pictures"] == 20
    assert card.results == {}
    assert card.training["method"] == "moco-v2"
    assert card.training["arguments"]["queue"] == 40  # half of 20 pictures with 4 turns each
    assert not {"loss", "sampler", "lookalikes", "validation", "per_class"} & set(card.training)
    from safetensors.numpy import load_file

    names = load_file(model.folder / "weights.safetensors")
    assert {name.split(".")[0] for name in names} == {"backbone", "head"}


@pytest.mark.parametrize(
    ("method", "recipe"),
    [(method, SHORT) for method in METHODS.values()]
    + [(SimCLR(), with_lars(SHORT)), (MoCo(), with_sgd(SHORT)), (SimCLR(), replace(SHORT, chunk=5))],
    ids=[*METHODS, "lars", "sgd", "chunks"],
)
def test_continued_it_is_what_it_would_have_been(
    method: object, recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Interrupted in the middle, with all of queue, key network and projector: the same weights to the last bit."""
    monkeypatch.setattr(publish, "export_onnx", lambda *_, **__: b"graph")
    monkeypatch.setattr(publish, "write_model", lambda out, card, onnx, weights: weights)
    settings = {"network": SMALL, "recipe": recipe, "method": method}
    whole = train_network(pictures(), out=tmp_path / "whole", **settings)  # type: ignore[arg-type]

    def pause(progress: TrainingProgress) -> None:
        if progress.step == 3:
            raise KeyboardInterrupt

    often = LoopSettings(checkpoint_seconds=0.0)
    with pytest.raises(KeyboardInterrupt):
        train_network(pictures(), out=tmp_path / "again", callback=pause, loop=often, **settings)  # type: ignore[arg-type]
    again = train_network(pictures(), out=tmp_path / "again", resume=True, **settings)  # type: ignore[arg-type]
    for name, array in whole.items():  # type: ignore[attr-defined]
        assert np.array_equal(array, again[name]), name  # type: ignore[index]


def test_labels_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A labelled data set gives the same weights as one without; the card alone knows of what it has seen pictures."""
    cards = []

    def kept(out: Path, card: object, onnx: bytes, weights: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        cards.append(card)
        return weights

    monkeypatch.setattr(publish, "export_onnx", lambda *_, **__: b"graph")
    monkeypatch.setattr(publish, "write_model", kept)
    plain = pictures()
    labelled = replace(plain, pictures=tuple(replace(p, label=f"thing {n // 4}") for n, p in enumerate(plain)))
    made = [
        train_network(data, out=tmp_path / str(number), network=SMALL, recipe=SHORT, method=SimCLR())
        for number, data in enumerate((plain, labelled))
    ]
    for name, array in made[0].items():  # type: ignore[attr-defined]
        assert np.array_equal(array, made[1][name])  # type: ignore[index]
    assert [len(card.classes) for card in cards] == [0, 5]


def test_what_is_chosen_where_nothing_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = {}

    def looked_at(network: object, training: object, validation: object, recipe: Recipe, **rest: object) -> None:
        seen.update(validation=validation, recipe=recipe, classes=training.classes)  # type: ignore[attr-defined]
        raise KeyboardInterrupt

    monkeypatch.setattr(train, "fit", looked_at)
    with pytest.raises(KeyboardInterrupt):
        train_network(pictures(), out=tmp_path / "m", method=MoCo())
    recipe = seen["recipe"]
    assert seen["validation"] is None
    assert (recipe.lookalikes, recipe.validation, recipe.batch, recipe.steps) == (0, 0, 5, 800)
    assert recipe.augmentation.crop == 0.3  # noise is no drawing
    assert recipe.method == MoCo(queue=10)
    assert seen["classes"].tolist() == list(range(20))


@pytest.mark.parametrize(
    ("settings", "error", "said"),
    [
        ({"method": SimCLR(), "network": replace(SMALL, head="simplex")}, UsageError, "head 'sphere'"),
        ({"method": MoCo(queue=20)}, UsageError, "multiple of the batch"),
        (
            {"method": MoCo(), "recipe": replace(SHORT, batch=64, quarter_turns=False)},
            UsageError,
            "batch 10 or smaller",
        ),
        ({"method": GMML()}, UsageError, "method is GMML\\(\\): it must be a SelfSupervised"),
    ],
)
def test_what_cannot_be_is_refused_before_a_picture_is_read(
    settings: dict[str, object], error: type[Exception], said: str, tmp_path: Path
) -> None:
    with pytest.raises(error, match=said):
        train_network(pictures(), out=tmp_path / "m", **{"network": SMALL, "recipe": SHORT, **settings})  # type: ignore[arg-type]
    assert not (tmp_path / "m.training").exists()


def test_seven_pictures_are_too_few(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"loose has 7 pictures that can be read: .* takes 8 at least"):
        train_network(pictures(7), out=tmp_path / "m", method=SimCLR())


def test_a_recipe_without_labels_has_nothing_of_them() -> None:
    with pytest.raises(UsageError, match="need labels"):
        Recipe(method=SimCLR())
    assert Recipe().without_labels(SimCLR()).lookalikes == 0


def warped(number: int = 200, each: int = 5) -> Dataset:
    """Greek signs, several of each, no two warped alike."""
    signs = {picture.label: picture.pixels() for picture in semelha.glyphs(["Greek"], size=32)}
    labels = list(signs)[:number]
    pixels = torch.from_numpy(np.stack([signs[label] for label in labels]).transpose(0, 3, 1, 2).copy())
    drawn, generator = [], torch.Generator().manual_seed(0)
    for turn in range(each):
        changed = WARPED(pixels, generator).round().byte().numpy().transpose(0, 2, 3, 1)
        drawn += [Picture(x.copy(), label, f"{label}-{turn}") for x, label in zip(changed, labels, strict=True)]
    return Dataset("warped", tuple(drawn))


@pytest.mark.slow
@pytest.mark.parametrize("method", [SimCLR(), MoCo(queue=512), MoCoV3()], ids=lambda method: method.name)
def test_it_learns(method: object, tmp_path: Path) -> None:
    """Pictures of one sign lie nearer to each other than before, however warped, though nobody said what is what."""
    from semelha.deep import untrained_embedder
    from semelha.measures import retrieval

    dataset = warped()
    recipe = replace(SHORT, steps=300, batch=256, quarter_turns=False, augmentation=WARPED)
    network = replace(SMALL, size=24, dim=32)
    model = train_network(dataset, out=tmp_path / "m", method=method, network=network, recipe=recipe)  # type: ignore[arg-type]
    blank = untrained_embedder(model.card)
    assert blank is not None
    classes = np.unique(dataset.labels, return_inverse=True)[1]
    before, after = (
        retrieval(each.embed(dataset.pictures), classes, metric=model.metric, ks=(1,)).r_at[1]
        for each in (blank, model)
    )
    losses = [json.loads(line)["loss"] for line in (tmp_path / "m.training" / "log.jsonl").read_text().splitlines()]
    assert losses[-1] < losses[0]
    assert after > before + 0.1


def test_a_batch_that_was_asked_for_is_kept() -> None:
    """It is lowered for few pictures only where nothing was said; what does not fit is refused later, and told."""
    stats = PictureStats(inspected=36, grey_share=1.0, black_or_white=0.9)
    batches = [choose_recipe_without_labels(SimCLR(), stats, SMALL, 36, batch=batch).batch for batch in (None, 16)]
    assert batches == [9, 16]


def test_each_process_has_as_many_pictures_as_the_others() -> None:
    """A batch that three cannot share is refused before a picture is read."""
    recipe = SHORT.without_labels(SimCLR())
    plan_network(pictures(), network=SMALL, recipe=recipe, processes=4)
    with pytest.raises(UsageError, match="simclr gives each process the same number of pictures, and a batch of 8"):
        plan_network(pictures(), network=SMALL, recipe=recipe, processes=3)


def test_no_teacher_beside_a_method_without_labels(loose: Path, tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="random weights"):
        teacher = semelha.train(loose, out=tmp_path / "teacher", method="none", network=SMALL)
    with pytest.raises(UsageError, match="a teacher is added to a loss of labels, and moco-v3 has none"):
        semelha.train(loose, out=tmp_path / "m", method="moco-v3", network=SMALL, recipe=SHORT, teacher=teacher)
    assert not (tmp_path / "m.training").exists()
