"""A write that is sent again gets the answer of the first one."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi.testclient import TestClient
from tests.service.made import files, png, text
from tests.tiny_model import noise

from semelha.errors import GalleryNotWritable
from semelha.service.idempotency import LIFE, Answers
from semelha.service.keys import KeyFile
from semelha.service.problems import Problem
from semelha.service.state import State


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


def test_an_answer_is_that_of_another_process_and_of_before_a_restart(
    tmp_path: Path, new: Path, serving: Callable[..., TestClient]
) -> None:
    key, settings = {"Idempotency-Key": "k"}, {"state": tmp_path / "state.sqlite"}
    first, second = serving(new, **settings), serving(new, **settings)
    sent = first.post("/api/v1/subjects", json=body("a", 1), headers=key)
    again = second.post("/api/v1/subjects", json=body("a", 1), headers=key)
    assert (again.status_code, again.json(), again.headers["idempotent-replayed"]) == (201, sent.json(), "true")
    assert again.headers["content-type"] == sent.headers["content-type"]
    for client in (first, second):
        client.__exit__(None, None, None)
    after = serving(new, **settings).post("/api/v1/subjects", json=body("a", 1), headers=key)
    assert (after.status_code, after.json()) == (201, sent.json())


def test_a_request_of_a_killed_process_is_carried_out_again(tmp_path: Path) -> None:
    first, second = (State(tmp_path / "state.sqlite") for _ in range(2))
    assert Answers(first).claim(b"secret") is None
    with pytest.raises(Problem, match="409"):
        Answers(second).claim(b"secret")
    first.close()  # as if it was killed
    assert Answers(second).claim(b"secret") is None
    with pytest.raises(Problem, match="409"):
        Answers(second).claim(b"secret")
    second.close()


def test_names_are_not_in_the_state_of_the_server(
    tmp_path: Path, new: Path, serving: Callable[..., TestClient]
) -> None:
    """Neither in an answer nor in a path; the answer of the deletion itself is remembered too."""
    (tmp_path / "state").mkdir()
    client = serving(new, state=tmp_path / "state" / "state.sqlite")
    name = "grannysmith"
    for number, path in enumerate(("/api/v1/subjects", f"/api/v1/subjects/{name}/examples")):
        content = body(name, number) if not number else {"pictures": body(name, number)["pictures"]}
        assert client.post(path, json=content, headers={"Idempotency-Key": "k"}).json()["added"] == 1
    client.post("/api/v1/subjects", json=body("gala", 7))
    found = client.post("/api/v1/identify", files=files(png(noise(1))), headers={"Idempotency-Key": "k"})
    assert name in found.text
    clustered = client.post("/api/v1/cluster", files=files(png(noise(1)), png(noise(1))))
    assert name in clustered.text
    gone = [client.delete(f"/api/v1/subjects/{name}", headers={"Idempotency-Key": "k"}) for _ in range(2)]
    assert [one.json()["removed"] for one in gone] == [name] * 2
    content = b"".join(each.read_bytes() for each in (tmp_path / "state").iterdir())
    assert len(content) > 4096
    assert name.encode() not in content
    assert client.get("/api/v1/jobs").json()["jobs"][0]["problem"]["kind"] == "result-forgotten"


def test_an_answer_is_sent_though_it_cannot_be_remembered(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object) -> None:
        raise GalleryNotWritable("full")

    key = {"Idempotency-Key": "k"}
    with monkeypatch.context() as patch:
        patch.setattr(Answers, "keep", fail)
        assert client.post("/api/v1/subjects", json=body("a", 1), headers=key).status_code == 201
        patch.setattr(Answers, "claim", fail)
        refused = client.post("/api/v1/subjects", json=body("b", 2), headers=key)
        assert (refused.status_code, client.get("/api/v1/subjects").json()["total"]) == (507, 1)
    assert client.post("/api/v1/subjects", json=body("a", 1), headers=key).json()["added"] == 0


def test_an_answer_that_came_before_the_body_was_read(client: TestClient) -> None:
    key = {"Idempotency-Key": "k"}
    place = "/api/v1/galleries/other/subjects"
    answers = [client.post(place, json=body("a", 1), headers=key) for _ in range(2)]
    assert [one.status_code for one in answers] == [404, 404]


def test_a_clock_that_jumps_drops_no_answer_and_keeps_none_for_longer(
    state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clock of the machine starts again with it: answers of before are remembered for another day at most."""
    answers, clock = Answers(state), [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])

    def kept(secret: bytes) -> bool:
        answer = answers.claim(secret)
        if answer is None:
            answers.release(secret)
        return answer is not None

    def keep(secret: bytes) -> None:
        assert answers.claim(secret) is None
        messages = [{"type": "http.response.start", "status": 200, "headers": []}, {"type": "http.response.body"}]
        answer: Any = SimpleNamespace(digest=b"digest", messages=messages)
        answers.keep(secret, answer)

    keep(b"a" * 32)
    for jump in (1e9, -1e9):
        with monkeypatch.context() as patch:
            patch.setattr(time, "time", lambda jump=jump: 1.8e9 + jump)
            assert kept(b"a" * 32)
    clock[0] += LIFE - 1
    assert kept(b"a" * 32)
    keep(b"b" * 32)
    clock[0] = 10.0  # the machine was started again
    assert kept(b"a" * 32)
    assert kept(b"b" * 32)
    clock[0] += LIFE + 1
    assert not kept(b"a" * 32)
    assert not kept(b"b" * 32)
