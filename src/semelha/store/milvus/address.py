"""Addresses of galleries on a Milvus server: milvus://host:19530/collection."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from semelha.errors import UsageError

SCHEMES = {"milvus": "http", "milvus+tls": "https"}
PORT = 19530
TOKEN = "SEMELHA_MILVUS_TOKEN"
EXPECTED = "milvus://HOST[:PORT]/[DATABASE/]COLLECTION"
_NAME = r"[A-Za-z_]\w{0,254}"
# A `Path` has lost one of the two slashes.
_ADDRESS = re.compile(
    rf"(?P<scheme>milvus(\+tls)?):/{{1,2}}(?P<host>[\w.-]+|\[[0-9a-fA-F:.]+\])(:(?P<port>\d{{1,5}}))?"
    rf"(/(?P<database>{_NAME}))?/(?P<collection>{_NAME})/?",
    re.ASCII,
)


@dataclass(frozen=True)
class MilvusAddress:
    """Where the collection of a gallery is. The token is read from the environment: it must not be in an address."""

    scheme: str
    host: str
    port: int
    database: str
    collection: str

    @classmethod
    def of(cls, place: str | os.PathLike[str]) -> Self | None:
        """Parse an address, also one that was made a `Path`; None for the path of a folder.

        Raises `UsageError` if it is an address of Milvus that is incomplete.
        """
        text = os.fspath(place)
        if not re.match(r"milvus(\+tls)?:/", text):
            return None
        found = _ADDRESS.fullmatch(text)
        if found is None:
            raise UsageError(f"{text!r:.200} is no address of a gallery on Milvus: it must be {EXPECTED}")
        port = int(found["port"] or PORT)
        return cls(found["scheme"], found["host"], port, found["database"] or "", found["collection"])

    @property
    def server(self) -> str:
        """The URI that the client of Milvus takes."""
        return f"{SCHEMES[self.scheme]}://{self.host}:{self.port}"

    @property
    def token(self) -> str:
        """From the environment; "" if the server needs none."""
        return os.environ.get(TOKEN, "")

    @property
    def path(self) -> Path:
        """The address as a `Path`, which `of` takes too."""
        return Path(str(self))

    def __str__(self) -> str:
        database = f"{self.database}/" if self.database else ""
        return f"{self.scheme}://{self.host}:{self.port}/{database}{self.collection}"
