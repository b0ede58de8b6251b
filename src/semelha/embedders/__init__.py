"""Models: load and write model folders, and embed pictures. Needs no torch."""

from semelha.embedders.card import Card, DerivedSpec, FeatureSpec, InputSpec
from semelha.embedders.derive import copy_model, derive
from semelha.embedders.embed import (
    EmbeddedPicture,
    Embedder,
    FeatureEmbedder,
    embed_all,
    embed_pictures,
    milliseconds_each,
    raw_pixels,
)
from semelha.embedders.extractors import Extractor, FeatureExtractor
from semelha.embedders.graph_spec import GraphSpec
from semelha.embedders.importing import import_model
from semelha.embedders.model import METRIC, Model, load_embedder, write_model
from semelha.images import Progress, Source, as_pictures

__all__ = [
    "METRIC",
    "Card",
    "DerivedSpec",
    "EmbeddedPicture",
    "Embedder",
    "Extractor",
    "FeatureEmbedder",
    "FeatureExtractor",
    "FeatureSpec",
    "GraphSpec",
    "InputSpec",
    "Model",
    "Progress",
    "Source",
    "as_pictures",
    "copy_model",
    "derive",
    "embed_all",
    "embed_pictures",
    "import_model",
    "load_embedder",
    "milliseconds_each",
    "raw_pixels",
    "write_model",
]
