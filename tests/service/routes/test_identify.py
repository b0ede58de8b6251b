"""Answers over HTTP are those of the gallery."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image
from tests.service.made import files, near, png
from tests.tiny_model import noise

from semelha.gallery import Gallery


def test_an_identification_is_that_of_the_gallery(reader: TestClient, shop: Path) -> None:
    pictures = [near(3), png(noise(700)), near(1)]
    found = reader.post("/api/v1/identify?k=2", files=files(*pictures)).json()
    with Gallery(shop) as gallery:
        expected = gallery.identify_many(pictures, k=2)
        assert found["model"] == gallery.model.fingerprint
    for answer, one in zip(found["answers"], expected, strict=True):
        for name in ("decision", "subject", "distance", "p_value", "probability", "target_fpir", "note"):
            assert answer[name] == getattr(one, name)
        assert [(each["subject"], each["distance"]) for each in answer["candidates"]] == [
            (each.subject, each.distance) for each in one.candidates
        ]
        assert [each["id"] for each in answer["candidates"][0]["examples"]] == [
            each.example for each in one.candidates[0].examples
        ]
    assert found["answers"][0]["decision"] == "known"
    assert found["answers"][0]["target_fpir"] == 0.1


def test_verify(reader: TestClient, shop: Path) -> None:
    with Gallery(shop) as gallery:
        pair = gallery.verify(near(3), png(noise(3))).to_json()
        subject = gallery.verify_subject(near(3), "s3").to_json()
        model = gallery.model.fingerprint
    assert reader.post("/api/v1/verify", files=files(near(3), png(noise(3)))).json() == pair | {"model": model}
    assert reader.post("/api/v1/subjects/s3/verify", files=files(near(3))).json() == subject | {"model": model}
    assert subject["same"] is True
    assert reader.post("/api/v1/subjects/s4/verify", files=files(near(3))).json()["same"] is False


@pytest.mark.parametrize(
    ("path", "pictures", "status"),
    [
        ("verify", [near(1)], 422),
        ("verify", [near(1)] * 3, 422),
        ("verify", [near(1), b"no picture"], 415),
        ("subjects/nobody/verify", [near(1)], 404),
        ("subjects/s1/verify", [near(1), near(1)], 422),
        ("identify?k=0", [near(1)], 422),
        ("identify?k=x", [near(1)], 422),
        ("explain?k=0", [near(1)], 422),
        ("explain", [near(1)] * 2, 422),
        ("explain", [b"no picture"], 415),
        ("embed", [b"no picture"], 415),
    ],
)
def test_what_cannot_be_answered(reader: TestClient, path: str, pictures: list[bytes], status: int) -> None:
    answer = reader.post(f"/api/v1/{path}", files=files(*pictures))
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"


def test_embed(reader: TestClient, shop: Path) -> None:
    found = reader.post("/api/v1/embed", files=files(near(3), b"no picture", near(4))).json()
    with Gallery(shop) as gallery:
        expected = gallery.model.embed([near(3), near(4)])
        assert (found["dim"], found["model"]) == (gallery.model.dim, gallery.model.fingerprint)
    assert found["vectors"][1] is None
    np.testing.assert_array_equal(np.array([found["vectors"][0], found["vectors"][2]], np.float32), expected)
    assert [one["position"] for one in found["skipped"]] == [1]


def test_explain_is_a_picture(reader: TestClient) -> None:
    answer = reader.post("/api/v1/explain", files=files(near(3)))
    assert answer.headers["content-type"] == "image/png"
    with Image.open(io.BytesIO(answer.content)) as image:
        assert image.format == "PNG"


def test_pictures_beyond_the_limits_of_the_server(shop: Path, serving: Any) -> None:
    client = serving(shop, max_pixels=1000)
    assert client.post("/api/v1/identify", files=files(near(1))).status_code == 200
    answer = client.post("/api/v1/identify", files=files(png(noise(1, side=40))))
    assert (answer.status_code, "1,600" in answer.text or "max_pixels" in answer.text) == (413, True)


def test_the_parts_that_matter_as_numbers(reader: TestClient) -> None:
    answer = reader.post("/api/v1/explain?format=json", files=files(near(1)))
    found = answer.json()
    assert found["subject"] == "s1"
    assert found["runner_up"] not in (None, "s1")
    assert (found["height"], found["width"]) == noise(1).shape[:2]
    rows, columns = np.shape(found["saliency"])
    assert rows * found["cell"] >= found["height"]
    assert columns * found["cell"] >= found["width"]
    assert np.shape(found["contrast"]) == (rows, columns)
    assert np.abs(found["saliency"]).max() > 0
