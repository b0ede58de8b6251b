"""The engine of bulk embedding on Ray Data: each actor has the model, and embeds chunk after chunk."""

from __future__ import annotations

import copy
import logging
import os
import socket
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from semelha.bulk.chunks import embedded_tables
from semelha.bulk.parts import KnownHashes
from semelha.embedders import Model, Progress
from semelha.errors import MissingExtra, SemelhaError, UsageError
from semelha.images import Picture
from semelha.processors import processors

OBJECT_STORE = 256 << 20  # bytes of a cluster that is started here
CONNECT_SECONDS = 10.0
QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_BACKEND_LOG_LEVEL": "fatal",
    "RAY_DATA_DISABLE_PROGRESS_BARS": "1",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}
"""Environment in which Ray sends no statistics and prints nothing, unless the caller sets it otherwise."""


def require_ray() -> None:
    """Import Ray. Raises `MissingExtra` if it is not installed."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    try:
        import ray.data  # noqa: F401
    except ImportError as error:
        raise MissingExtra('the engine ray needs Ray Data: pip install "semelha[ray]"') from error


def tables_on_ray(
    model: Model,
    chunks: Sequence[Sequence[Picture]],
    *,
    known: KnownHashes,
    actors: int | None,
    batch_size: int,
    progress: Progress | None,
) -> Iterator[tuple[int, Any]]:
    """Number and table of each chunk, as `embedded_tables` makes it. Errors as for `embed_files`."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import ray

    with connected(), _quiet():
        count, threads = _divided(actors, len(chunks))
        embedder = copy.copy(model)
        embedder.threads = threads
        shared = ray.put((embedder, known))
        stored = [ray.put(chunk) for chunk in chunks]
        numbers = [pa.table({"number": [number]}) for number in range(len(chunks))]
        embedded = ray.data.from_arrow(numbers).map_batches(
            _EmbedsChunks,
            batch_size=None,
            batch_format="pyarrow",
            compute=ray.data.ActorPoolStrategy(size=count),
            num_cpus=threads,
            fn_constructor_args=([shared], stored, batch_size),
        )
        waiting: dict[int, list[Any]] = {}
        done = 0
        with _translating_errors():
            blocks: Iterable[Any] = embedded.iter_batches(batch_size=None, batch_format="pyarrow")
            for block in blocks:
                for number in block.column("number").unique().to_pylist():
                    pieces = waiting.setdefault(number, [])
                    pieces.append(block.filter(pc.equal(block.column("number"), number)))
                    if sum(map(len, pieces)) < len(chunks[number]):  # Ray may have cut its rows
                        continue
                    done += len(chunks[number])
                    yield number, pa.concat_tables(waiting.pop(number)).drop_columns(["number"])
                    if progress is not None:
                        progress(done, 0)


class _EmbedsChunks:
    """An actor: the model is loaded once."""

    def __init__(self, shared: Sequence[Any], chunks: Sequence[Any], batch_size: int) -> None:
        import ray

        [reference] = shared  # in a list, so that Ray does not copy what it refers to into each call
        self._model, self._known = ray.get(reference)
        self._chunks, self._batch_size = chunks, batch_size

    def __call__(self, numbers: Any) -> Iterator[Any]:
        import pyarrow as pa
        import ray

        for number in numbers.column("number").to_pylist():
            chunk = ray.get(self._chunks[number])
            [table] = embedded_tables(self._model, [chunk], known=self._known, batch_size=self._batch_size)
            yield table.append_column("number", pa.array([number] * len(table), pa.int64()))


@contextmanager
def connected() -> Iterator[None]:
    """Join the cluster of `RAY_ADDRESS`, or start one on this machine; what was started or joined here ends with it."""
    import ray

    if ray.is_initialized():  # by the caller
        yield
        return
    address = os.environ.get("RAY_ADDRESS") or "local"
    _check_reachable(address)
    own: dict[str, Any] = {"num_cpus": processors(), "include_dashboard": False, "object_store_memory": OBJECT_STORE}
    with _translating_errors(), _native_log_hidden():
        ray.init(
            address=address,
            log_to_driver=False,
            logging_level=logging.ERROR,
            **(own if address == "local" else {}),
        )
    try:
        yield
    finally:
        ray.shutdown()


def _check_reachable(address: str) -> None:
    """Raise `SemelhaError` if nothing listens at an address with a port: Ray would try for a minute."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not (host and port.isdecimal()):
        return  # such as "local" and "auto"
    try:
        socket.create_connection((host.strip("[]"), int(port)), CONNECT_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise SemelhaError(
            f"no Ray cluster answers at {address}: start it there, or set RAY_ADDRESS to where it is, or to nothing"
        ) from error


def _divided(actors: int | None, chunks: int) -> tuple[int, int]:
    """Actors, and threads of each: by default an actor for each machine, with the processors of the smallest.

    There are no more actors than chunks.
    """
    import ray

    nodes: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]
    machines = [int(node["Resources"].get("CPU", 0)) for node in nodes if node["Alive"]]
    machines = [count for count in machines if count]
    if not machines:
        raise SemelhaError("the Ray cluster has no processors")
    if actors is None:
        threads = min(machines)
        return min(chunks, sum(count // threads for count in machines)), threads
    threads = next((n for n in range(max(machines), 0, -1) if sum(count // n for count in machines) >= actors), 0)
    if not threads:
        raise UsageError(f"actors is {actors}: the Ray cluster has {sum(machines)} processors")
    return min(chunks, actors), threads


@contextmanager
def _translating_errors() -> Iterator[None]:
    """Raise errors of Ray as `SemelhaError`: ours of an actor as it is."""
    from ray.exceptions import RayError

    try:
        yield
    except (RayError, ConnectionError, RuntimeError, ValueError, OSError) as error:
        if isinstance(error, SemelhaError):
            raise
        causes = [*_causes(error)]
        for cause in causes:
            if isinstance(cause, SemelhaError):
                raise cause from error
        reasons = dict.fromkeys(line for cause in causes for line in str(cause).strip().splitlines()[-1:])
        raise SemelhaError(f"Ray failed: {': '.join(reasons)}") from error


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An error and what caused it, also in an actor."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = getattr(cause, "cause", None) or cause.__cause__


@contextmanager
def _native_log_hidden() -> Iterator[None]:
    """Hide what the native part of Ray writes to standard error as it starts; its errors are raised too."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the log of Ray Data on the console: the caller shows the progress."""
    import ray

    context = ray.data.DataContext.get_current()
    bars, context.enable_progress_bars = context.enable_progress_bars, False
    log = logging.getLogger("ray.data")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(level)
        context.enable_progress_bars = bars
