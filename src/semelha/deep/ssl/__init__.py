"""Self-supervised learning: SimCLR and MoCo learn an embedding from pictures without labels."""

from semelha.deep.ssl.method import SelfSupervised
from semelha.deep.ssl.moco import MoCo
from semelha.deep.ssl.moco_v3 import MoCoV3
from semelha.deep.ssl.registry import METHODS
from semelha.deep.ssl.simclr import SimCLR

__all__ = [
    "METHODS",
    "MoCo",
    "MoCoV3",
    "SelfSupervised",
    "SimCLR",
]
