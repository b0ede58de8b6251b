"""Numbers of rows. Small ones are places in the journal; the others are random, so that writers need not agree."""

from __future__ import annotations

import secrets

FIRST = 1 << 40  # that is random
TRIMMED = FIRST - 1  # of the row that says that places after the first were deleted
END = 1 << 63


def new_numbers(count: int) -> list[int]:
    """Consecutive numbers that begin at random.

    Two runs, of m and n numbers, overlap with a probability below (m + n) / 2^62.
    """
    start = FIRST + secrets.randbelow(END - count - FIRST)
    return list(range(start, start + count))
