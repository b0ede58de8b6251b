"""Learn a network. The only wing that imports torch."""

import os

# Read when torch is loaded: threads that spin while they wait make a step four times slower beside a busy program.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from semelha.deep.augment import Augmentation
from semelha.deep.loop import TrainingProgress
from semelha.deep.metric_layer import MetricLayer
from semelha.deep.network import EmbeddingNet, Network, build
from semelha.deep.recipe import Recipe
from semelha.deep.torch_embedder import untrained_embedder
from semelha.deep.train import train_network

__all__ = [
    "Augmentation",
    "EmbeddingNet",
    "MetricLayer",
    "Network",
    "Recipe",
    "TrainingProgress",
    "build",
    "train_network",
    "untrained_embedder",
]
