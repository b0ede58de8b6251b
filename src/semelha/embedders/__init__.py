"""A trained model at work, no torch needed; reads and writes the model folder and its card."""

from semelha.embedders.card import Card, FeatureSpec, InputSpec
from semelha.embedders.embed import Embedder, Progress, embed_all
from semelha.embedders.extractors import Extractor, FeatureExtractor
from semelha.embedders.model import METRIC, Model, load_embedder, write_model
from semelha.embedders.plain import FeatureEmbedder, raw_pixels
from semelha.embedders.sources import Source, as_pictures, fitted

__all__ = [
    "METRIC",
    "Card",
    "Embedder",
    "Extractor",
    "FeatureEmbedder",
    "FeatureExtractor",
    "FeatureSpec",
    "InputSpec",
    "Model",
    "Progress",
    "Source",
    "as_pictures",
    "embed_all",
    "fitted",
    "load_embedder",
    "raw_pixels",
    "write_model",
]
