"""Embedding: any kind of source, the same vectors whatever the batch, and no torch."""

import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.tiny_model import noise

from semelha.embedders import FeatureEmbedder, Model, raw_pixels
from semelha.errors import PictureError, UsageError
from semelha.features import RawPixels
from semelha.images import Picture
from semelha.metrics import Cosine


def png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def test_a_file_its_bytes_its_pixels_and_a_picture_are_one(tiny: Model, tmp_path: Path) -> None:
    pixels = noise(0)
    file = tmp_path / "ü.png"
    file.write_bytes(png(pixels))
    vectors = tiny.embed([file, str(file), png(pixels), pixels, Picture(pixels, "", "p")])
    assert vectors.shape == (5, 8)
    assert vectors.dtype == np.float32
    np.testing.assert_array_equal(vectors, np.broadcast_to(vectors[0], vectors.shape))


def test_a_vector_does_not_depend_on_its_company(tiny: Model) -> None:
    pictures = [noise(i, side=10 + i) for i in range(23)]
    together = tiny.embed(pictures)
    np.testing.assert_allclose(tiny.embed(pictures, batch_size=5), together, atol=1e-6)
    np.testing.assert_allclose(tiny.embed(pictures[7:8]), together[7:8], atol=1e-6)


def test_the_vectors_are_those_of_the_definition(tiny: Model) -> None:
    from safetensors.numpy import load_file

    weights = load_file(tiny.folder / "weights.safetensors")["w"]
    pixels = np.random.default_rng(0).integers(0, 256, (4, 1, 16, 16), np.uint8)
    product = (pixels.reshape(4, -1).astype(np.float64) - 200.5) @ weights
    expected = product / np.linalg.norm(product, axis=1, keepdims=True)
    np.testing.assert_allclose(tiny.extractor.vectors(pixels), expected, atol=1e-4)


def test_nothing_in_nothing_out(tiny: Model) -> None:
    assert tiny.embed([]).shape == (0, 8)
    assert raw_pixels().embed([]).shape == (0, 1024)


def test_progress_counts_pictures(tiny: Model) -> None:
    told: list[tuple[int, int]] = []
    tiny.embed([noise(i) for i in range(10)], batch_size=4, progress=lambda done, total: told.append((done, total)))
    assert told == [(4, 10), (8, 10), (10, 10)]


def test_a_bad_picture_is_named(tiny: Model, tmp_path: Path) -> None:
    (tmp_path / "letter.png").write_text("Dear all,")
    with pytest.raises(PictureError, match=r"letter\.png"):
        tiny.embed([noise(0), tmp_path / "letter.png"])
    with pytest.raises(PictureError, match="picture 5"):
        tiny.embed([noise(0)] * 5 + [b"no picture"], batch_size=2)
    with pytest.raises(PictureError, match=r"nowhere\.png"):
        raw_pixels().embed([tmp_path / "nowhere.png"])


def test_one_picture_needs_no_list(tiny: Model, tmp_path: Path) -> None:
    pixels = noise(0)
    file = tmp_path / "a.png"
    file.write_bytes(png(pixels))
    expected = tiny.embed([pixels])
    one: list[object] = [file, str(file), png(pixels), io.BytesIO(png(pixels)), pixels, Image.fromarray(pixels)]
    for picture in (*one, Picture(file, "", "a"), iter(one[:1]), pixels[None], tuple(one[:1])):
        np.testing.assert_array_equal(tiny.embed(picture), expected)
    assert tiny.embed(pixels[:, :, 0]).shape == (1, 8)


@pytest.mark.parametrize("wrong", [None, 7, [None], [3.5], [[1, 2]], np.zeros((5, 6, 7), np.uint8), {1: 2}])
def test_what_is_no_picture_is_said_with_its_place(tiny: Model, wrong: object) -> None:
    with pytest.raises(UsageError, match=r"pictures(\[0\])? is .*PIL image or a Picture|several are a list"):
        tiny.embed(wrong)


def test_the_size_of_a_batch_is_checked(tiny: Model) -> None:
    for wrong in (0, -1, 2.0, None, True):
        with pytest.raises(UsageError, match="batch_size"):
            tiny.embed([noise(0)], batch_size=wrong)


def test_pixels_of_another_shape_are_refused(tiny: Model) -> None:
    for wrong in (
        np.zeros((2, 1, 16, 17), np.uint8),
        np.zeros((2, 1, 16, 16), np.float32),
        np.zeros((16, 16), np.uint8),
    ):
        with pytest.raises(UsageError, match="the model takes"):
            tiny.extractor.vectors(wrong)


def test_features_with_the_face_of_an_embedder() -> None:
    embedder = FeatureEmbedder(RawPixels(), Cosine())
    vectors = embedder.embed([noise(0), noise(1)])
    assert vectors.shape == (2, embedder.dim)
    assert (embedder.metric.name, raw_pixels().metric.name) == ("cosine", "euclidean")
    assert embedder.fingerprint != raw_pixels().fingerprint


def test_it_works_without_torch(tiny: Model) -> None:
    """The base install has none: the import is made to fail."""
    program = f"""
import sys
sys.modules["torch"] = None
import numpy, semelha
assert semelha.load_embedder({str(tiny.folder)!r}).embed([numpy.zeros((9, 9, 3), numpy.uint8) + 7]).shape == (1, 8)
"""
    subprocess.run([sys.executable, "-c", program], check=True)
