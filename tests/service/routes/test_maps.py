"""The map over HTTP: columns for all examples, and a job for what takes long."""

from collections.abc import Callable
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from tests.service.made import files, png
from tests.tiny_model import noise

from semelha.gallery import layouts
from semelha.service.keys import KeyFile

ROOT = "/api/v1"


@pytest.fixture
def filled(client: TestClient) -> TestClient:
    for subject in "ba":
        pictures = files(*(png(noise(10 * ord(subject) + number)) for number in range(6)))
        client.post(f"{ROOT}/subjects", data={"name": subject}, files=pictures)
    return client


def test_columns_of_all_examples(filled: TestClient) -> None:
    answer = filled.get(f"{ROOT}/galleries/new/map")
    found = answer.json()
    assert {len(found[name]) for name in ("ids", "subject", "x", "y")} == {12}
    assert (found["method"], found["subjects"], found["is_current"]) == ("pca", ["b", "a"], True)
    assert [found["subjects"][place] for place in found["subject"]] == ["b"] * 6 + ["a"] * 6
    assert max(map(abs, found["x"] + found["y"])) == 1
    assert found["revision"] in answer.headers["etag"]
    assert filled.get(f"{ROOT}/examples/{found['ids'][0]}").json()["subject"] == "b"


def test_an_empty_gallery_has_an_empty_map(client: TestClient) -> None:
    assert client.get(f"{ROOT}/map").json()["ids"] == []


def test_an_answer_has_a_tag(filled: TestClient) -> None:
    tag = {"If-None-Match": filled.get(f"{ROOT}/map").headers["etag"]}
    assert filled.get(f"{ROOT}/map", headers=tag).status_code == 304
    filled.delete(f"{ROOT}/subjects/a")
    assert filled.get(f"{ROOT}/map", headers=tag).status_code == 200


def test_what_takes_long_is_a_job(filled: TestClient) -> None:
    pytest.importorskip("sklearn")
    missing = filled.get(f"{ROOT}/map?method=tsne")
    assert (missing.status_code, missing.json()["type"]) == (404, "urn:semelha:problem:no-map")
    job = filled.post(f"{ROOT}/map?wait=30", json={"method": "tsne"}).json()
    assert (job["kind"], job["state"], job["result"]["examples"]) == ("map", "done", 12)
    answer = filled.get(f"{ROOT}/map?method=tsne")
    tag = {"If-None-Match": answer.headers["etag"]}
    assert filled.get(f"{ROOT}/map?method=tsne", headers=tag).status_code == 304
    filled.delete(f"{ROOT}/subjects/a")
    later = filled.get(f"{ROOT}/map?method=tsne", headers=tag).json()
    assert (len(later["ids"]), later["is_current"], answer.json()["is_current"]) == (6, False, True)
    filled.post(f"{ROOT}/map?wait=30", json={"method": "tsne", "seed": 1})
    assert filled.get(f"{ROOT}/map?method=tsne").json()["is_current"]


def test_what_cannot_be_is_refused(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layouts, "find_spec", lambda name: None)
    refused = client.post(f"{ROOT}/map", json={"method": "umap"})
    assert (refused.status_code, refused.json()["detail"]) == (
        501,
        "the map by umap needs the package umap-learn: pip install umap-learn",
    )
    assert client.get(f"{ROOT}/map?method=mds").status_code == 422
    for content in ({"method": "mds"}, {}, {"method": "pca", "seed": -1}):
        assert client.post(f"{ROOT}/map", json=content).status_code == 422


def test_readers_look_and_do_not_compute(new: Path, serving: Callable[..., TestClient], tmp_path: Path) -> None:
    _, key = KeyFile(tmp_path / "keys.json").create("till", "read")
    client = serving(new, require_keys=True)
    client.headers["x-api-key"] = key
    assert client.get(f"{ROOT}/map").status_code == 200
    assert client.post(f"{ROOT}/map", json={"method": "tsne"}).status_code == 403
