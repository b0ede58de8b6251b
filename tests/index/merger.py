"""A thread that merges an index while others use it, as a gallery's compactor does."""

import threading
import time

from semelha.index import Index
from semelha.index.base import MergeStopped


class Merger:
    """Merges whenever there is something to merge, until `close`."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            while not self._index._stop.is_set():
                if not self._index.merge():
                    time.sleep(0.001)
        except MergeStopped:
            pass

    def wait(self) -> None:
        """Return when there is nothing to merge."""
        while self._index.needs_merge:
            time.sleep(0.001)

    def close(self) -> None:
        """End the merge that is under way, and the thread."""
        self._index.close()
        self._thread.join(timeout=30)
        assert not self._thread.is_alive()
