"""Numbers of rows on Milvus, which no two writers draw twice."""

import secrets

import pytest

from semelha.store.milvus.numbers import new_numbers


def test_a_run_begins_anywhere() -> None:
    """So that 2^63 numbers, not a few blocks, keep two runs apart."""
    for modulus in (1 << 10, 1 << 23):
        assert len({new_numbers(1)[0] % modulus for _ in range(100)}) > 80


@pytest.mark.parametrize("drawn", [0, -1])
def test_a_run_has_room(drawn: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the places in the journal, and within 64 bits."""
    monkeypatch.setattr(secrets, "randbelow", lambda end: drawn % end)
    numbers = new_numbers(1000)
    assert numbers == list(range(numbers[0], numbers[0] + 1000))
    assert numbers[0] >= 1 << 40
    assert numbers[-1] < 1 << 63
