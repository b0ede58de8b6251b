"""The device and precision of a training are chosen without a note of Lightning for each training."""

import logging

import pytest

from semelha.deep import train


@pytest.mark.parametrize("is_fast", [True, False])
def test_the_precision_is_chosen_silently(is_fast: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []

    class Heard(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.append(record.getMessage())

    monkeypatch.setattr(train, "_computes_bf16", lambda device: is_fast)
    handler, notes = Heard(), logging.getLogger("lightning.fabric")
    notes.addHandler(handler)
    try:
        fabric = train.default_fabric("cpu")
        logging.getLogger("lightning.fabric.utilities.rank_zero").info("another note")
    finally:
        notes.removeHandler(handler)
    assert fabric._precision.precision == ("bf16-mixed" if is_fast else "32-true")
    assert said == ["another note"]
