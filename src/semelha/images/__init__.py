"""Pictures and data sets: decoding, folders, manifests, content hashes and the built-in example set."""

from semelha.images.checking import found_by_decoding
from semelha.images.content import HashBasis, content_hash, content_hashes
from semelha.images.dataset import (
    Dataset,
    Skipped,
    check_for_training,
    check_without_labels,
    picture_key,
    split_classes,
)
from semelha.images.decode import Box, decode
from semelha.images.fit import Fit, encode, fit, without_background
from semelha.images.formats import Limits
from semelha.images.glyphs import TEST_SCRIPTS, TRAIN_SCRIPTS, glyphs
from semelha.images.groups import GROUPINGS, Burst, burst_remark, paired_classes, with_groups
from semelha.images.lookalikes import lookalikes
from semelha.images.packed import Packed, local_copy
from semelha.images.picture import Picture, Source, as_picture, as_pictures, as_rgb
from semelha.images.reader import LAYOUTS, expand_pattern, read_dataset, read_folder, read_manifest
from semelha.images.reading import Progress, ReadPicture, read_pictures, readable
from semelha.images.report import Remark
from semelha.images.shards import Shard, class_shards, write_shards
from semelha.images.splits import Use, for_use
from semelha.images.views import View, standard_views

__all__ = [
    "GROUPINGS",
    "LAYOUTS",
    "TEST_SCRIPTS",
    "TRAIN_SCRIPTS",
    "Box",
    "Burst",
    "Dataset",
    "Fit",
    "HashBasis",
    "Limits",
    "Packed",
    "Picture",
    "Progress",
    "ReadPicture",
    "Remark",
    "Shard",
    "Skipped",
    "Source",
    "Use",
    "View",
    "as_picture",
    "as_pictures",
    "as_rgb",
    "burst_remark",
    "check_for_training",
    "check_without_labels",
    "class_shards",
    "content_hash",
    "content_hashes",
    "decode",
    "encode",
    "expand_pattern",
    "fit",
    "for_use",
    "found_by_decoding",
    "glyphs",
    "local_copy",
    "lookalikes",
    "paired_classes",
    "picture_key",
    "read_dataset",
    "read_folder",
    "read_manifest",
    "read_pictures",
    "readable",
    "split_classes",
    "standard_views",
    "with_groups",
    "without_background",
    "write_shards",
]
