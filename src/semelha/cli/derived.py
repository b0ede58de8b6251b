"""`semelha derive`: a model of other models, with nothing learned."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from rich.markup import escape
from typer import Argument, Option

from semelha.cli.output import Json, print_json, stdout
from semelha.embedders import derive as derive_model


def derive(
    models: Annotated[list[Path], Argument(help="Model folders; several are joined.")],
    out: Annotated[Path, Option(help="Model folder to make.")],
    views: Annotated[int, Option(help="Average so many views of each picture.", min=1)] = 1,
    mirror: Annotated[
        bool | None,
        Option("--mirror/--no-mirror", help="Mirror images among the views.", show_default="as it was trained"),
    ] = None,
    weight: Annotated[
        list[float] | None, Option(help="Of each model, in their order; repeat it.", show_default="all alike")
    ] = None,
    json: Json = False,
) -> None:
    """Make a model that sees each picture several ways, or joins several models, and is used as any other.

    Example: semelha derive model --views 5 --out model-5

    Example: semelha derive model-a model-b model-c --out joined
    """
    model = derive_model([*models], out=out, views=views, mirror=mirror, weights=weight)
    if json:
        print_json({"model": str(out), "dim": model.dim, "fingerprint": model.fingerprint})
        return
    times = views * len(models)
    stdout.print(
        f"[bold]{escape(str(out))}[/] makes {model.dim} numbers of a picture, at {times} times the cost of one."
    )
    stdout.print(f"Next: semelha evaluate {escape(str(out))} TEST-PHOTOS", style="dim")
