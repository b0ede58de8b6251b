"""`embed_files`: embed many pictures to a Parquet file, on this machine or on a Ray cluster, resumable."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from semelha.arguments import check_int, check_types
from semelha.bulk.chunks import chunks_of, embedded_tables
from semelha.bulk.parts import KnownHashes, Parts, locked_parts, part_name
from semelha.bulk.places import read_places
from semelha.bulk.vector_file import VectorWriter, require_parquet, vector_schema
from semelha.embedders import Model, Progress
from semelha.errors import UsageError
from semelha.files import atomic_write, check_writable, write_file
from semelha.images import Dataset, Picture, Skipped
from semelha.published_models import resolve_model

ENGINES = ("local", "ray")
MAX_BATCH = 1 << 16


@dataclass(frozen=True)
class EmbeddedFiles:
    """The result of `embed_files`.

    Attributes
    ----------
    path : Path
        File of the vectors.
    skipped_path : Path
        Table of the pictures that were left out, as CSV: `name`, `reason`.
    vectors : int
        Number of vectors in the file.
    reused : int
        Those of them that an earlier run computed.
    skipped : tuple of Skipped
        Pictures that were left out.
    dim : int
    fingerprint : str
        Of the model.
    """

    path: Path
    skipped_path: Path
    vectors: int
    reused: int
    skipped: tuple[Skipped, ...]
    dim: int
    fingerprint: str


@check_types
def embed_files(
    model: Model | str | os.PathLike[str],
    pictures: Dataset | str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    out: str | os.PathLike[str],
    engine: str = "local",
    actors: int | None = None,
    batch_size: int = 64,
    progress: Progress | None = None,
) -> EmbeddedFiles:
    """Embed many pictures to a Parquet file with a row for each: name, label, content hash and vector.

    Pictures that cannot be used are left out, and listed with reasons in a table beside the file: `vectors.skipped.csv`
    for `vectors.parquet`. What is done is kept in the folder `vectors.parquet.parts` until all is. After an
    interruption the same call goes on: it reads no file again whose part is complete, and embeds no picture again whose
    content hash is known. Vectors of the same model in a file `out` that exists are reused too. See docs/bulk.md.

    Parameters
    ----------
    model : Model or path
        Or the name of a published model.
    pictures : Dataset, path, URL, or a sequence of paths and URLs
        Folders, manifests, files and patterns, or URLs that fsspec reads, such as "s3://bucket/photos".
    out : path
        File to write; it replaces another.
    engine : {"local", "ray"}
        "ray": on a Ray cluster, that of the environment variable `RAY_ADDRESS`, or else one that is started on this
        machine and stopped at the end.
    actors : int, optional
        Processes of Ray that embed, of which each has the model; the processors are divided among them. By default one
        for each machine.
    batch_size : int
        Pictures that the model embeds at a time.
    progress : callable, optional
        Called with (pictures done, pictures in all).

    Raises
    ------
    DatasetError
        A place cannot be read, or has no pictures.
    MissingExtra
        pyarrow, fsspec or Ray is not installed.
    UsageError
        There is no such engine, `actors` is without "ray" or more than there are processors, or a number is below 1.
    SemelhaError
        A file cannot be written, another process writes the same, or Ray fails.
    """
    check_int("batch_size", batch_size, 1, MAX_BATCH)
    if engine not in ENGINES:
        raise UsageError(f"engine is {engine!r:.60}: it must be one of {', '.join(ENGINES)}")
    if actors is not None:
        check_int("actors", actors, 1, MAX_BATCH)
        if engine != "ray":
            raise UsageError("actors are of the engine ray: pass engine='ray' too")
    require_parquet()
    path = Path(out)
    check_writable(path)
    if engine == "ray":
        from semelha.bulk.on_ray import require_ray

        require_ray()
    loaded = resolve_model(model)
    dataset = pictures if isinstance(pictures, Dataset) else read_places(pictures)
    chunks = chunks_of(dataset.pictures, batch_size)
    names = [part_name(chunk, loaded.fingerprint) for chunk in chunks]
    with locked_parts(path, loaded.dim, loaded.fingerprint) as parts:
        missing = {name: chunk for name, chunk in zip(names, chunks, strict=True) if name not in parts}
        before = set(names) - set(missing)
        todo_names, todo = list(missing), list(missing.values())
        counted = _counted(progress, len(dataset) - sum(map(len, todo)), len(dataset))
        reused: dict[str, int] = {}
        with closing(_tables(loaded, todo, parts.known, engine, actors, batch_size, counted)) as tables:
            for number, table in tables:
                reused[todo_names[number]] = parts.write(todo_names[number], table)
        result = _write(path, parts, names, dataset.skipped, loaded, before, reused)
    parts.remove()
    return result


def _tables(
    model: Model,
    chunks: Sequence[Sequence[Picture]],
    known: KnownHashes,
    engine: str,
    actors: int | None,
    batch_size: int,
    progress: Progress | None,
) -> Generator[tuple[int, Any]]:
    """Number and table of each chunk, in any order."""
    if not chunks:
        return
    if engine == "ray":
        from semelha.bulk.on_ray import tables_on_ray

        yield from tables_on_ray(model, chunks, known=known, actors=actors, batch_size=batch_size, progress=progress)
    else:
        yield from enumerate(embedded_tables(model, chunks, known=known, batch_size=batch_size, progress=progress))


def _counted(progress: Progress | None, before: int, total: int) -> Progress | None:
    """A callback that adds what was done before."""
    if progress is None:
        return None

    def count(done: int, _: int) -> None:
        progress(before + done, total)

    return count


def _write(
    path: Path,
    parts: Parts,
    names: Sequence[str],
    skipped: Sequence[Skipped],
    model: Model,
    before: set[str],
    reused: dict[str, int],
) -> EmbeddedFiles:
    """Join the parts to the file of vectors and the table of skipped pictures."""
    import pyarrow.compute as pc

    schema = vector_schema(model.dim, model.fingerprint)
    left_out = list(skipped)
    vectors = known = 0
    with atomic_write(path) as file, VectorWriter(file, schema) as writer:
        for name in names:
            table = parts.read(name)
            is_bad = pc.is_valid(table.column("reason"))
            good = table.filter(pc.invert(is_bad)).select(schema.names).cast(schema)
            bad = table.filter(is_bad)
            left_out += map(Skipped, bad.column("name").to_pylist(), bad.column("reason").to_pylist())
            writer.write(good)
            vectors += len(good)
            known += len(good) if name in before else reused.get(name, 0)
    listed = io.StringIO()
    rows = csv.writer(listed, lineterminator="\n")
    rows.writerow(("name", "reason"))
    rows.writerows((one.name, one.reason) for one in left_out)
    skipped_path = path.with_name(f"{path.stem}.skipped.csv")
    write_file(skipped_path, [listed.getvalue()])
    return EmbeddedFiles(path, skipped_path, vectors, known, tuple(left_out), model.dim, model.fingerprint)
