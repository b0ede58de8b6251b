"""Recognition and verification as CompreFace has them: the answers of the gallery in its fields."""

from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from tests.service.made import near, png, text
from tests.tiny_model import noise

from semelha.gallery import Gallery
from semelha.service.compreface.answers import similarity

RECOGNIZE, VERIFY = "/api/v1/recognition/recognize", "/api/v1/verification/verify"


def test_the_answer_is_that_of_the_gallery(reader: TestClient, shop: Path) -> None:
    answer = reader.post(f"{RECOGNIZE}?prediction_count=4", json={"file": text(near(3))})
    (found,) = answer.json()["result"]
    with Gallery(shop) as gallery:
        expected = gallery.identify(near(3), k=4)
        metric = gallery.model.metric
    assert [one["subject"] for one in found["subjects"]] == [one.subject for one in expected.candidates]
    assert found["subjects"][0]["similarity"] == similarity(expected.distance or 0.0, metric, True)
    assert (found["decision"], found["p_value"], found["target_fpir"]) == ("known", expected.p_value, 0.1)
    assert "x-ignored-parameters" not in answer.headers


def test_parameters_that_change_nothing_are_listed(reader: TestClient) -> None:
    query = "limit=1&det_prob_threshold=0.9&status=true&detect_faces=false&face_plugins=age,calculator"
    answer = reader.post(f"{RECOGNIZE}?{query}", files={"file": near(3)})
    assert answer.status_code == 200
    assert len(answer.json()["result"][0]["embedding"]) == 8
    expected = "limit, det_prob_threshold, detect_faces, status, face_plugins"
    assert answer.headers["x-ignored-parameters"] == expected


def test_a_box_is_used_and_answered(reader: TestClient) -> None:
    for sent in ({"json": {"file": text(near(3)), "box": [2, 3, 12, 16]}},
                 {"files": {"file": near(3)}, "data": {"box": "2,3,12,16"}}):  # fmt: skip
        (found,) = reader.post(RECOGNIZE, **sent).json()["result"]  # type: ignore[arg-type]
        box = found["box"]
        assert (box["x_min"], box["y_min"], box["x_max"], box["y_max"]) == (2, 3, 12, 16)
    assert reader.post(RECOGNIZE, json={"file": text(near(3)), "box": [0, 0, 99, 99]}).json()["code"] == 21


def test_a_picture_and_one_example_are_compared(client: TestClient) -> None:
    """The other examples of the subject do not count."""
    ids = [
        client.post("/api/v1/recognition/faces?subject=a", files={"file": png(noise(seed))}).json()["image_id"]
        for seed in (1, 2)
    ]
    first, second = [
        client.post(f"/api/v1/recognition/faces/{one}/verify", files={"file": near(1)}).json()["result"][0]
        for one in ids
    ]
    assert 1 > first["similarity"] > second["similarity"] > 0
    assert (first["same"], first["subject"]) == (None, "a")
    unknown = client.post(
        "/api/v1/recognition/faces/00000000-0000-0000-0000-0000000003e7/verify", files={"file": near(1)}
    )
    assert (unknown.status_code, unknown.json()["code"]) == (404, 44)


def test_two_pictures_are_compared(reader: TestClient, shop: Path) -> None:
    sent = {"source_image": text(near(3)), "target_image": text(png(noise(3))), "target_box": [0, 0, 20, 20]}
    (found,) = reader.post(VERIFY, json=sent).json()["result"]
    with Gallery(shop) as gallery:
        expected = gallery.verify(near(3), png(noise(3)))
    (match,) = found["face_matches"]
    assert (match["same"], match["p_value"]) == (True, expected.p_value)
    answer = reader.post(VERIFY, json={"source_image": text(near(3))})
    assert answer.json() == {"message": "Required part target_image is missing", "code": 34}


@pytest.mark.parametrize("content", [{"file": "!"}, {"file": ""}, {"file": "AAAA"}, {}, []])
@pytest.mark.parametrize("query", ["", "?prediction_count=0", "?limit=-1"])
def test_what_cannot_be_used_is_an_error_of_compreface(reader: TestClient, content: object, query: str) -> None:
    answer = reader.post(f"{RECOGNIZE}{query}", json=content)
    assert answer.status_code == 400
    assert set(answer.json()) == {"message", "code"}
