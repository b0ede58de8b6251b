"""A trained model at work, no torch needed; reads and writes the model folder and its card."""

from semelha.embedders.card import Card, InputSpec
from semelha.embedders.embedder import Embedder, NetworkEmbedder, Progress, load_embedder, write_model
from semelha.embedders.plain import FeatureEmbedder, raw_pixels
from semelha.embedders.sources import Source, as_pictures, fitted, prepare

__all__ = [
    "Card",
    "Embedder",
    "FeatureEmbedder",
    "InputSpec",
    "NetworkEmbedder",
    "Progress",
    "Source",
    "as_pictures",
    "fitted",
    "load_embedder",
    "prepare",
    "raw_pixels",
    "write_model",
]
