"""Settings and fixtures that all tests share."""

import os
import re
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

# One thread for each library in each worker: `make test` runs as many workers as there are processors. Subprocesses
# inherit the setting. It has to be made before NumPy, torch and FAISS are imported.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

# The models of tests are not recorded in the user's cache.
os.environ.setdefault("SEMELHA_CACHE", tempfile.mkdtemp(prefix="semelha-tests-"))
# The model that this user chose for new galleries is neither used nor replaced.
os.environ["XDG_CONFIG_HOME"] = tempfile.mkdtemp(prefix="semelha-tests-")
os.environ["XDG_STATE_HOME"] = tempfile.mkdtemp(prefix="semelha-tests-")
os.environ.pop("SEMELHA_MODEL", None)
# Reports and verdicts are in English, wherever the tests run.
for _name in ("LC_ALL", "LC_MESSAGES"):
    os.environ.pop(_name, None)
os.environ["LANG"] = "C.UTF-8"

import onnxruntime
import pytest

from semelha.embedders import Model
from semelha.processors import processors
from tests.tiny_model import tiny_model


class _OneThread(onnxruntime.SessionOptions):  # type: ignore[misc]
    """ONNX Runtime reads no environment variable, and its idle threads spin."""

    def __init__(self) -> None:
        super().__init__()
        super().__setattr__("intra_op_num_threads", 1)

    def __setattr__(self, name: str, value: Any) -> None:
        if name != "intra_op_num_threads":
            super().__setattr__(name, value)


onnxruntime.SessionOptions = _OneThread


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Workers that `-n auto` starts: the processors that this process may use."""
    return processors()


IMPORTS_TORCH = re.compile(
    r"^(from|import) (torch|timm|lightly|pytorch_metric_learning|semelha\.deep|tests\.deep)", re.M
)


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Where torch is not installed (`make versions`), tests that import it are left out."""
    if find_spec("torch") is not None or collection_path.suffix != ".py":
        return None
    return bool(IMPORTS_TORCH.search(collection_path.read_text("utf-8"))) or None


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """A model made in a moment; its folder is not to be written to."""
    return tiny_model(tmp_path_factory.mktemp("tiny") / "model")
