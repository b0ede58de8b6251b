"""Subjects as CompreFace has them, also without examples."""

from fastapi.testclient import TestClient
from tests.service.made import png
from tests.tiny_model import noise

SUBJECTS, FACES = "/api/v1/recognition/subjects", "/api/v1/recognition/faces"


def names(client: TestClient) -> list[str]:
    found: list[str] = client.get(f"{SUBJECTS}/").json()["subjects"]
    assert client.get(SUBJECTS).json() == {"subjects": found}
    return found


def test_a_subject_without_examples_is_renamed_deleted_and_gets_examples(client: TestClient) -> None:
    for name in ("a", "b", "c/d"):
        assert client.post(SUBJECTS, json={"subject": name}).status_code == 201
    assert client.put(f"{SUBJECTS}/c%2Fd", json={"subject": "e"}).json() == {"updated": True}
    assert client.delete(f"{SUBJECTS}/b").json() == {"subject": "b"}
    assert names(client) == ["a", "e"]
    client.post(f"{FACES}?subject=a", files={"file": png(noise(1))})
    assert names(client) == ["a", "e"]
    assert client.get("/api/v1/subjects").json()["total"] == 1
    assert client.put(f"{SUBJECTS}/e", json={"subject": "a"}).json() == {"updated": True}
    assert names(client) == ["a"]
    client.post(SUBJECTS, json={"subject": "f"})
    assert client.delete(SUBJECTS).json() == {"deleted": 2}
    assert names(client) == []


def test_a_name_that_is_in_use_or_is_none(client: TestClient) -> None:
    client.post(f"{FACES}?subject=a", files={"file": png(noise(1))})
    client.post(SUBJECTS, json={"subject": "b"})
    for name, code in (("a", 43), (" b ", 43), ("", 26), ("unknown", 26), ("a\u2028b", 26)):
        answer = client.post(SUBJECTS, json={"subject": name})
        assert (answer.status_code, answer.json()["code"]) == (400, code), name
    for method in ("PUT", "DELETE"):
        answer = client.request(method, f"{SUBJECTS}/nobody", json={"subject": "c"})
        assert (answer.status_code, answer.json()["code"]) == (404, 42)
    assert client.put(f"{SUBJECTS}/a", json={"subject": " a"}).json() == {"updated": False}
    assert names(client) == ["a", "b"]


def test_a_name_that_gets_examples_elsewhere_is_no_empty_subject_any_more(client: TestClient) -> None:
    client.post(SUBJECTS, json={"subject": "a"})
    client.post("/api/v1/subjects", data={"name": "a"}, files={"picture": png(noise(1))})
    assert names(client) == ["a"]
    client.delete("/api/v1/subjects/a")
    assert names(client) == []
