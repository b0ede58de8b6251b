"""`semelha pretrained` and `semelha weights`: models that need no training."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Argument, Option, Typer

from semelha.cli.console import escape
from semelha.cli.output import Json, check_outputs, print_records, print_result, stdout
from semelha.embedders.published import (
    PUBLISHED,
    choose_model,
    chosen_model,
    export_published,
    import_published,
    is_available,
)
from semelha.published_models import fetch_published
from semelha.published_models import pretrained as load_pretrained

weights = Typer(no_args_is_help=True, help="Published models: list, fetch, choose, and carry to another machine.")

Name = Annotated[str, Argument(metavar="NAME", help=f"Published model: {', '.join(PUBLISHED)}.")]


def pretrained(
    name: Annotated[
        str | None, Argument(help="Published model.", show_default="the one that `semelha weights use` chose")
    ] = None,
    out: Annotated[
        Path | None, Option(help="Model folder to create; without it, the model stays in the cache.")
    ] = None,
    json: Json = False,
) -> None:
    """Copy a pretrained model, which needs no training, to a folder.

    Example: semelha pretrained --out model
    """
    check_outputs(folder=out)
    model = load_pretrained(name, out=out)
    print_result(
        json,
        {"model": str(model.folder), "name": model.card.name, "dim": model.dim, "fingerprint": model.fingerprint},
        f"[bold]{escape(str(model.folder))}[/] makes vectors of {model.dim} numbers, without training.",
        f"[dim]Next: semelha enroll GALLERY --model {escape(str(model.folder))} NAME PICTURES…[/]",
    )


@weights.command("list")
def list_weights(json: Json = False) -> None:
    """List the published models, and which of them is used where no model is given.

    Example: semelha weights list
    """
    used = chosen_model()
    found = [
        {"name": name, **vars(one), "available": is_available(name), "used": name == used}
        for name, one in PUBLISHED.items()
    ]
    rows = [
        (
            f"{each['name']}{' (used)' if each['used'] else ''}",
            "yes" if each["available"] else "no",
            each["dim"],
            f"{each['megabytes']} MB",
            each["license"],
            each["about"],
        )
        for each in found
    ]
    columns = ("model", "on this machine", "dimension", "weights", "license", "about")
    print_records(json, {"used": used, "models": found}, columns, rows)
    if not json and used not in PUBLISHED:
        stdout.print(f"New galleries get the model [bold]{escape(used)}[/].")


@weights.command("fetch")
def fetch_weights(name: Name, json: Json = False) -> None:
    """Download the weights of a published model, and make the model. Needs the extra train.

    Example: semelha weights fetch dinov2-small
    """
    model = fetch_published(name)
    print_result(
        json,
        {"model": name, "folder": str(model.folder), "dim": model.dim, "fingerprint": model.fingerprint},
        f"[bold]{escape(name)}[/] is on this machine.",
        f"[dim]Next: semelha weights use {escape(name)}; and for a gallery that has another model: "
        f"semelha migrate GALLERY --model {escape(name)}[/]",
    )


@weights.command("use")
def use_weights(
    name: Annotated[str, Argument(metavar="NAME", help="Published model, or a model folder.")], json: Json = False
) -> None:
    """Use this model from now on for new galleries. The variable SEMELHA_MODEL has precedence.

    Example: semelha weights use dinov2-small
    """
    choose_model(name)
    print_result(json, {"used": chosen_model()}, f"New galleries get the model [bold]{escape(chosen_model())}[/].")


@weights.command("export")
def export_weights(
    folder: Annotated[Path, Argument(metavar="DIR", help="Folder for the copies.")], json: Json = False
) -> None:
    """Copy the published models that are on this machine to a folder, for a machine without internet.

    Example: semelha weights export /media/stick
    """
    names = export_published(folder)
    what = f"{escape(', '.join(names))} copied to" if names else "All of them are in"
    print_result(json, {"exported": names}, f"{what} [bold]{escape(str(folder))}[/].")


@weights.command("import")
def import_weights(
    folder: Annotated[Path, Argument(metavar="DIR", help="Folder that `semelha weights export` made.")],
    json: Json = False,
) -> None:
    """Take published models that were copied on another machine.

    Example: semelha weights import /media/stick
    """
    names = import_published(folder)
    what = f"{escape(', '.join(names))} can be used now." if names else "All of them are on this machine already."
    print_result(json, {"imported": names}, what)
