"""Subjects over HTTP: listed in pages, enrolled, renamed, removed, merged."""

from typing import Any

import pytest
from fastapi.testclient import TestClient
from tests.service.made import files, near, png, text
from tests.tiny_model import noise


def enroll(client: TestClient, name: str, *seeds: int) -> dict[str, Any]:
    answer = client.post("/api/v1/subjects", data={"name": name}, files=files(*(png(noise(seed)) for seed in seeds)))
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_pages_have_every_subject_once(reader: TestClient) -> None:
    names, cursor = [], None
    while True:
        query = {"limit": 7, "sort": "-name", "search": "S"} | ({"cursor": cursor} if cursor else {})
        page = reader.get("/api/v1/subjects", params=query).json()
        assert page["total"] == 40
        names += [one["name"] for one in page["subjects"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert names == sorted((f"s{n}" for n in range(40)), reverse=True)
    assert reader.get("/api/v1/subjects?sort=-examples&limit=1").json()["subjects"][0] == {
        "name": "s1", "examples": 2, "created": reader.get("/api/v1/subjects/s1").json()["created"],
    }  # fmt: skip


@pytest.mark.parametrize(
    "cursor", ["x", "W10", "WzFd", "bnVsbA", "WyJhIiwgMSwgImIi", "é", "W" * 1000, "WyJcdWQ4MDAiLDEsIngiXQ"]
)
def test_a_cursor_that_is_none(reader: TestClient, cursor: str) -> None:
    answer = reader.get("/api/v1/subjects", params={"cursor": cursor})
    assert (answer.status_code, "next" in answer.json()["detail"]) == (422, True)


def test_enrolling_tells_what_is_new_and_what_cannot_be_used(client: TestClient) -> None:
    assert enroll(client, "a", 1)["added"] == 1
    answer = client.post("/api/v1/subjects", data={"name": " a "}, files=files(png(noise(1)), b"none", png(noise(2))))
    found = answer.json()
    assert (found["subject"], found["added"], found["duplicates"]) == ("a", 1, ["0.png"])
    assert [one["name"] for one in found["skipped"]] == ["1.png"]
    assert "a is a new" not in str(found["warnings"])
    assert enroll(client, "A", 3)["warnings"] == ["A is a new subject, although a has a similar name"]
    json = client.post("/api/v1/subjects", json={"name": "b", "pictures": [{"data": text(png(noise(4)))}]})
    assert json.json()["added"] == 1


@pytest.mark.parametrize("name", ["", "  ", "Unknown", "a\nb", "a\x00b", "x" * 201, "x" * 10_000, "x" * 10_001])
def test_names_that_no_subject_can_have(client: TestClient, name: str) -> None:
    enroll(client, "a", 1)
    body = {"name": name, "pictures": [{"data": text(png(noise(1)))}]}
    for answer in (
        client.post("/api/v1/subjects", json=body),
        client.patch("/api/v1/subjects/a", json={"name": name}),
    ):
        assert answer.status_code == 422, answer.text
        assert len(answer.json()["detail"]) < 400
    assert [one["name"] for one in client.get("/api/v1/subjects").json()["subjects"]] == ["a"]


def test_rename_and_remove(client: TestClient) -> None:
    enroll(client, "a", 1)
    enroll(client, "b", 2)
    assert client.patch("/api/v1/subjects/a", json={"name": "b"}).status_code == 409
    assert client.patch("/api/v1/subjects/a", json={"name": "c"}).json()["name"] == "c"
    assert client.patch("/api/v1/subjects/a", json={"name": "d"}).status_code == 404
    assert client.delete("/api/v1/subjects/c").json() == {"removed": "c", "examples": 1}
    assert client.delete("/api/v1/subjects/c").status_code == 404
    assert client.post("/api/v1/identify", files=files(near(1))).json()["answers"][0]["subject"] == "b"
    for body in ({}, {"name": 1}, {"name": "x", "more": 1}, []):
        assert client.patch("/api/v1/subjects/b", json=body).status_code == 422


def test_merge_and_undo(client: TestClient) -> None:
    enroll(client, "a", 1, 2)
    enroll(client, "b", 2, 3)
    merge = client.post("/api/v1/subjects/a/merge", json={"into": "b"}).json()
    assert (merge["source"], merge["into"], merge["moved"], merge["shared"]) == ("a", "b", 1, 1)
    assert client.get("/api/v1/merges").json() == [merge]
    enroll(client, "c", 5)
    later = client.post("/api/v1/subjects/b/merge", json={"into": "c"}).json()
    early = client.post(f"/api/v1/merges/{merge['id']}/undo")
    assert (early.status_code, str(later["id"]) in early.json()["detail"]) == (409, True)
    assert client.post(f"/api/v1/merges/{later['id']}/undo").json()["name"] == "b"
    assert client.post(f"/api/v1/merges/{merge['id']}/undo").json() == client.get("/api/v1/subjects/a").json()
    assert client.post(f"/api/v1/merges/{merge['id']}/undo").status_code == 404
    assert client.post("/api/v1/subjects/a/merge", json={"into": "a"}).status_code == 422
    assert client.post("/api/v1/subjects/a/merge", json={"into": "nobody"}).status_code == 404


def test_a_merge_that_another_request_undoes_at_once(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    for seed in (1, 2):
        client.post("/api/v1/subjects", data={"name": f"s{seed}"}, files=files(png(noise(seed))))
    gallery = client.app.state.galleries.get(None).gallery  # type: ignore[attr-defined]
    merge = gallery.merge

    def merge_and_undo(*names: str) -> int:
        number: int = merge(*names)
        gallery.unmerge(number)
        return number

    monkeypatch.setattr(gallery, "merge", merge_and_undo)
    assert client.post("/api/v1/subjects/s1/merge", json={"into": "s2"}).status_code == 404


def test_reads_end_with_304_until_something_changes(client: TestClient) -> None:
    enroll(client, "a", 1)
    paths = ["/subjects", "/subjects/a", "/subjects/a/examples", "/examples/1", "/merges", "/calibration", "/model"]
    for path in paths:
        first = client.get(f"/api/v1{path}")
        again = client.get(f"/api/v1{path}", headers={"If-None-Match": f'"x", W/{first.headers["etag"]}'})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", first.headers["etag"]), path
        enroll(client, "b", hash(path) % 1000 + 10)
        changed = client.get(f"/api/v1{path}", headers={"If-None-Match": first.headers["etag"]})
        assert changed.status_code == 200
