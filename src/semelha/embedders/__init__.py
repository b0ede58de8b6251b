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

__all__ = [
    "Card",
    "Embedder",
    "InputSpec",
    "NetworkEmbedder",
    "Progress",
    "Source",
    "load_embedder",
    "prepare",
    "write_model",
]
