"""Learn a network. The only wing that imports torch."""

from semelha.deep.augment import Augmentation
from semelha.deep.loop import Moment
from semelha.deep.network import EmbeddingNet, Network, build
from semelha.deep.recipe import Recipe
from semelha.deep.train import train_network
from semelha.deep.untrained import untrained

__all__ = [
    "Augmentation",
    "EmbeddingNet",
    "Moment",
    "Network",
    "Recipe",
    "build",
    "train_network",
    "untrained",
]
