"""Commands that use a model: embed, derive."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
from typer import Argument, Option

from semelha.cli.console import escape
from semelha.cli.output import (
    Json,
    check_outputs,
    exit_after_skipped,
    expand_pictures,
    print_json,
    print_result,
    progress_bars,
    stdout,
)
from semelha.embedders import derive as derive_model
from semelha.errors import UsageError
from semelha.files import atomic_write
from semelha.images import Skipped
from semelha.published_models import resolve_model
from semelha.text import as_unicode


def embed(
    model: Annotated[Path, Argument(help="Model folder, or a published model.")],
    pictures: Annotated[list[Path], Argument(help="Pictures.")],
    out: Annotated[Path | None, Option(help="File to write: .npz with `vectors`, `names` and `fingerprint`.")] = None,
    json: Json = False,
) -> None:
    """Turn pictures into vectors.

    A file that cannot be used is left out, and the exit status is 1. A single one that cannot be used is an error.

    Example: semelha embed model a.jpg b.jpg --out vectors.npz
    """
    if out is None and not json:
        raise UsageError("embed needs --out FILE.npz or --json")
    check_outputs(out)
    embedder = resolve_model(model)
    chosen = expand_pictures(pictures, folders=True)
    skipped: list[Skipped] | None = [] if len(chosen) > 1 else None
    with progress_bars() as bar:
        vectors = embedder.embed(chosen, progress=bar("embedding"), skipped=skipped)
    left_out = {one.name for one in skipped or ()}
    names = [as_unicode(one.name) for one in chosen if one.name not in left_out]
    if not names:
        exit_after_skipped(skipped)
    if out is not None:
        with atomic_write(out) as file:
            np.savez(file, vectors=vectors, names=np.array(names), fingerprint=np.array(embedder.fingerprint))
    if json:
        value = {"fingerprint": embedder.fingerprint, "names": names, "vectors": vectors.tolist()}
        print_json({**value, "skipped": [vars(one) for one in skipped or ()]})
    else:
        stdout.print(f"{len(names)} vectors of {embedder.dim} numbers in [bold]{escape(str(out))}[/]")
    exit_after_skipped(skipped)


def derive(
    models: Annotated[list[Path], Argument(help="Model folders; several are concatenated.")],
    out: Annotated[Path, Option(help="Model folder to create.")],
    views: Annotated[int, Option(help="Number of views of each picture to average.", min=1)] = 1,
    mirror: Annotated[
        bool | None,
        Option("--mirror/--no-mirror", help="Mirror some of the views.", show_default="as in training"),
    ] = None,
    weight: Annotated[
        list[float] | None, Option(help="Weight of each model, in order; repeat it.", show_default="equal")
    ] = None,
    json: Json = False,
) -> None:
    """Make a model that averages views of each picture, or that concatenates several models, without training.

    Example: semelha derive model --views 5 --out model-5

    Example: semelha derive model-a model-b model-c --out joined
    """
    check_outputs(folder=out)
    model = derive_model([*models], out=out, views=views, mirror=mirror, weights=weight)
    print_result(
        json,
        {"model": str(out), "dim": model.dim, "fingerprint": model.fingerprint},
        f"[bold]{escape(str(out))}[/] makes vectors of {model.dim} numbers, at {views * len(models)} times the cost.",
        f"[dim]Next: semelha evaluate {escape(str(out))} TEST-PHOTOS[/]",
    )
