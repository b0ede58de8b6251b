"""Files in: safe decoding, folders and manifests, the built-in example set."""

from semelha.images.dataset import (
    Dataset,
    Picture,
    Skipped,
    as_rgb,
    check_for_training,
    check_without_labels,
    split_classes,
)
from semelha.images.decode import Box, Limits, decode
from semelha.images.fit import Fit, content_hash, encode, fit
from semelha.images.folder import read_dataset, read_folder, read_manifest
from semelha.images.glyphs import TEST_SCRIPTS, TRAIN_SCRIPTS, glyphs
from semelha.images.ink import without_background
from semelha.images.reading import read_all, readable
from semelha.images.views import View, first_views

__all__ = [
    "TEST_SCRIPTS",
    "TRAIN_SCRIPTS",
    "Box",
    "Dataset",
    "Fit",
    "Limits",
    "Picture",
    "Skipped",
    "View",
    "as_rgb",
    "check_for_training",
    "check_without_labels",
    "content_hash",
    "decode",
    "encode",
    "first_views",
    "fit",
    "glyphs",
    "read_all",
    "read_dataset",
    "read_folder",
    "read_manifest",
    "readable",
    "split_classes",
    "without_background",
]
