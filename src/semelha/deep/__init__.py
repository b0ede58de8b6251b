"""Train networks. The only package that imports torch, which the extra `train` installs."""

import os
from importlib import import_module

from semelha.errors import MissingExtra

# Torch reads this when it is loaded. Threads that spin while waiting make a step four times slower on a busy machine.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
try:
    for _needed in ("torch", "timm", "lightning", "onnx", "onnxscript"):
        import_module(_needed)
except ModuleNotFoundError as error:
    raise MissingExtra(f'training needs {error.name}: pip install "semelha[train]"') from error

from semelha.deep.augment import Augmentation
from semelha.deep.loop import LoopSettings, TrainingProgress
from semelha.deep.metric_layer import MetricLayer
from semelha.deep.network import EmbeddingNet, Network, build
from semelha.deep.recipe import Recipe, TrainingSettings
from semelha.deep.train import train_network
from semelha.deep.without_training import untrained_embedder

__all__ = [
    "Augmentation",
    "EmbeddingNet",
    "LoopSettings",
    "MetricLayer",
    "Network",
    "Recipe",
    "TrainingProgress",
    "TrainingSettings",
    "build",
    "train_network",
    "untrained_embedder",
]
