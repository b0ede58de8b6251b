"""A trained model at work, no torch needed; reads and writes the model folder and its card."""

from semelha.embedders.card import Card, InputSpec
from semelha.embedders.embedder import (
    Embedder,
    NetworkEmbedder,
    Progress,
    Source,
    load_embedder,
    prepare,
    write_model,
)
from semelha.embedders.plain import FeatureEmbedder, raw_pixels

__all__ = [
    "Card",
    "Embedder",
    "FeatureEmbedder",
    "InputSpec",
    "NetworkEmbedder",
    "Progress",
    "Source",
    "load_embedder",
    "prepare",
    "raw_pixels",
    "write_model",
]
