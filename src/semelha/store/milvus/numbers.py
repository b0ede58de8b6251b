"""Numbers of rows. Small ones are places in the journal; the others are random, so that writers need not agree."""

from __future__ import annotations

import secrets

BITS = 23  # of the position in a block
SMALLEST = 1 << 17  # of the number of a block


def new_numbers(count: int) -> list[int]:
    """Numbers that no other row has, in ascending order: a random block, of 2^40, has room for 2^23."""
    numbers: list[int] = []
    while len(numbers) < count:
        block = SMALLEST + secrets.randbelow((1 << 40) - SMALLEST)
        part = min(count - len(numbers), 1 << BITS)
        numbers += range(block << BITS, (block << BITS) + part)
    return sorted(numbers)
