"""Freed memory is kept during a training, and given back after it."""

import resource
import sys

import pytest
import torch

from semelha.deep.memory import freed_memory_kept


def faults(times: int) -> int:
    """Pages that the system has to map while blocks of 64 MB are made and freed."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(times):
        torch.ones(2**24)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


@pytest.mark.skipif(sys.platform != "linux", reason="the C library is another")
def test_large_blocks_are_used_again() -> None:
    with freed_memory_kept():
        faults(1)
        kept = faults(20)
    assert kept < faults(20) / 5


def test_an_error_passes() -> None:
    with pytest.raises(KeyError), freed_memory_kept():
        raise KeyError
