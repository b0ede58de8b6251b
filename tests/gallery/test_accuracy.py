"""The evaluation of a gallery on its own examples."""

from pathlib import Path

import numpy as np
import pytest
from tests.gallery.made import vectors

from semelha.embedders import Model
from semelha.errors import UsageError
from semelha.gallery import Gallery


def enroll(gallery: Gallery, name: str, *rows: np.ndarray) -> None:
    sources = [f"{name} {number}" for number in range(len(rows))]
    gallery.enroll_vectors(name, np.stack(rows), sources, fingerprint=gallery.model.fingerprint)


@pytest.fixture
def gallery(tiny: Model, tmp_path: Path) -> Gallery:
    """Ten subjects with two examples each, of which those of the last two are exchanged; and one with a single one."""
    made = Gallery.create(tmp_path / "gallery", tiny)
    base = vectors(0, 11, tiny.dim)
    near = base + 0.001 * vectors(100, 11, tiny.dim)
    near[[8, 9]] = near[[9, 8]]
    for number in range(10):
        enroll(made, f"s{number}", base[number], near[number])
    enroll(made, "single", base[10])
    return made


def test_examples_are_searched_among_all_others(gallery: Gallery) -> None:
    found = gallery.evaluate()
    assert (found.probes, found.subjects, found.single_example_subjects) == (20, 10, 1)
    assert found.r_at_1 == found.map_at_r == 0.8
    assert found.r_at_1_interval is not None
    assert 0.4 <= found.r_at_1_interval.low < 0.8 < found.r_at_1_interval.high <= 1
    assert found == gallery.evaluate()
    assert gallery.evaluate(max_probes=5).probes == 5


def test_without_two_examples_there_is_no_figure(tiny: Model, tmp_path: Path) -> None:
    with Gallery.create(tmp_path / "new", tiny) as gallery:
        assert gallery.evaluate().to_json() == {
            "probes": 0, "subjects": 0, "single_example_subjects": 0, "r_at_1": None, "r_at_1_interval": None,
            "map_at_r": None,
        }  # fmt: skip
        enroll(gallery, "a", vectors(0, 1, tiny.dim)[0])
        assert gallery.evaluate().single_example_subjects == 1
        for wrong in (0, 10**9):
            with pytest.raises(UsageError, match="max_probes"):
                gallery.evaluate(max_probes=wrong)
