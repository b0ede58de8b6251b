"""Freed memory is kept during a training, and given back after it."""

import ctypes
import resource
import sys
from collections.abc import Iterator

import pytest
import torch

from semelha.deep.memory import freed_memory_kept

PR_SET_THP_DISABLE = 41  # of linux/prctl.h


@pytest.fixture
def small_pages() -> Iterator[None]:
    """Pages of 4 KB alone: the system gives huge ones when it has some, and then counts fewer faults."""
    library = ctypes.CDLL(None)
    library.prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0)
    yield
    library.prctl(PR_SET_THP_DISABLE, 0, 0, 0, 0)


def faults(times: int) -> int:
    """Pages that the system has to map while blocks of 64 MB are made and freed."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(times):
        torch.ones(2**24)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


@pytest.mark.skipif(sys.platform != "linux", reason="the C library is another")
def test_large_blocks_are_used_again(small_pages: None) -> None:
    with freed_memory_kept():
        faults(1)
        kept = faults(20)
    assert kept < faults(20) / 5


def test_an_error_passes() -> None:
    with pytest.raises(KeyError), freed_memory_kept():
        raise KeyError
