"""Freed memory is kept during a training, and given back after it."""

import subprocess
import sys

import pytest

from semelha.deep.memory import freed_memory_kept

COUNT = """
import ctypes, resource, torch
from semelha.deep.memory import freed_memory_kept

PR_SET_THP_DISABLE = 41  # of linux/prctl.h: with huge pages the system counts fewer faults
ctypes.CDLL(None).prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0)

def faults(times):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(times):
        torch.ones(2**24)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

with freed_memory_kept():
    faults(1)
    kept = faults(20)
print(kept, faults(20))
"""
"""Pages that the system has to map while blocks of 64 MB are made and freed: kept, and given back."""


@pytest.mark.skipif(sys.platform != "linux", reason="the C library is another")
def test_large_blocks_are_used_again() -> None:
    """In a process of its own: what other tests freed would be used again too."""
    printed = subprocess.run([sys.executable, "-c", COUNT], capture_output=True, text=True, check=True).stdout
    kept, returned = map(int, printed.split())
    assert kept < returned / 5


def test_an_error_passes() -> None:
    with pytest.raises(KeyError), freed_memory_kept():
        raise KeyError
