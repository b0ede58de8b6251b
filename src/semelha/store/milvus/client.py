"""The collection of a gallery: its schema, and the calls of the client of Milvus with timeouts, retries and errors.

Every row is written under a number of its own that no other row ever has, and never with another content. So a write
may be sent again when its outcome is unknown, and a late repetition changes nothing.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, ClassVar, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from semelha.errors import GalleryError, GalleryNotWritable, GalleryUnavailable, MissingExtra
from semelha.store.milvus.address import TOKEN, MilvusAddress

Row = dict[str, Any]
Result = TypeVar("Result")
Partition = Literal["_default", "examples"]

JOURNAL: Partition = "_default"
EXAMPLES: Partition = "examples"
MAX_BODY = 60_000  # characters of a row; Milvus takes 65,535
MAX_ROWS = 16_384  # that Milvus returns at once
MAX_BYTES = 16 << 20  # of a write
FULL = ("no space left", "quota", "deny to write", "disk full", "file too large")
UNLOADED = ("not loaded", "state 'released'")  # as every collection is after Milvus Lite was started
EXTRA = 'galleries on Milvus need pymilvus and fsspec: pip install "semelha[milvus]"'


class Collection:
    """The collection of a gallery. Any number of threads may use it at once.

    Every method raises `GalleryUnavailable` if the server cannot be reached or does not answer in time, and
    `GalleryNotWritable` if it has no space left.
    """

    timeout: ClassVar[float] = 20.0  # seconds that a call may take
    patience: ClassVar[float] = 15.0  # seconds during which a failed call is made again

    def __init__(self, address: MilvusAddress) -> None:
        self.address = address
        try:
            from pymilvus import MilvusClient
        except ModuleNotFoundError as error:
            raise MissingExtra(EXTRA) from error
        # What it logs are the errors that it also raises, with their tracebacks.
        logging.getLogger("pymilvus").setLevel(logging.CRITICAL)
        self._client: Any = self._retried(
            lambda: MilvusClient(
                address.server, token=address.token, db_name=address.database, timeout=self.timeout, dedicated=True
            ),
        )

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    # The collection.

    def exists(self) -> bool:
        """Whether the server has the collection."""
        return bool(self._call("has_collection"))

    def create(self, dim: int, mapped: int | None, product: Literal["L2", "IP"], description: str) -> None:
        """Create the collection, with vectors of `dim` numbers, and if they differ, with mapped ones of `mapped`."""
        from pymilvus import DataType, MilvusClient

        schema = MilvusClient.create_schema(auto_id=False, enable_dynamic_field=False, description=description)
        schema.add_field("id", DataType.INT64, is_primary=True)
        schema.add_field("kind", DataType.VARCHAR, max_length=16)
        schema.add_field("slot", DataType.INT64)
        schema.add_field("writer", DataType.VARCHAR, max_length=32)
        schema.add_field("part", DataType.INT64)
        schema.add_field("body", DataType.VARCHAR, max_length=65_535)
        schema.add_field("vector", DataType.FLOAT_VECTOR, dim=dim)
        index = MilvusClient.prepare_index_params()
        index.add_index("vector", index_type="FLAT", metric_type=product)
        if mapped is not None:
            schema.add_field("mapped", DataType.FLOAT_VECTOR, dim=mapped)
            index.add_index("mapped", index_type="FLAT", metric_type=product)
        self._call("create_collection", schema=schema, consistency_level="Strong")
        self._call("create_index", index, sync=False)  # of no rows: there is nothing to wait for
        if EXAMPLES not in self._call("list_partitions"):
            self._call("create_partition", EXAMPLES)
        self.load()

    def load(self) -> None:
        """Let the collection be read and searched."""
        self._call("load_collection")

    def row(
        self,
        number: int,
        kind: str,
        *,
        slot: int = 0,
        writer: str = "",
        part: int = 0,
        body: str = "",
        **vectors: NDArray[np.float32],
    ) -> Row:
        """A row; its vectors are zeros unless they are passed."""
        filled = {name: vectors.get(name, np.zeros(dim, np.float32)) for name, dim in self.dimensions.items()}
        return {"id": number, "kind": kind, "slot": slot, "writer": writer, "part": part, "body": body, **filled}

    def is_ours(self) -> bool:
        """Whether the collection has the fields of one of a gallery."""
        names = {field["name"] for field in self._call("describe_collection")["fields"]}
        return names >= {"id", "kind", "slot", "writer", "part", "body", "vector"}

    def drop(self) -> None:
        """Delete the collection."""
        self._call("drop_collection")
        self.__dict__.pop("dimensions", None)  # another one may be created

    @cached_property
    def dimensions(self) -> dict[str, int]:
        """The number of dimensions of each field of vectors."""
        fields = self._call("describe_collection")["fields"]
        return {field["name"]: int(field["params"]["dim"]) for field in fields if "dim" in field["params"]}

    # Rows.

    def write(self, rows: Sequence[Row], partition: Partition = JOURNAL) -> None:
        """Write rows; they are durable when this returns."""
        size = 4096 + 4 * sum(len(one) for one in rows[0].values() if isinstance(one, np.ndarray)) if rows else 1
        size += max((len(row["body"]) for row in rows), default=0)
        step = max(1, MAX_BYTES // size)
        for start in range(0, len(rows), step):
            self._call("upsert", rows[start : start + step], partition_name=partition)

    def delete(self, ids: Sequence[int], partition: Partition = JOURNAL) -> None:
        """Delete rows by number."""
        for start in range(0, len(ids), MAX_ROWS):
            self._call("delete", ids=list(ids[start : start + MAX_ROWS]), partition_name=partition)

    def get(self, ids: Sequence[int], fields: Sequence[str], partition: Partition = JOURNAL) -> dict[int, Row]:
        """Rows by number; without those that do not exist."""
        found: dict[int, Row] = {}
        for start in range(0, len(ids), MAX_ROWS):
            rows = self._call(
                "get",
                ids=list(ids[start : start + MAX_ROWS]),
                output_fields=["id", *fields],
                partition_names=[partition],
                consistency_level="Strong",
            )
            found |= {row["id"]: row for row in rows}
        return found

    def find(self, condition: str, fields: Sequence[str], partition: Partition = JOURNAL) -> list[Row]:
        """Every row that meets a condition."""
        rows = self._call(
            "query",
            filter=condition,
            output_fields=["id", *fields],
            partition_names=[partition],
            limit=MAX_ROWS,
            consistency_level="Strong",
        )
        if len(rows) < MAX_ROWS:
            return list(rows)
        return [row for rows in self.iterate(condition, ["id", *fields], partition) for row in rows]

    def iterate(
        self, condition: str, fields: Sequence[str], partition: Partition, batch: int = 4096
    ) -> Iterator[list[Row]]:
        """Every row that meets a condition, a batch at a time, by ascending numbers."""
        last = None
        while True:
            beyond = condition if last is None else f"({condition}) and id > {last}" if condition else f"id > {last}"

            def next_rows(where: str = beyond) -> list[Row]:
                iterator = self._client.query_iterator(
                    self.address.collection,
                    batch_size=batch,
                    limit=batch,
                    filter=where,
                    output_fields=list(fields),
                    partition_names=[partition],
                    consistency_level="Strong",
                    timeout=self.timeout,
                )
                try:
                    return list(iterator.next())
                finally:
                    iterator.close()

            rows = self._retried(next_rows)
            if rows:
                yield rows
            if len(rows) < batch:
                return
            last = rows[-1]["id"]

    def search(
        self, vectors: NDArray[np.float32], limit: int, field: str
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Numbers and scores of the nearest examples, (n, limit): −1 and NaN if there are fewer."""
        found = self._call(
            "search",
            data=list(vectors),
            anns_field=field,
            limit=limit,
            output_fields=["id"],
            partition_names=[EXAMPLES],
            consistency_level="Strong",
        )
        numbers = np.full((len(vectors), limit), -1, np.int64)
        scores = np.full((len(vectors), limit), np.nan, np.float32)
        for row, hits in enumerate(found):
            numbers[row, : len(hits)] = [hit["id"] for hit in hits]
            scores[row, : len(hits)] = [hit["distance"] for hit in hits]
        return numbers, scores

    def flush(self) -> None:
        """Let the server write what it has in memory to its segments, which are searched faster."""
        self._call("flush")

    def _call(self, method: str, *arguments: Any, **options: Any) -> Any:
        call = getattr(self._client, method)
        return self._retried(lambda: call(self.address.collection, *arguments, timeout=self.timeout, **options))

    def _retried(self, call: Callable[[], Result]) -> Result:
        """Make a call, and make it again with growing, random pauses while the server does not answer."""
        from grpc import FutureTimeoutError, RpcError
        from pymilvus.exceptions import MilvusException

        end, pause, is_loaded = time.monotonic() + self.patience, 0.05, False
        while True:
            try:
                return call()
            except (MilvusException, RpcError, FutureTimeoutError) as error:
                if not is_loaded and any(text in _reason(error) for text in UNLOADED):
                    is_loaded = True
                    self.load()
                    continue
                if not _is_away(error):
                    raise self._error(error) from error
                if time.monotonic() + pause > end:
                    raise GalleryUnavailable(
                        f"the Milvus server at {self.address.server} cannot be reached or does not answer: start it, "
                        f"or see whether its address is right ({_reason(error)})"
                    ) from error
            time.sleep(pause * random.uniform(0.5, 1.0))
            pause = min(2 * pause, 2.0)

    def _error(self, error: Exception) -> GalleryError:
        reason = _reason(error)
        if any(text in reason.lower() for text in FULL):
            return GalleryNotWritable(f"the gallery {self.address} cannot be written: Milvus has no space ({reason})")
        if "auth" in reason.lower():
            return GalleryError(f"the Milvus server refuses access to {self.address}: set {TOKEN} ({reason})")
        return GalleryError(f"the gallery {self.address} cannot be used: {reason}")


def _is_away(error: Exception) -> bool:
    """Whether the server did not answer: a later call may succeed."""
    from grpc import FutureTimeoutError, RpcError, StatusCode
    from pymilvus.exceptions import ErrorCode, MilvusException

    passing = (StatusCode.UNAVAILABLE, StatusCode.DEADLINE_EXCEEDED, StatusCode.RESOURCE_EXHAUSTED)
    if isinstance(error, FutureTimeoutError):
        return True
    if isinstance(error, RpcError):
        return error.code() in passing
    if isinstance(error, MilvusException):
        # Where there is no connection, pymilvus puts the status of gRPC, or 2, in place of a code of the server.
        return error.code in (*passing, 2, ErrorCode.RATE_LIMIT) or error.retriable
    return False


def _reason(error: Exception) -> str:
    """The first line of what the client of Milvus says."""
    text = str(getattr(error, "message", "") or error)
    return text.strip().splitlines()[0][:300] if text.strip() else type(error).__name__


def in_rows(text: str) -> list[str]:
    """A text in parts that each fit into the body of a row."""
    return [text[start : start + MAX_BODY] for start in range(0, max(len(text), 1), MAX_BODY)]


def joined(ids: Iterable[int], rows: Mapping[int, Row]) -> str | None:
    """The text of `in_rows`, of rows by number; None if one is missing."""
    numbers = list(ids)
    return "".join(rows[number]["body"] for number in numbers) if rows.keys() >= set(numbers) else None
