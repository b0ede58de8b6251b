"""Random damage to any file: one sentence, or a warning, never a raw error or other answers in silence."""

import shutil
from pathlib import Path

import pytest
from tests.gallery.damaging import make_gallery, try_damage, use

from semelha.index.settings import settings


@pytest.mark.parametrize("number", [15, pytest.param(60, marks=pytest.mark.slow)])
def test_some_damages(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "max_delta_size", 500)  # so that a small gallery has an index on disk
    gallery, probes = make_gallery(tmp_path)
    shutil.copytree(gallery, tmp_path / "reference")
    expected = use(tmp_path / "reference", probes)
    outcomes = [try_damage(gallery, probes, expected, seed, tmp_path) for seed in range(number)]
    assert not [one for one in outcomes if one.result not in ("same", "error", "warned")]
    assert {one.result for one in outcomes} >= {"same", "error"}
