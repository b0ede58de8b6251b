"""Pictures that a gallery called unknown: digests of their content hashes, in a file beside the database.

A subject that is enrolled from one of them is screened: see `semelha.gallery.calibration.scores`. Identifying appends
to the file, so it neither waits for a writer of the database nor makes the readers of the database read it again.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from semelha.errors import GalleryError
from semelha.files import atomic_write

logger = logging.getLogger(__name__)

FILE = "called-unknown.bin"
MOST = 200_000  # pictures that are remembered at least; the file is cut to them when it has twice as many


class CalledUnknown:
    """The file of a gallery; any number of threads and processes may use it at once."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def record(self, hashes: Sequence[str]) -> None:
        """Append pictures, by content hash. It does not wait for the disk: a power cut may lose the last ones."""
        if not hashes:
            return
        try:
            with open(self._path, "ab", buffering=0) as file:
                file.write(digests(hashes).tobytes())
                length = file.tell() // 8
            if length > 2 * MOST:
                with atomic_write(self._path, error=GalleryError) as shorter:
                    shorter.write(self.read()[-MOST:].tobytes())
        except (OSError, GalleryError) as error:
            logger.warning("pictures that were called unknown are not recorded in %s: %s", self._path, error)

    def read(self) -> NDArray[np.uint64]:
        """The digests, oldest first; an append that was cut off is left out. Raises `GalleryError`."""
        try:
            data = self._path.read_bytes()
        except FileNotFoundError:
            data = b""
        except OSError as error:
            raise GalleryError(f"{self._path} cannot be read: {error.strerror}") from error
        return np.frombuffer(data, "<u8", count=len(data) // 8)


def is_any_among(hashes: Sequence[str], recorded: NDArray[np.uint64]) -> bool:
    """Whether one of the pictures is among the digests that `CalledUnknown.read` returned."""
    return bool(len(recorded) and np.isin(digests(hashes), recorded).any())


def digests(hashes: Sequence[str]) -> NDArray[np.uint64]:
    """What is recorded of pictures, by content hash: (n,)."""
    return np.frombuffer(b"".join(hashlib.blake2b(one.encode(), digest_size=8).digest() for one in hashes), "<u8")
