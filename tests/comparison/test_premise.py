"""New classes by retraining a classifier and by enrolling: both are done, and the report says what came of it."""

from pathlib import Path

import pytest
from tests.comparison.pictures import pictures

from semelha.comparison.methods import feature_methods
from semelha.comparison.premise import measure_premise
from semelha.comparison.study import Base, Study, divide
from semelha.images import Dataset
from semelha.index import AutoIndex
from semelha.language import words_in


def test_new_classes_are_embedded_and_enrolled_in_an_index_that_is_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved, embedded = [], []
    save, embed = AutoIndex.save, Base.embed

    def note_save(self: AutoIndex, folder: Path) -> None:
        saved.append(len(self))
        save(self, folder)

    def note_embed(self: Base, some: Dataset) -> object:
        embedded.append(len(some))
        return embed(self, some)

    monkeypatch.setattr(AutoIndex, "save", note_save)
    monkeypatch.setattr(Base, "embed", note_embed)
    data = pictures()
    base = next(feature_methods()).base
    assert base is not None
    found = measure_premise(Study(data, divide(data, 0), tmp_path, 0), base)
    assert (saved, embedded) == ([12, 18], [6])  # two pictures of each class
    assert all(way.seconds > 0 and min(way.new.value, way.known.value) > 0.8 for way in found.ways)
    assert "3 classes are added to 6" in found.text(words_in("en"))
    assert "3 classes são acrescentadas a 6" in found.text(words_in("pt-BR"))
