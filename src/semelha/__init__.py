"""semelha: recognize objects by similarity.

model = semelha.train(semelha.read_folder("photos"), out="model")
gallery = semelha.Gallery.create("shop", model)
gallery.enroll("granny-smith", ["a.jpg", "b.jpg"])
gallery.identify("new.jpg")
"""

from semelha._version import __version__
from semelha.embedders import NetworkEmbedder, load_embedder
from semelha.evaluation import Protocol, evaluate, write_report
from semelha.gallery import Gallery
from semelha.images import Dataset, Picture, glyphs, read_folder, read_manifest
from semelha.training import train

__all__ = [
    "Dataset",
    "Gallery",
    "NetworkEmbedder",
    "Picture",
    "Protocol",
    "__version__",
    "evaluate",
    "glyphs",
    "load_embedder",
    "read_folder",
    "read_manifest",
    "train",
    "write_report",
]
