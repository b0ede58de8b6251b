"""A write that is sent again gets the answer of the first one."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from tests.service.made import files, png, text
from tests.tiny_model import noise

from semelha.service.keys import KeyFile


def body(name: str, seed: int) -> dict[str, Any]:
    return {"name": name, "pictures": [{"data": text(png(noise(seed)))}]}


def test_a_write_is_done_once(client: TestClient) -> None:
    key = {"Idempotency-Key": "k1"}
    first = client.post("/api/v1/subjects", json=body("a", 1), headers=key)
    again = client.post("/api/v1/subjects", json=body("a", 1), headers=key)
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    assert first.json()["added"] == 1
    assert again.headers["idempotent-replayed"] == "true"
    assert "idempotent-replayed" not in first.headers
    assert first.headers["x-request-id"] != again.headers["x-request-id"]
    assert len(again.headers.get_list("x-request-id")) == 1
    removed = [client.delete("/api/v1/subjects/a", headers=key) for _ in range(2)]
    assert [one.status_code for one in removed] == [200, 200]
    assert client.delete("/api/v1/subjects/a").status_code == 404


def test_a_key_for_another_request_is_refused(client: TestClient) -> None:
    key = {"Idempotency-Key": "k1"}
    client.post("/api/v1/subjects", json=body("a", 1), headers=key)
    answer = client.post("/api/v1/subjects", json=body("b", 1), headers=key)
    assert answer.status_code == 422
    assert answer.json()["type"].endswith("key-reused")
    assert client.get("/api/v1/subjects").json()["total"] == 1
    for wrong in ("", "x" * 201):
        assert client.post("/api/v1/subjects", json=body("b", 1), headers={"Idempotency-Key": wrong}).status_code == 400


def test_keys_of_two_callers_do_not_meet(tmp_path: Path, new: Path, serving: Callable[..., TestClient]) -> None:
    client = serving(new, require_keys=True)
    keys = [KeyFile(tmp_path / "keys.json").create("app", "enroll")[1] for _ in range(2)]
    added = [
        client.post("/api/v1/subjects", json=body("a", 1), headers={"Idempotency-Key": "k", "X-API-Key": key})
        for key in keys
    ]
    assert [one.json()["added"] for one in added] == [1, 0]


def test_while_the_first_is_answered_the_second_is_refused(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    gallery = client.app.state.galleries.get(None).gallery  # type: ignore[attr-defined]
    begun, release = threading.Event(), threading.Event()
    whole = gallery.enroll

    def slow(*args: Any, **kwargs: Any) -> Any:
        begun.set()
        release.wait(10)
        return whole(*args, **kwargs)

    monkeypatch.setattr(gallery, "enroll", slow)
    answers: list[Any] = []

    def send() -> None:
        answers.append(client.post("/api/v1/subjects", json=body("a", 1), headers={"Idempotency-Key": "k"}))

    thread = threading.Thread(target=send)
    thread.start()
    begun.wait(10)
    send()
    release.set()
    thread.join()
    assert sorted(one.status_code for one in answers) == [201, 409]
    send()
    assert answers[-1].status_code == 201


def test_a_request_that_may_be_sent_again_is_not_remembered(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    gallery = client.app.state.galleries.get(None).gallery  # type: ignore[attr-defined]
    key = {"Idempotency-Key": "k"}
    with monkeypatch.context() as patch:
        patch.setattr(gallery._store, "read_only", "no space")
        assert client.post("/api/v1/subjects", json=body("a", 1), headers=key).status_code == 507
    assert client.post("/api/v1/subjects", json=body("a", 1), headers=key).status_code == 201
    assert client.get("/api/v1/subjects", headers=key).status_code == 200
    assert client.post("/api/v1/identify", files=files(png(noise(1))), headers=key).status_code == 200
