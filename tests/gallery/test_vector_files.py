"""Files of vectors are enrolled under their labels; a file that is not what it should be enrolls nothing."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.tiny_model import noise

import semelha
from semelha.bulk import vector_file
from semelha.embedders import Model
from semelha.errors import DatasetError, FingerprintMismatch, InvalidName, SemelhaError, UsageError
from semelha.gallery import Gallery, vectors

pa = pytest.importorskip("pyarrow")
import pyarrow.parquet as pq  # noqa: E402


@pytest.fixture
def gallery(tiny: Model, tmp_path: Path) -> Iterator[Gallery]:
    with Gallery.create(tmp_path / "shop", tiny, threads=1) as made:
        yield made


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for label in range(3):
        for number in range(4):
            path = tmp_path / "photos" / f"thing {label}" / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(noise(100 * label + number)).save(path)
    return tmp_path / "photos"


@pytest.fixture
def file(photos: Path, tiny: Model, tmp_path: Path) -> Path:
    return semelha.embed_files(tiny, photos, out=tmp_path / "vectors.parquet").path


def change(gallery: Gallery) -> object:
    return gallery.index_stats()["change"]


def test_the_gallery_is_that_of_the_pictures(gallery: Gallery, file: Path, photos: Path, tiny: Model) -> None:
    counts: list[tuple[int, int]] = []
    made = gallery.enroll_vector_file(file, progress=lambda *count: counts.append(count))
    assert vars(made) == {"subjects": 3, "added": 12, "duplicates": 0, "unlabelled": 0}
    assert counts == [(12, 12)]
    with Gallery.create(gallery.path.parent / "other", tiny, threads=1) as other:
        other.enroll_dataset(photos)
        for picture in (noise(1), noise(102), noise(7)):
            one, same = (each.identify(picture).to_json() for each in (gallery, other))
            assert one["candidates"][0]["subject"] == same["candidates"][0]["subject"]
            assert one["distance"] == pytest.approx(same["distance"], abs=1e-6)
    again = gallery.enroll_dataset(photos)
    assert sum(one.added for one in again) == 0, "the content hashes are those of the pictures"
    assert gallery.enroll_vector_file(file).duplicates == 12


def test_many_rows_take_many_transactions(
    gallery: Gallery, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A transaction ends with a subject, if rows of a subject follow one another; an interruption loses one at most."""
    monkeypatch.setattr(vectors, "TRANSACTION_SIZE", 3)

    def interrupt(done: int, _: int) -> None:
        if done == 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        gallery.enroll_vector_file(file, progress=interrupt)
    assert [len(gallery.examples(name)) for name in gallery] == [4, 4]
    monkeypatch.setattr(vectors, "LARGEST_TRANSACTION", 3)
    assert vars(gallery.enroll_vector_file(file)) == {"subjects": 3, "added": 4, "duplicates": 8, "unlabelled": 0}


def changed(table: Any, name: str, values: Any) -> Any:
    return table.set_column(table.schema.get_field_index(name), name, values)


def with_vectors(table: Any, make: Callable[[np.ndarray], Any], kind: Any = None) -> Any:
    matrix = np.float32(table.column("vector").to_pylist())
    return changed(table, "vector", pa.array(list(make(matrix)), kind or pa.list_(pa.float32(), 8)))


def of(matrix: np.ndarray, value: float) -> np.ndarray:
    found = matrix.copy()
    found[7, 2] = value
    return found


HOSTILE: dict[str, tuple[Callable[[Any], Any], type[SemelhaError], str]] = {
    "NaN": (lambda t: with_vectors(t, lambda m: of(m, np.nan)), DatasetError, "row 8 .*not finite"),
    "infinite": (lambda t: with_vectors(t, lambda m: of(m, -np.inf)), DatasetError, "row 8 .*not finite"),
    "huge": (lambda t: with_vectors(t, lambda m: of(m, 1e30)), UsageError, "too large for float32"),
    "double that overflows": (
        lambda t: with_vectors(t, lambda m: of(m.astype(np.float64), 1e300), pa.list_(pa.float64(), 8)),
        DatasetError,
        "not finite",
    ),
    "null vector": (lambda t: with_vectors(t, lambda m: [*m[:-1], None]), DatasetError, "list of 8 numbers|of size=8"),
    "null number": (
        lambda t: with_vectors(t, lambda m: [*m.tolist()[:-1], [None] * 8]),
        DatasetError,
        "list of 8 numbers",
    ),
    "ragged": (
        lambda t: with_vectors(t, lambda m: [*m.tolist()[:-2], [1.0] * 9, [1.0] * 7], pa.list_(pa.float32())),
        DatasetError,
        "list of 8 numbers",
    ),
    "other dimension": (
        lambda t: with_vectors(t, lambda m: m[:, :4], pa.list_(pa.float32(), 4)),
        DatasetError,
        "have 4 numbers: the model's have 8",
    ),
    "integers": (
        lambda t: with_vectors(t, lambda m: m.astype(int), pa.list_(pa.int32(), 8)),
        DatasetError,
        "must be lists of float32",
    ),
    "numbers as names": (lambda t: changed(t, "name", pa.array(range(12))), DatasetError, "must be text"),
    "bytes as names": (
        lambda t: changed(t, "name", pa.array([b"\xff"] * 12, pa.binary())),
        DatasetError,
        "must be text",
    ),
    "no names": (lambda t: t.drop_columns(["name"]), DatasetError, "0 columns called 'name'"),
    "two labels": (lambda t: t.append_column("label", t.column("label")), DatasetError, "2 columns called 'label'"),
    "null names": (lambda t: changed(t, "name", pa.nulls(12, pa.string())), DatasetError, "row without name"),
    "long name": (lambda t: changed(t, "name", pa.array(["x" * 5000] * 12)), DatasetError, "more than 4096 bytes"),
    "no labels": (lambda t: changed(t, "label", pa.nulls(12, pa.string())), DatasetError, "no row .* has a label"),
    "bad label": (lambda t: changed(t, "label", pa.array(["unknown"] * 12)), InvalidName, "nothing was"),
    "control characters": (lambda t: changed(t, "label", pa.array(["\x1b[31m"] * 12)), InvalidName, "nothing was"),
    "bad hash": (lambda t: changed(t, "content_hash", pa.array(["x"] * 12)), DatasetError, "content hash 'x'"),
    "invalid UTF-8": (
        lambda t: changed(t, "name", pa.StringArray.from_buffers(1, pa.array([0, 1], pa.int32()).buffers()[1],
                          pa.py_buffer(b"\xff")).take(pa.array([0] * 12))),
        DatasetError,
        "damaged",
    ),
    "another model": (lambda t: t.replace_schema_metadata({"semelha.fingerprint": "0" * 64}), FingerprintMismatch, "0"),
    "no model": (lambda t: t.replace_schema_metadata(None), DatasetError, "which model"),
    "newer": (lambda t: t.replace_schema_metadata({"semelha.vectors": "2"}), DatasetError, "newer semelha"),
}  # fmt: skip


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_file_enrolls_nothing(what: str, gallery: Gallery, file: Path, tmp_path: Path) -> None:
    make, kind, message = HOSTILE[what]
    pq.write_table(make(pq.read_table(file)), tmp_path / "hostile.parquet")
    before = change(gallery)
    with pytest.raises(kind, match=message):
        gallery.enroll_vector_file(tmp_path / "hostile.parquet")
    assert (len(gallery), change(gallery)) == (0, before)


def test_a_damaged_file_enrolls_nothing(gallery: Gallery, file: Path, tmp_path: Path) -> None:
    """Each byte of the file turned, and the file cut at each length, in steps: an error of ours, or the whole file."""
    data = file.read_bytes()
    damaged = tmp_path / "damaged.parquet"
    made = [data[:length] for length in range(0, len(data), 211)]
    for place in range(4, len(data), 89):
        made.append(data[:place] + bytes([data[place] ^ 0xFF]) + data[place + 1 :])
    errors = 0
    for each in made:
        damaged.write_bytes(each)
        try:
            gallery.enroll_vector_file(damaged)
        except SemelhaError:
            errors += 1
            assert len(gallery) == 0
        else:
            gallery.remove_all()
    assert errors > len(made) // 3


def test_a_row_group_too_large_for_memory(gallery: Gallery, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of few bytes can say that it has gigabytes: that is seen before they are read."""
    monkeypatch.setattr(vector_file, "MAX_GROUP", 100)
    with pytest.raises(DatasetError, match="smaller row groups"):
        gallery.enroll_vector_file(file)


@pytest.mark.skipif(os.name != "posix", reason="pipes")
def test_what_is_no_file(gallery: Gallery, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path, message in ((tmp_path / "pipe", "a pipe"), (tmp_path, "a folder"), (tmp_path / "none", "No such file")):
        with pytest.raises(DatasetError, match=message):
            gallery.enroll_vector_file(path)


def test_a_file_of_pandas(gallery: Gallery, file: Path, tiny: Model, tmp_path: Path) -> None:
    """Labels that were written by hand: no metadata, lists of any length, categories; rows without one stay out."""
    frame = pytest.importorskip("pandas").read_parquet(file)
    frame = frame.drop(columns=["label", "content_hash"])
    frame["subject"] = ["pear"] * 8 + ["fig"] * 3 + [None]
    frame["subject"] = frame["subject"].astype("category")
    frame.attrs = {}
    table = pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(None)
    pq.write_table(table, tmp_path / "edited.parquet")
    made = gallery.enroll_vector_file(tmp_path / "edited.parquet", fingerprint=tiny.fingerprint)
    assert vars(made) == {"subjects": 2, "added": 11, "duplicates": 0, "unlabelled": 1}
    assert gallery.identify(noise(0)).candidates[0].subject == "pear"
    with pytest.raises(FingerprintMismatch):
        gallery.enroll_vector_file(tmp_path / "edited.parquet", fingerprint="0" * 64)
    with pytest.raises(FingerprintMismatch):
        gallery.enroll_vector_file(file, fingerprint="0" * 64)
