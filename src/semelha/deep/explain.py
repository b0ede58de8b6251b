"""The reasons for the defaults of a training, as sentences with their evidence."""

from __future__ import annotations

from semelha.deep.defaults import HEAD_ALONE, MANY_CLASSES, PASSES, PASSES_WITHOUT_LABELS, PictureStats
from semelha.deep.network import Network
from semelha.deep.recipe import Recipe
from semelha.deep.settings import TrainingSettings
from semelha.images import Dataset


def explain_network(
    stats: PictureStats, network: Network, classes: int | None, settings: TrainingSettings
) -> list[str]:
    """Why the network is as it is, but for what was set explicitly."""
    explicit = settings.explicit()
    color = "grey" if network.channels == 1 else "color"
    found = [f"The pictures are {kind(stats)}: {evidence(stats)}."]
    if "size" not in explicit and "channels" not in explicit:
        if network.pretrained:
            found.append(f"The input is {network.size} × {network.size} in {color}, as the pretrained weights expect.")
        else:
            found.append(f"The input is {network.size} × {network.size} in {color}, the default for {kind(stats)}.")
    if stats.drawn:
        found.append("Each drawing is moved and scaled by its ink, because hands differ in place and size.")
    if "pooling" not in explicit and network.pooling == "grid":
        found.append("Features are pooled on a 3 × 3 grid, because the parts of a drawing have fixed places.")
    if "readout" not in explicit and network.readout == "layers":
        number = "there are no labels" if classes is None else f"{classes:,} classes are fewer than {HEAD_ALONE:,}"
        found.append(f"The embedding is read from the last layers too, because {number}.")
    if network.head == "simplex":
        found.append("The head is a simplex, because the metric of the loss compares histograms.")
    return found


def explain_recipe(
    stats: PictureStats, network: Network, recipe: Recipe, dataset: Dataset, settings: TrainingSettings
) -> list[str]:
    """Why the recipe is as it is, but for what was set explicitly."""
    explicit = settings.explicit()
    changes = "warped" if stats.drawn else "mirrored and change their light"
    found = [f"Pictures are {changes} at random, because they are {kind(stats)}."]
    if recipe.quarter_turns:
        what = "pictures" if recipe.method else "classes"
        found.append(f"Grey drawings turned by 90, 180 and 270 degrees are further {what}.")
    if "steps" not in explicit:
        passes = PASSES if recipe.method is None else PASSES_WITHOUT_LABELS
        turned = " in 4 turns" if recipe.quarter_turns and recipe.method is None else ""
        found.append(
            f"There are {recipe.steps:,} steps: {passes} passes over {len(dataset):,} pictures{turned} in batches of "
            f"{recipe.batch}, within the limits for the minutes."
        )
    if network.pretrained and "learning_rate" not in explicit:
        found.append(f"The learning rate is {recipe.learning_rate:g}, low because the weights are pretrained.")
    if recipe.method is None and recipe.validation:
        classes = len(dataset.classes)
        size = f"{classes:,} classes are {'fewer than' if classes < MANY_CLASSES else 'at least'} {MANY_CLASSES}"
        found.append(f"{recipe.validation:.0%} of the classes are held out to choose the best weights, because {size}.")
    if explicit:
        found.append(f"Set explicitly: {', '.join(f'{name} {_short(value)}' for name, value in explicit.items())}.")
    return found


def kind(stats: PictureStats) -> str:
    """Drawings or photos, grey or in color."""
    return f"{'grey' if stats.grey else 'color'} {'drawings' if stats.drawn else 'photos'}"


def evidence(stats: PictureStats) -> str:
    """The statistics that decide the kind."""
    grey = f"{stats.grey_share:.0%} of {stats.inspected} inspected pictures are grey"
    return f"{stats.black_or_white:.0%} of the pixels of a typical picture are black or white, and {grey}"


def _short(value: object) -> str:
    return getattr(value, "__name__", None) or str(value)
