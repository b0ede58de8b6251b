"""Bodies of requests: a form or JSON, pictures as files or base64, crops; and everything that is neither."""

import json
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from tests.service.made import files, near, png, text
from tests.tiny_model import noise


def identified(client: TestClient, **request: Any) -> list[dict[str, Any]]:
    answer = client.post("/api/v1/identify", **request)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["answers"]
    return found


def test_a_form_and_json_are_answered_alike(reader: TestClient) -> None:
    form = identified(reader, files=files(near(3), near(4)))
    pictures = [
        {"data": text(near(3)), "name": "0.png"},
        {"data": "data:image/png;base64," + text(near(4)), "name": "1.png"},
    ]
    assert identified(reader, json={"pictures": pictures}) == form
    assert [one["subject"] for one in form] == ["s3", "s4"]
    assert [(one["position"], one["picture"]) for one in form] == [(0, "0.png"), (1, "1.png")]


def test_a_box_cuts_the_picture(reader: TestClient) -> None:
    sheet = np.concatenate([noise(500), noise(7)], axis=1)  # 20 × 40 pixels
    box = [20, 0, 40, 20]
    (found,) = identified(reader, json={"pictures": [{"data": text(png(sheet)), "box": box}]})
    assert (found["subject"], found["distance"]) == ("s7", pytest.approx(0, abs=1e-5))
    for written in ("20,0,40,20", "20 0 40 20"):
        assert identified(reader, files=files(png(sheet)), data={"box": written})[0]["subject"] == "s7"
    both = identified(reader, files=files(png(sheet), png(sheet)), data={"box": ["20,0,40,20", ""]})
    assert both[0]["distance"] != both[1]["distance"]


def test_a_picture_of_several_that_cannot_be_used_is_listed(reader: TestClient) -> None:
    answer = reader.post("/api/v1/identify", files=files(b"no picture", near(3), b"")).json()
    assert [one["position"] for one in answer["answers"]] == [1]
    assert [(one["position"], one["name"]) for one in answer["skipped"]] == [(0, "0.png"), (2, "2.png")]
    assert "no picture" in answer["skipped"][0]["reason"]


def pictures(**more: Any) -> dict[str, Any]:
    return {"pictures": [{"data": text(near(3)), **more}]}


@pytest.mark.parametrize(
    ("content", "status", "said"),
    [
        ({}, 422, "pictures"),
        ({"pictures": []}, 422, "pictures"),
        ({"pictures": [{}]}, 422, "data"),
        ({"pictures": [{"data": "?"}]}, 422, "base64"),
        ({"pictures": [{"data": "abc"}]}, 422, "base64"),
        ({"pictures": [{"data": 5}]}, 422, "data"),
        ({"pictures": [{"data": ""}]}, 415, "empty"),
        ({"pictures": [{"data": text(b"text")}]}, 415, "no picture"),
        ({"pictures": [{"data": text(near(3)[:60])}]}, 422, "damaged"),
        ({"pictures": [{"data": "/etc/passwd"}]}, 422, "base64"),
        ({"pictures": [{"data": "file:///etc/passwd"}]}, 422, "base64"),
        ({"pictures": ["https://example.org/a.png"]}, 422, "pictures"),
        ({"pictures": [{"url": "https://example.org/a.png"}]}, 422, "url"),
        (pictures(box=[1, 2, 3]), 422, "box"),
        (pictures(box=[0, 0, 1e300, 1]), 422, "box"),
        (pictures(box=[0, 0, 99, 99]), 422, "box"),
        (pictures(box=[5, 5, 5, 5]), 422, "box"),
        (pictures(name="x" * 201), 422, "name"),
        (pictures(other=1), 422, "other"),
        ({**pictures(), "subject": "a"}, 422, "subject"),
        ({"pictures": 65 * pictures()["pictures"]}, 413, "at most 64"),
        ([], 422, "an object"),
        ("text", 422, "an object"),
    ],
)
def test_bad_json(reader: TestClient, content: Any, status: int, said: str) -> None:
    answer = reader.post("/api/v1/identify", json=content)
    assert (answer.status_code, said in answer.json()["detail"]) == (status, True), answer.text
    assert text(near(3))[:20] not in answer.text


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b'{"pictures": [], "pictures": []}',
        b'{"pictures": NaN}',
        b"[" * 10_000,
        b'{"a":' * 10_000,
        b'{"pictures": "\\ud800"}',
        b"0" * 5000,
    ],
    ids=range(9),
)
def test_json_that_is_none_or_deep(reader: TestClient, body: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    answer = reader.post("/api/v1/identify", content=body, headers=headers)
    assert answer.status_code == 422, answer.text
    assert len(answer.json()["detail"]) < 300
    assert reader.patch("/api/v1/subjects/s1", content=body, headers=headers).status_code in (400, 422)


@pytest.mark.parametrize(
    ("form", "status"),
    [
        ({"files": [("picture", ("a", near(3))), ("other", ("b", near(3)))]}, 422),
        ({"files": files(near(3)), "data": {"box": ["1,1,5,5", "1,1,5,5"]}}, 422),
        ({"files": files(near(3)), "data": {"box": "a,b,c,d"}}, 422),
        ({"files": files(near(3)), "data": {"unknown": "x"}}, 422),
        ({"data": {"picture": "/etc/passwd"}}, 415),
        ({"files": {"x": ""}}, 422),
        ({"files": 70 * files(near(3))}, 400),
        ({"content": near(3), "headers": {"Content-Type": "image/png"}}, 415),
        ({"content": near(3)}, 415),
        ({"content": b"--x\r\n", "headers": {"Content-Type": "multipart/form-data; boundary=x"}}, 422),
        ({"content": b"abc", "headers": {"Content-Type": "multipart/form-data"}}, 400),
        ({"content": b"abc", "headers": {"Content-Type": "multipart/form-data; boundary=x"}}, 400),
    ],
)
def test_bad_forms(reader: TestClient, form: dict[str, Any], status: int) -> None:
    answer = reader.post("/api/v1/identify", **form)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"


def test_the_name_of_a_file_is_text_and_one_line(client: TestClient) -> None:
    name = "../../<script>\x1b[31m\u202e.png"
    body = {"name": "a", "pictures": [{"data": text(png(noise(1))), "name": name}]}
    client.post("/api/v1/subjects", json=body)
    (example,) = client.get("/api/v1/subjects/a/examples").json()["examples"]
    assert example["source"] == "../../<script>\ufffd[31m\ufffd.png"
    answer = client.get("/api/v1/subjects/a/examples")
    assert answer.headers["content-type"] == "application/json"
    assert json.loads(answer.text)["examples"][0]["source"] == example["source"]
