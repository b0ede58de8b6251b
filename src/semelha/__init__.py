"""semelha: recognize objects by similarity.

model = semelha.train("photos", out="model")
gallery = semelha.Gallery.create("shop", model)
gallery.enroll("granny-smith", ["a.jpg", "b.jpg"])
gallery.identify("new.jpg")
"""

from typing import TYPE_CHECKING

from semelha import errors
from semelha._version import __version__

__all__ = [
    "Dataset",
    "Gallery",
    "Model",
    "Picture",
    "Protocol",
    "__version__",
    "derive",
    "errors",
    "evaluate",
    "glyphs",
    "load_embedder",
    "migrate",
    "plan_training",
    "read_folder",
    "read_manifest",
    "train",
    "write_report",
]

if TYPE_CHECKING:
    from semelha.embedders import Model, derive, load_embedder
    from semelha.evaluation import Protocol, evaluate
    from semelha.evaluation.report import write_report
    from semelha.gallery import Gallery, migrate
    from semelha.images import Dataset, Picture, glyphs, read_folder, read_manifest
    from semelha.training import plan_training, train
else:
    # Each name brings its part of the house when it is first used, so that the rest costs nothing.
    _HOMES = {
        "Dataset": "images",
        "Gallery": "gallery",
        "Model": "embedders",
        "Picture": "images",
        "Protocol": "evaluation",
        "derive": "embedders",
        "evaluate": "evaluation",
        "glyphs": "images",
        "load_embedder": "embedders",
        "migrate": "gallery",
        "plan_training": "training",
        "read_folder": "images",
        "read_manifest": "images",
        "train": "training",
        "write_report": "evaluation.report",
    }

    def __getattr__(name):
        from importlib import import_module

        if name in _HOMES:
            return getattr(import_module(f"semelha.{_HOMES[name]}"), name)
        raise AttributeError(f"module 'semelha' has no attribute {name!r}")

    def __dir__():
        return __all__
