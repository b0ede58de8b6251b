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
    "AsyncClient",
    "Client",
    "Dataset",
    "Gallery",
    "Model",
    "Picture",
    "Protocol",
    "__version__",
    "compare",
    "derive",
    "embed_files",
    "errors",
    "evaluate",
    "fetch_published",
    "glyphs",
    "import_model",
    "load_embedder",
    "migrate",
    "plan_training",
    "pretrained",
    "read_dataset",
    "read_folder",
    "read_manifest",
    "train",
    "tune",
    "write_report",
]

if TYPE_CHECKING:
    from semelha.bulk import embed_files
    from semelha.client import AsyncClient, Client
    from semelha.comparison import compare, tune
    from semelha.embedders import Model, derive, import_model, load_embedder
    from semelha.evaluation import Protocol, evaluate
    from semelha.evaluation.report import write_report
    from semelha.gallery import Gallery, migrate
    from semelha.images import Dataset, Picture, glyphs, read_dataset, read_folder, read_manifest
    from semelha.published_models import fetch_published, pretrained
    from semelha.training import plan_training, train
else:
    # A name imports its package when it is first used: importing semelha takes no time.
    _NAMES = {
        "bulk": ("embed_files",),
        "client": ("AsyncClient", "Client"),
        "comparison": ("compare", "tune"),
        "embedders": ("Model", "derive", "import_model", "load_embedder"),
        "evaluation": ("Protocol", "evaluate"),
        "evaluation.report": ("write_report",),
        "gallery": ("Gallery", "migrate"),
        "images": ("Dataset", "Picture", "glyphs", "read_dataset", "read_folder", "read_manifest"),
        "published_models": ("fetch_published", "pretrained"),
        "training": ("plan_training", "train"),
    }

    def __getattr__(name):
        from importlib import import_module

        for package, names in _NAMES.items():
            if name in names:
                return getattr(import_module(f"semelha.{package}"), name)
        raise AttributeError(f"module 'semelha' has no attribute {name!r}")

    def __dir__():
        return __all__
