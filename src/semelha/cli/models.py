"""Commands that make or use a model without training: import, derive, embed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, get_args

import numpy as np
from typer import Argument, Option

from semelha.bulk import ENGINES, embed_files, read_places
from semelha.cli.console import escape
from semelha.cli.output import (
    Json,
    check_outputs,
    exit_after_skipped,
    expand_pictures,
    note,
    print_json,
    print_result,
    progress_bars,
    stdout,
)
from semelha.cli.reading import limits
from semelha.embedders import derive as derive_model
from semelha.embedders import import_model
from semelha.embedders.import_settings import PRESETS
from semelha.errors import UsageError
from semelha.files import atomic_write
from semelha.images import Fit, Skipped
from semelha.published_models import resolve_model
from semelha.text import as_unicode


def embed(
    model: Annotated[Path, Argument(help="Model folder, or a published model.")],
    pictures: Annotated[
        list[str],
        Argument(help="Pictures, and folders of them; for .parquet also manifests, and URLs as s3://bucket/photos."),
    ],
    out: Annotated[
        Path | None,
        Option(help="File to write: .npz with `vectors`, `names` and `fingerprint`; or .parquet, for many pictures."),
    ] = None,
    engine: Annotated[
        str, Option(metavar="NAME", help=f"What embeds to a .parquet file: {', '.join(ENGINES)}.")
    ] = ENGINES[0],
    actors: Annotated[
        int | None, Option(help="Processes of Ray that embed.", min=1, show_default="one for each machine")
    ] = None,
    json: Json = False,
) -> None:
    """Turn pictures into vectors.

    A file that cannot be used is left out, and the exit status is 1. A single one that cannot be used is an error.

    To a .parquet file: with labels and content hashes, files that cannot be used in a table beside it; after an
    interruption the same command continues.

    Example: semelha embed model a.jpg b.jpg --out vectors.npz

    Example: semelha embed model photos --out vectors.parquet
    """
    if out is None and not json:
        raise UsageError("embed needs --out FILE.npz or --json, or for many pictures --out FILE.parquet")
    check_outputs(out)
    if out is not None and out.suffix.lower() == ".parquet":
        _embed_files(model, pictures, out, engine, actors, json)
        return
    if engine != ENGINES[0] or actors is not None:
        raise UsageError("--engine and --actors are for --out FILE.parquet")
    embedder = resolve_model(model)
    chosen = expand_pictures([Path(place) for place in pictures], folders=True)
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


def _embed_files(model: Path, places: Sequence[str], out: Path, engine: str, actors: int | None, json: bool) -> None:
    """Embed to a Parquet file."""
    dataset = read_places(places, limits=limits())
    for remark in dataset.remarks:
        note(str(remark))
    with progress_bars() as bar:
        made = embed_files(model, dataset, out=out, engine=engine, actors=actors, progress=bar("embedding"))
    reused = f", {made.reused} of them computed before" if made.reused else ""
    print_result(
        json,
        {
            "fingerprint": made.fingerprint,
            "vectors": made.vectors,
            "dim": made.dim,
            "reused": made.reused,
            "out": str(made.path),
            "skipped_table": str(made.skipped_path),
            "skipped": [vars(one) for one in made.skipped],
        },
        f"{made.vectors} vectors of {made.dim} numbers in [bold]{escape(str(out))}[/]{reused}",
        f"[dim]Next: semelha enroll GALLERY --vectors {escape(str(out))}[/]",
    )
    exit_after_skipped(made.skipped)


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


def import_(
    file: Annotated[Path, Argument(help="ONNX file that embeds pictures.")],
    out: Annotated[Path, Option(help="Model folder to create.")],
    preset: Annotated[
        str | None, Option(help=f"Input of a well-known model: {', '.join(PRESETS)}.", show_default="none")
    ] = None,
    size: Annotated[
        str | None, Option(metavar="N or HxW", help="Input in pixels.", show_default="of the file, or 224")
    ] = None,
    mean: Annotated[
        str | None, Option(metavar="M or R,G,B", help="Mean, from 0 to 1.", show_default="of the file, or ImageNet")
    ] = None,
    std: Annotated[
        str | None, Option(metavar="S or R,G,B", help="Standard deviation.", show_default="of the file, or ImageNet")
    ] = None,
    bgr: Annotated[bool | None, Option("--bgr/--rgb", help="Order of the channels.", show_default="rgb")] = None,
    layout: Annotated[
        str | None, Option(metavar="NAME", help="Order of the axes: nchw, nhwc.", show_default="recognized")
    ] = None,
    output: Annotated[
        str | None, Option(metavar="NAME", help="Output that is the embedding.", show_default="recognized")
    ] = None,
    first_token: Annotated[
        bool | None,
        Option("--first-token/--no-tokens", help="Take the first token of each picture.", show_default="no"),
    ] = None,
    normalize: Annotated[bool, Option("--normalize", help="Scale vectors to norm 1.")] = False,
    fit: Annotated[
        str | None, Option(metavar="NAME", help=f"Resizing: {', '.join(get_args(Fit))}.", show_default="crop")
    ] = None,
    json: Json = False,
) -> None:
    """Make a model of an ONNX file that embeds pictures, such as of ArcFace, CLIP or DINOv2.

    Example: semelha import clip.onnx --preset clip --out model

    Example: semelha import faces.onnx --size 112 --mean 0.5 --std 0.5 --out faces
    """
    check_outputs(folder=out)
    model = import_model(
        file,
        out=out,
        preset=preset,
        size=_size(size),
        mean=_numbers("mean", mean),
        std=_numbers("std", std),
        bgr=bgr,
        layout=layout,
        output=output,
        first_token=first_token,
        normalize=normalize,
        fit=fit,
    )
    assumed = model.card.training["imported"]["assumed"]
    print_result(
        json,
        {"model": str(out), "dim": model.dim, "fingerprint": model.fingerprint, "assumed": assumed},
        *(f"[dim]{escape(line)}[/]" for line in assumed),
        f"[bold]{escape(str(out))}[/] makes vectors of {model.dim} numbers, compared by cosine.",
        f"[dim]Next: semelha evaluate {escape(str(out))} TEST-PHOTOS[/]",
    )


def _size(text: str | None) -> int | tuple[int, int] | None:
    """The size that "224" or "256x128" names. Raises `UsageError`."""
    if text is None:
        return None
    sides = text.lower().split("x")
    if len(sides) > 2 or not all(side.isdecimal() and len(side) < 10 for side in sides):
        raise UsageError(f"size is {text!r:.60}: it must be a number of pixels, such as 224, or height x width")
    return int(sides[0]) if len(sides) == 1 else (int(sides[0]), int(sides[1]))


def _numbers(name: str, text: str | None) -> list[float] | None:
    """Numbers separated by commas. Raises `UsageError`."""
    try:
        return None if text is None else [float(one) for one in text.split(",")]
    except ValueError as error:
        raise UsageError(f"{name} is {text!r:.60}: it must be a number, or three separated by commas") from error
