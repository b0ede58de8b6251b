"""Reference pages that are made of the code: Python, the command line, and the HTTP interface."""

import json
import tempfile
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from typer.main import get_command

import semelha
from semelha.cli.app import HELP, make_app
from semelha.features import Histogram

# Packages whose `__all__` has the public names beyond those of `semelha` itself.
PACKAGES = (
    "semelha.gallery",
    "semelha.images",
    "semelha.embedders",
    "semelha.features",
    "semelha.metrics",
    "semelha.linear",
    "semelha.deep",
    "semelha.deep.losses",
    "semelha.deep.ssl",
    "semelha.index",
    "semelha.evaluation",
    "semelha.measures",
    "semelha.recognition",
    "semelha.errors",
)


def pages() -> dict[str, str]:
    """Paths and texts of all generated reference pages."""
    found = {"reference/command-line.md": command_line(make_app()), "reference/http.md": http(openapi())}
    found["reference/python/semelha.md"] = python("semelha", [name for name in semelha.__all__ if name.isidentifier()])
    for package in PACKAGES:
        found[f"reference/python/{package}.md"] = python(package, public_names(package))
    return found


def public_names(package: str) -> list[str]:
    """Names of a package that are public and not those of `semelha` itself."""
    module = import_module(package)
    names = getattr(module, "__all__", None) or [
        name for name, value in vars(module).items() if _defined(value, package)
    ]
    return [name for name in names if name not in semelha.__all__]


def python(package: str, names: list[str]) -> str:
    """The page of a package: mkdocstrings makes the entries of its names."""
    summary = (import_module(package).__doc__ or "").strip().split("\n\n")[0].replace("\n", " ")
    entries = [_entry(package, name) for name in names if name not in ("errors", "__version__")]
    return "\n\n".join([f"# {package}", summary, *entries]) + "\n"


def _entry(package: str, name: str) -> str:
    """The entry of a name. What a class inherits from one that has its own entry is told there alone."""
    value, lines = getattr(import_module(package), name), [f"::: {package}.{name}"]
    if isinstance(value, type):
        inherited = {
            each
            for base in value.__mro__[1:]
            if base.__module__.startswith("semelha.") and base not in _described()
            for each in (*vars(base), *vars(base).get("__annotations__", ()))
            if not each.startswith("_") and each not in vars(value)
        }
        lines += ["    options:", f"      inherited_members: [{', '.join(sorted(inherited))}]"]
    return "\n".join(lines)


@cache
def _described() -> frozenset[type]:
    """Classes that have an entry."""
    pages = {"semelha": list(semelha.__all__), **{package: public_names(package) for package in PACKAGES}}
    values = (getattr(import_module(package), name, None) for package, names in pages.items() for name in names)
    return frozenset(value for value in values if isinstance(value, type))


def command_line(app: Any) -> str:
    """The page of all commands with their arguments, options and examples."""
    text = [
        "# Commands",
        HELP,
        "Made from the program: `semelha COMMAND --help` shows the same. Statuses, JSON and outputs are described in "
        "[In scripts](../command-line.md).",
    ]
    for path, command in _commands(get_command(app), "semelha"):
        text.append(f"{'#' * (path.count(' ') + 1)} {path}")
        text += _help(command.help or "")
        if not hasattr(command, "commands"):
            text += _parameters(command)
    return "\n\n".join(text) + "\n"


def _commands(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    for name, each in command.commands.items():
        yield f"{path} {name}", each
        if hasattr(each, "commands"):
            yield from _commands(each, f"{path} {name}")


def _help(text: str) -> list[str]:
    """Paragraphs of a help text, with its examples as one block."""
    paragraphs = [" ".join(part.split()) for part in text.split("\n\n") if part.strip()]
    examples = [part.removeprefix("Example: ") for part in paragraphs if part.startswith("Example: ")]
    prose = [escaped(part) for part in paragraphs if not part.startswith("Example: ")]
    return prose + (["```text\n" + "\n".join(examples) + "\n```"] if examples else [])


def _parameters(command: Any) -> list[str]:
    rows = ["| argument or option | | default |", "| --- | --- | --- |"]
    for each in command.params:
        if each.hidden or each.name == "help":
            continue
        names = ", ".join(f"`{name}`" for name in (*each.opts, *each.secondary_opts))
        if each.param_type_name == "argument":
            names = f"`{each.metavar or each.name.upper()}`"
        rows.append(f"| {names} | {escaped(each.help or '')} | {_default(each)} |")
    return ["\n".join(rows)] if len(rows) > 2 else []


def _default(parameter: Any) -> str:
    if parameter.required:
        return "required"
    if isinstance(parameter.show_default, str):
        return escaped(parameter.show_default)
    value = parameter.default
    if value is None or callable(value) or value in ("", (), []):
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"`{value}`"


def openapi() -> dict[str, Any]:
    """The OpenAPI document of a server of one small gallery."""
    from semelha.service.app import create_app
    from semelha.service.settings import Settings

    with tempfile.TemporaryDirectory() as folder:
        pictures = semelha.glyphs(["Lao"], size=16)
        model = semelha.train(pictures, out=Path(folder) / "model", method="pca-whitening", features=Histogram())
        semelha.Gallery.create(Path(folder) / "gallery", model).close()
        return dict(create_app(Settings(galleries=(Path(folder) / "gallery",))).openapi())


def http(document: dict[str, Any]) -> str:
    """The page of the HTTP interface: every operation of the first gallery, and every schema."""
    text = [
        "# HTTP",
        "Made from the OpenAPI document of the server, which it serves at `/openapi.json`, and shows at `/docs`. The "
        "paths of a gallery are also below `/api/v1/galleries/{gallery}`. How it works: [The server](../service.md).",
    ]
    for path, operations in document["paths"].items():
        if "/galleries/{gallery}" in path:
            continue
        for method, operation in operations.items():
            text += _operation(method, path, operation)
    text.append("## Schemas")
    for name, schema in sorted(document["components"]["schemas"].items()):
        text += [f"### {name}", escaped(" ".join(schema.get("description", "").split())), _fields(schema)]
    return "\n\n".join(part for part in text if part) + "\n"


def _operation(method: str, path: str, operation: dict[str, Any]) -> list[str]:
    text = [
        f"## {method.upper()} {path.replace('/', '/<wbr>')}",  # lines break there, and in no word
        escaped(" ".join((operation.get("description") or operation["summary"]).split())),
    ]
    rows = ["| parameter | in | type | |", "| --- | --- | --- | --- |"]
    for each in operation.get("parameters", ()):
        note = each.get("description", "") or ("required" if each.get("required") else "")
        rows.append(f"| `{each['name']}` | {each['in']} | {_type(each['schema'])} | {escaped(note)} |")
    if len(rows) > 2:
        text.append("\n".join(rows))
    body = operation.get("requestBody", {}).get("content", {})
    text += [f"Body, `{kind}`: {_type(value.get('schema', {}))}" for kind, value in body.items()]
    for status, answer in operation["responses"].items():
        content = ", ".join(
            f"`{kind}` {_type(v['schema'])}" if v.get("schema") else f"`{kind}`"
            for kind, v in answer.get("content", {}).items()
        )
        if status != "default":
            text.append(f"Answers {status}{': ' + content if content else ''}.")
    return text


def _fields(schema: dict[str, Any]) -> str:
    rows = ["| field | type | |", "| --- | --- | --- |"]
    for name, value in schema.get("properties", {}).items():
        rows.append(f"| `{name}` | {_type(value)} | {escaped(value.get('description', ''))} |")
    return "\n".join(rows) if len(rows) > 2 else f"{_type(schema)}"


def _type(schema: dict[str, Any]) -> str:
    """A schema in one cell of a table."""
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[-1]
        return f"[{name}](#{name.lower()})"
    for key in ("anyOf", "oneOf", "allOf"):
        if key in schema:
            return " or ".join(_type(each) for each in schema[key])
    if "enum" in schema or "const" in schema:
        return ", ".join(f"`{json.dumps(each)}`" for each in schema.get("enum", [schema.get("const")]))
    kind = str(schema.get("type", "any"))
    if kind == "array":
        return f"list of {_type(schema.get('items', {}))}"
    if kind == "object" and not schema.get("properties"):
        return "object"
    if kind == "object":
        return "object of " + ", ".join(f"`{name}`" for name in schema["properties"])
    return kind


def escaped(text: str) -> str:
    """`text` for a cell of a table, or for prose."""
    return " ".join(text.replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*").split())


def _defined(value: object, package: str) -> bool:
    return getattr(value, "__module__", "") == package and not getattr(value, "__name__", "_").startswith("_")
