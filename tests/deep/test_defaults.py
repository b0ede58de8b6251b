"""The defaults that are chosen from the pictures."""

import numpy as np
import pytest

from semelha.deep.defaults import (
    HEAD_ONLY_CLASSES,
    choose_network,
    choose_recipe,
    choose_recipe_without_labels,
    inspect_pictures,
)
from semelha.deep.network import Network
from semelha.deep.recipe import Recipe
from semelha.deep.ssl import SimCLR
from semelha.errors import UsageError
from semelha.images import Dataset, Picture


def dataset(pixels: list[np.ndarray]) -> Dataset:
    return Dataset(
        name="made",
        pictures=tuple(Picture(source=p, label=str(i // 2), name=str(i)) for i, p in enumerate(pixels)),
    )


def strokes(channels: int = 1) -> np.ndarray:
    pixels = np.full((60, 60, 3), 255, np.uint8)
    pixels[20:24, 10:50] = (0, 0, 0) if channels == 1 else (255, 0, 0)
    return pixels


def photo(channels: int) -> np.ndarray:
    pixels = np.random.default_rng(0).integers(60, 180, (80, 100, channels), np.uint8)
    return np.broadcast_to(pixels, (80, 100, 3)).copy()


@pytest.mark.parametrize(
    ("pixels", "grey", "drawn"),
    [(strokes(), True, True), (strokes(3), False, True), (photo(1), True, False), (photo(3), False, False)],
)
def test_looks(pixels: np.ndarray, grey: bool, drawn: bool) -> None:
    stats = inspect_pictures(dataset([pixels] * 6), seed=0)
    assert (stats.grey, stats.drawn) == (grey, drawn)
    network = choose_network(stats)
    assert network.channels == (1 if grey else 3)
    recipe = choose_recipe(stats, Network(), 100, 1000)
    assert recipe.quarter_turns == (grey and drawn)
    assert recipe.augmentation.flip == (not drawn)


def test_where_its_parts_are_is_kept_of_a_drawing_and_not_of_a_photo() -> None:
    """Nor where there are no labels, or a backbone of timm pools."""
    drawing, scene = (inspect_pictures(dataset([pixels] * 6), seed=0) for pixels in (strokes(), photo(3)))
    assert choose_network(drawing).pooling == "grid"
    assert choose_network(drawing, backbone="medium").pooling == "grid"
    assert choose_network(scene).pooling == "average"
    assert choose_network(drawing, classes=None).pooling == "average"
    assert choose_network(drawing, backbone="resnet18").pooling == "average"


def test_layers_are_read_where_few_classes_or_no_labels_shape_the_head() -> None:
    drawing = inspect_pictures(dataset([strokes()] * 6), seed=0)
    chosen = {
        classes: choose_network(drawing, classes=classes).readout
        for classes in (2, HEAD_ONLY_CLASSES - 1, HEAD_ONLY_CLASSES, None)
    }
    assert chosen == {
        2: "layers",
        HEAD_ONLY_CLASSES - 1: "layers",
        HEAD_ONLY_CLASSES: "head",
        None: "layers",
    }
    assert choose_network(drawing, backbone="resnet10t", classes=2).readout == "head"


def test_few_pictures_make_a_short_training() -> None:
    stats = inspect_pictures(dataset([strokes()] * 6), seed=0)
    assert choose_recipe(stats, Network(), 10, 40).steps == 300
    assert choose_recipe(stats, Network(), 1000, 40_000).steps == Recipe().steps


def test_more_time_is_room_for_more_steps_and_less_is_left_to_the_clock() -> None:
    stats = inspect_pictures(dataset([strokes()] * 6), seed=0)
    steps = {minutes: choose_recipe(stats, Network(), 1000, 20_000, minutes=minutes).steps for minutes in (1, 36, 500)}
    assert steps == {1: 8000, 36: 16_000, 500: 60 * 20_000 * 4 // 256}
    assert choose_recipe_without_labels(SimCLR(), stats, Network(), 40_000, minutes=36).steps == 16_000


def test_few_classes_fill_the_batch_with_more_of_each() -> None:
    stats = inspect_pictures(dataset([photo(3)] * 6), seed=0)
    assert choose_recipe(stats, Network(), 32, 400).per_class == 8
    assert choose_recipe(stats, Network(), 1000, 4000).per_class == 2


def test_of_many_classes_a_smaller_part_is_held_out() -> None:
    stats = inspect_pictures(dataset([photo(3)] * 6), seed=0)
    few, many = choose_recipe(stats, Network(), 16, 400), choose_recipe(stats, Network(), 1000, 4000)
    assert few.validation > many.validation > 0


def test_only_our_own_networks_begin_with_coarse_pictures() -> None:
    stats = inspect_pictures(dataset([photo(3)] * 6), seed=0)
    for backbone in ("small", "medium"):
        assert choose_recipe(stats, Network(backbone=backbone), 16, 400).coarse > 0
    assert choose_recipe(stats, Network(backbone="resnet18"), 16, 400).coarse == 0


def test_pretrained_weights_see_pictures_as_they_did_and_learn_slowly() -> None:
    """In color and of their size also where the pictures are small and grey."""
    stats = inspect_pictures(dataset([strokes()] * 6), seed=0)
    network = choose_network(stats, backbone="resnet10t", pretrained="weights.pth")
    assert (network.size, network.channels, network.fit) == (176, 3, "ink")
    recipe = choose_recipe(stats, network, 16, 400)
    assert recipe.learning_rate < Recipe().learning_rate
    assert recipe.layer_decay < 1
    alone = choose_recipe_without_labels(SimCLR(), stats, network, 400)
    assert (alone.learning_rate, alone.layer_decay) == (recipe.learning_rate, recipe.layer_decay)
    assert choose_network(stats, backbone="resnet10t").size == 48
    for unknown in ("nonsense", "resnet10t.nonsense"):  # refused when it is built
        assert choose_network(stats, backbone=unknown, pretrained=True).size == 48


@pytest.mark.parametrize("wrong", [{"steps": 0}, {"minutes": 0}, {"per_class": 1}, {"batch": 3}])
def test_impossible_recipes_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(UsageError):
        Recipe(**wrong)  # type: ignore[arg-type]
