"""The house keeps its shape: who imports whom, what is public, what works without torch, what is never used."""

import ast
import importlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from itertools import takewhile
from pathlib import Path

import pytest

import semelha
from tests.tiny_model import noise, tiny_model

ROOT = Path(semelha.__file__).parent
MODULES = {
    ".".join(("semelha", *path.relative_to(ROOT).with_suffix("").parts)).removesuffix(".__init__"): path
    for path in sorted(ROOT.rglob("*.py"))
}
TREES = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in MODULES.items()}

# Imports run upward only: a floor may import itself and the floors before it.
FLOORS = [
    {"arguments", "errors", "files", "processors", "text", "tracing", "untrusted", "_version"},
    {"language"},
    {"images"},
    {"html", "plots"},
    {"features"},
    {"metrics"},
    {"measures"},
    {"embedders"},
    {"linear"},
    {"deep"},
    {"named_losses", "published_models", "training_plan"},
    {"training"},
    {"bulk"},
    {"index"},
    {"store"},
    {"recognition"},
    {"gallery"},
    {"evaluation"},
    {"comparison"},
    {"convert", "sklearn"},
    {"client"},
    {""},  # the public names
    {"service"},
    {"cli"},
]
# Pairs of packages of which the first must not import the second, though its floor would allow it.
APART = {("evaluation", "gallery")}
TRAINING_ONLY = {"torch", "torchvision", "timm", "lightning", "onnx", "onnxscript"}


def package(module: str) -> str:
    """The package or module of semelha's top level that a module belongs to."""
    return ".".join(module.split(".")[1:2])


def floor(module: str) -> int:
    """The place in `FLOORS` of a module of semelha."""
    for number, names in enumerate(FLOORS):
        if package(module) in names:
            return number
    raise AssertionError(f"{module} has no floor: add it to FLOORS")


def imports(module: str) -> Iterator[tuple[str, bool]]:
    """Modules that a module imports, anywhere in it, and whether importing it imports them too."""
    tree = TREES[module]
    late = {
        id(inner)
        for outer in ast.walk(tree)
        if isinstance(outer, ast.FunctionDef | ast.AsyncFunctionDef) or _is_for_types(outer)
        for inner in ast.walk(outer)
    }
    parent = module if MODULES[module].stem == "__init__" else module.rpartition(".")[0]
    for node in ast.walk(tree):
        at_once = id(node) not in late
        if isinstance(node, ast.Import):
            yield from ((alias.name, at_once) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = parent.rsplit(".", node.level - 1)[0] if node.level > 1 else parent
            origin = ".".join(filter(None, (base, node.module))) if node.level else node.module or ""
            for alias in node.names:
                whole = f"{origin}.{alias.name}"
                yield (whole if whole in MODULES else origin), at_once


def _is_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def calls(module: str) -> Iterator[tuple[str, ast.Call]]:
    """Every call in a module, by the words it is written with."""
    return ((ast.unparse(node.func), node) for node in ast.walk(TREES[module]) if isinstance(node, ast.Call))


@pytest.mark.parametrize("module", MODULES)
def test_imports_run_upward(module: str) -> None:
    for name, _ in imports(module):
        if name.split(".")[0] == "semelha":
            assert floor(name) <= floor(module), f"{module} imports {name}, which stands on top of it"
            assert (package(module), package(name)) not in APART, f"{module} must not import {name}"


@pytest.mark.parametrize(
    ("module", "text", "said"),
    [
        ("semelha.images.fit", "import semelha.gallery", "stands on top"),
        ("semelha.images.fit", "from ..gallery import Gallery", "stands on top"),
        ("semelha.images.fit", "def f():\n    from semelha import cli", "stands on top"),
        ("semelha.evaluation", "from semelha.gallery import Gallery", "must not import"),
    ],
)
def test_the_rule_sees_an_import_downward(module: str, text: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test above would fail, also for a relative import and for one inside a function."""
    monkeypatch.setitem(TREES, module, ast.parse(text))
    with pytest.raises(AssertionError, match=said):
        test_imports_run_upward(module)


def circle() -> list[str]:
    """Modules that import one another in a circle, wherever in the module the import stands; empty if there is none."""
    graph = {module: {name for name, _ in imports(module) if name in MODULES} - {module} for module in MODULES}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_no_modules_import_one_another_in_a_circle() -> None:
    assert circle() == []


def test_the_rule_sees_a_circle(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of three modules, also where the imports stand under `TYPE_CHECKING` and inside a function."""
    made = {
        "semelha.images.fit": "from semelha.images import views",
        "semelha.images.views": "if TYPE_CHECKING:\n    from .decode import decode",
        "semelha.images.decode": "def f():\n    import semelha.images.fit",
    }
    for module, text in made.items():
        monkeypatch.setitem(TREES, module, ast.parse(text))
    assert set(circle()) == set(made)


@pytest.mark.parametrize("module", [name for name in MODULES if not name.startswith("semelha.deep")])
def test_only_the_deep_wing_imports_torch(module: str) -> None:
    """`cli.doctor` alone may look, inside a function, whether torch works; `deep` too is imported late everywhere."""
    found = {(name.split(".")[0], at_once) for name, at_once in imports(module)}
    forbidden = {(name, True) for name in TRAINING_ONLY}
    if module != "semelha.cli.doctor":
        forbidden |= {(name, False) for name in TRAINING_ONLY}
    assert not found & forbidden
    assert not any(name.startswith("semelha.deep") and at_once for name, at_once in imports(module))


@pytest.mark.parametrize("module", MODULES)
def test_nothing_is_unpickled(module: str) -> None:
    unsafe = {"pickle", "cPickle", "dill", "joblib", "shelve", "marshal", "cloudpickle"}
    assert not unsafe & {name.split(".")[0] for name, _ in imports(module)}
    for name, call in calls(module):
        words = {word.arg: ast.unparse(word.value) for word in call.keywords}
        assert words.get("allow_pickle", "False") == "False"
        if name == "torch.load":
            assert words.get("weights_only") == "True", f"{module} loads what can run code"


@pytest.mark.parametrize("module", [name for name in MODULES if not name.startswith("semelha.cli")])
def test_the_library_prints_nothing(module: str) -> None:
    assert not [name for name, _ in calls(module) if name in ("print", "sys.stdout.write", "sys.stderr.write")]


def test_tests_replace_attributes_of_objects() -> None:
    """Not of modules that a string names, which is not followed when a module is renamed."""
    named = re.compile(r"""\bsetattr\(\s*\w?["']|(\bmock\.|(?<![.\w]))patch\(""")
    assert not [path for path in Path(__file__).parent.rglob("*.py") if named.search(path.read_text(encoding="utf-8"))]


def test_all_is_the_public_namespace() -> None:
    """`import *`, `dir`, type checkers and attribute access find the same names."""
    (types,) = [node for node in TREES["semelha"].body if _is_for_types(node)]
    imported = [node for node in [*TREES["semelha"].body, *types.body] if isinstance(node, ast.ImportFrom)]
    seen = {alias.asname or alias.name for node in imported for alias in node.names} - {"TYPE_CHECKING"}
    assert seen == set(semelha.__all__) == set(dir(semelha))
    assert sorted(semelha.__all__) == semelha.__all__
    for name in semelha.__all__:
        assert hasattr(semelha, name), name
    with pytest.raises(AttributeError, match="no attribute 'embeddings'"):
        _ = semelha.embeddings


@pytest.mark.parametrize("module", [name for name, path in MODULES.items() if path.stem == "__init__"])
def test_packages_export_what_they_say(module: str) -> None:
    """`__all__` of every package is sorted by ruff, and each of its names is there."""
    if module.startswith("semelha.deep"):
        pytest.importorskip("torch")
    found = importlib.import_module(module)
    for name in getattr(found, "__all__", ()):
        assert hasattr(found, name), f"{module} has no {name}"


def test_every_error_is_drawn() -> None:
    """The tree in the docstring of `semelha.errors` is the tree of its classes."""
    lines = [line for line in (semelha.errors.__doc__ or "").splitlines() if "──" in line]
    parents, drawn = ["SemelhaError"], {}
    for line in lines:
        depth = len(list(takewhile(lambda character: character in "│ ├└", line))) // 4
        name = line.replace("─", " ").strip("│├└ ").split()[0]
        parents[depth:] = [name]
        drawn[name] = parents[depth - 1]
    classes = {
        name: kind.__bases__[0].__name__
        for name, kind in vars(semelha.errors).items()
        if isinstance(kind, type) and name != "SemelhaError"
    }
    assert drawn == classes


BLOCKED = """
import importlib.abc, sys

class Absent(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {names!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Absent())
"""


def run_without_torch(script: str, *arguments: object) -> str:
    """What a script prints in a Python where nothing of the extra `train` can be imported."""
    warnings = os.environ.get("PYTHONWARNINGS", "error")
    process = subprocess.run(
        [sys.executable, "-W", warnings, "-c", BLOCKED.format(names=TRAINING_ONLY) + script, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert process.returncode == 0, process.stderr
    return process.stdout


def test_the_block_blocks() -> None:
    with pytest.raises(AssertionError, match="No module named 'torch'"):
        run_without_torch("import torch")


def test_every_module_but_the_deep_wing_imports_without_torch() -> None:
    names = [name for name in MODULES if not name.startswith("semelha.deep") and not name.endswith("__main__")]
    run_without_torch("import sys, importlib\nfor name in sys.argv[1:]: importlib.import_module(name)", *names)


def test_importing_semelha_brings_nothing_heavy() -> None:
    heavy = "{'torch', 'numpy', 'onnxruntime', 'faiss', 'PIL', 'matplotlib', 'typer', 'httpx2'}"
    assert run_without_torch(f"import semelha\nprint({heavy} & set(sys.modules))") == "set()\n"


USE = """
import numpy, semelha
folder = sys.argv[1]
pictures = [numpy.load(f"{folder}/{number}.npy") for number in range(4)]
model = semelha.load_embedder(f"{folder}/model")
assert model.embed(pictures).shape == (4, 8)
with semelha.Gallery.create(f"{folder}/gallery", model) as gallery:
    for number, picture in enumerate(pictures):
        gallery.enroll(f"thing {number}", [picture])
    gallery.calibrate(fpir=0.4)
    answer = gallery.identify(pictures[2])
    assert (answer.decision, answer.subject) == ("known", "thing 2"), answer
dataset = semelha.Dataset("things", tuple(
    semelha.Picture(source=picture // (1 + turn), label=f"{n}", name=f"{n}-{turn}")
    for n, picture in enumerate(pictures) for turn in range(2)))
assert semelha.evaluate(model, dataset).to_json()["r_at_1"] == 0.5
import warnings
warnings.simplefilter("ignore")
linear = semelha.train(dataset, out=f"{folder}/linear", method="gmml")
assert semelha.load_embedder(f"{folder}/linear").embed(pictures).shape == (4, linear.dim)
try:
    semelha.train(dataset, out=f"{folder}/new")
except semelha.errors.MissingExtra as error:
    print(error)
"""


def test_everything_but_training_works_without_torch(tmp_path: Path) -> None:
    """Load, embed, enroll, calibrate, identify, evaluate, learn a metric; a network's training says what to install."""
    import numpy as np

    tiny_model(tmp_path / "model")
    for number in range(4):
        np.save(tmp_path / f"{number}.npy", noise(number))
    assert run_without_torch(USE, tmp_path) == 'training needs torch: pip install "semelha[train]"\n'
