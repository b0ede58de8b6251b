"""What the command line calls the kinds of things that there are."""

from __future__ import annotations

from enum import StrEnum


class Stem(StrEnum):
    """How a network begins, by name."""

    own = "own"
    small = "small"


class Pooling(StrEnum):
    """The poolings by name."""

    average = "average"
    gem = "gem"
    grid = "grid"


class Readout(StrEnum):
    """What becomes the embedding, by name."""

    head = "head"
    layers = "layers"


class Method(StrEnum):
    """The methods by name: without learning, then of a network without labels, then the learners without a network."""

    none = "none"
    readout = "readout"
    simclr = "simclr"
    simclr2 = "simclr-v2"
    moco1 = "moco-v1"
    moco2 = "moco-v2"
    moco3 = "moco-v3"
    pca = "pca-whitening"
    lda = "lda"
    rca = "rca"
    lfda = "lfda"
    kissme = "kissme"
    xqda = "xqda"
    gmml = "gmml"
    itml = "itml"
    nca = "nca"
    lmnn = "lmnn"
    ncmml = "ncmml"
    boostmetric = "boostmetric"
    ranksvm = "ranksvm"
    boosted = "boosted-similarity"


class OptimizerName(StrEnum):
    """The optimizers of the papers on learning without labels, by name."""

    adamw = "adamw"
    sgd = "sgd"
    lars = "lars"


class FeatureName(StrEnum):
    """The features by name."""

    first_order = "first-order"
    histogram = "histogram"
    hog = "hog"
    pixels = "pixels"


class SamplerName(StrEnum):
    """The samplers by name."""

    perclass = "per-class"
    hierarchical = "hierarchical"
    balanced = "class-balanced"


class RerankName(StrEnum):
    """The second rankings by name."""

    expansion = "query-expansion"
    reciprocal = "k-reciprocal"
