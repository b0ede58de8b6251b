"""Self-supervised learning: SimCLR and MoCo learn an embedding from pictures without labels."""

from semelha.deep.ssl.method import SelfSupervised
from semelha.deep.ssl.moco import MoCo, MoCoV3
from semelha.deep.ssl.simclr import SimCLR

METHODS: dict[str, SelfSupervised] = {
    "simclr": SimCLR(),
    "simclr-v2": SimCLR(layers=3),
    "moco-v1": MoCo(temperature=0.07, hidden=None),
    "moco-v2": MoCo(),
    "moco-v3": MoCoV3(),
}
"""All methods by name."""

__all__ = [
    "METHODS",
    "MoCo",
    "MoCoV3",
    "SelfSupervised",
    "SimCLR",
]
