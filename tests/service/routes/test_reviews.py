"""Reviews over HTTP: kept if the server is told to, shown to readers, named and dismissed by those who may enroll."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from tests.service.made import files, near, png
from tests.tiny_model import noise

from semelha.gallery import Gallery
from semelha.service.keys import KeyFile
from semelha.service.reviewing import ReviewKeeper

ROOT = "/api/v1"


def kept(client: TestClient, count: int, root: str = ROOT, last: int = 0) -> dict[str, Any]:
    """The reviews, as soon as there are so many, and the first one of the list is the `last`."""
    end = time.monotonic() + 20
    while True:
        found: dict[str, Any] = client.get(f"{root}/reviews").json()
        if found["total"] == count and (not last or found["reviews"][0]["id"] == last):
            return found
        assert time.monotonic() < end, found
        time.sleep(0.05)


@pytest.fixture
def keeping(new: Path, serving: Callable[..., TestClient], monkeypatch: pytest.MonkeyPatch) -> TestClient:
    """A server of an empty gallery that keeps what it does not know."""
    monkeypatch.setattr(ReviewKeeper, "wait_seconds", 0.0)
    return serving(new, keep_reviews=True, max_reviews=4)


def test_an_unknown_picture_is_kept_and_named(keeping: TestClient) -> None:
    keeping.post(f"{ROOT}/identify", files=files(png(noise(1)), png(noise(2)), b"no picture"))
    found = kept(keeping, 2, f"{ROOT}/galleries/new")
    assert (found["unknown"], found["uncertain"], found["is_keeping"], found["next"]) == (2, 0, True, None)
    second, first = found["reviews"]
    assert (first["source"], first["kind"], first["group"], first["has_picture"]) == ("0.png", "unknown", 1, True)
    for path in ("image", "thumbnail?side=16"):
        answer = keeping.get(f"{ROOT}/reviews/{first['id']}/{path}")
        assert (answer.headers["content-type"], answer.content[:4]) == ("image/webp", b"RIFF")
    done = keeping.post(f"{ROOT}/reviews/resolve", json={"ids": [first["id"]], "subject": "apple"})
    assert (done.status_code, done.json()["added"]) == (200, 1)
    example = done.json()["examples"][0]
    assert keeping.get(f"{ROOT}/examples/{example}").json()["source"] == "0.png"
    done = keeping.post(f"{ROOT}/reviews/dismiss", json={"ids": [second["id"]]})
    assert done.json() == {"dismissed": [second["id"]]}
    assert kept(keeping, 0)["reviews"] == []
    gone = keeping.get(f"{ROOT}/reviews/{second['id']}/image")
    assert (gone.status_code, gone.json()["type"]) == (404, "urn:semelha:problem:number-not-found")


def test_the_oldest_are_dropped_and_pages_follow_each_other(keeping: TestClient) -> None:
    for seed in range(6):
        keeping.post(f"{ROOT}/identify", files=files(png(noise(seed))))
        found = kept(keeping, min(4, seed + 1), last=seed + 1)
    pages, cursor = [], ""
    while cursor is not None:
        page = keeping.get(f"{ROOT}/reviews?limit=3{cursor and f'&cursor={cursor}'}").json()
        pages += page["reviews"]
        cursor = page["next"]
    assert pages == found["reviews"]
    assert keeping.get(f"{ROOT}/reviews?kind=uncertain").json()["reviews"] == []


def test_nothing_is_kept_unless_it_is_asked_for(reader: TestClient) -> None:
    reader.post(f"{ROOT}/identify", files=files(png(noise(500))))
    found = reader.get(f"{ROOT}/reviews").json()
    assert (found["reviews"], found["is_keeping"]) == ([], False)


def test_a_list_has_a_tag_that_follows_the_reviews(keeping: TestClient) -> None:
    keeping.post(f"{ROOT}/identify", files=files(png(noise(1)), png(noise(2))))
    number = kept(keeping, 2)["reviews"][0]["id"]
    tag = {"If-None-Match": keeping.get(f"{ROOT}/reviews").headers["etag"]}
    assert keeping.get(f"{ROOT}/reviews", headers=tag).status_code == 304
    assert keeping.get(f"{ROOT}/reviews/{number}/image", headers=tag).status_code == 304
    keeping.post(f"{ROOT}/reviews/dismiss", json={"ids": [number]})
    assert keeping.get(f"{ROOT}/reviews", headers=tag).status_code == 200
    assert keeping.get(f"{ROOT}/reviews/{number}/image", headers=tag).status_code == 404


def test_readers_may_look_alone(new: Path, serving: Callable[..., TestClient], tmp_path: Path) -> None:
    _, key = KeyFile(tmp_path / "keys.json").create("till", "read")
    client = serving(new, require_keys=True)
    client.headers["x-api-key"] = key
    assert client.get(f"{ROOT}/reviews").status_code == 200
    for path, content in (("resolve", {"ids": [1], "subject": "a"}), ("dismiss", {"ids": [1]})):
        assert client.post(f"{ROOT}/reviews/{path}", json=content).status_code == 403


@pytest.mark.parametrize(
    ("path", "content", "status"),
    [
        ("resolve", {"ids": [1], "subject": "a"}, 404),
        ("resolve", {"ids": [], "subject": "a"}, 422),
        ("resolve", {"ids": [1]}, 422),
        ("resolve", {"ids": ["1"], "subject": "a"}, 422),
        ("resolve", {"ids": [1], "subject": "unknown"}, 422),
        ("dismiss", {"ids": [-1]}, 422),
        ("dismiss", {"ids": [1 << 70]}, 422),
        ("dismiss", {"ids": [7], "more": 1}, 422),
        ("dismiss", {"ids": [7]}, 404),
    ],
)
def test_what_cannot_be_is_refused(client: TestClient, path: str, content: dict[str, Any], status: int) -> None:
    answer = client.post(f"{ROOT}/reviews/{path}", json=content)
    assert answer.status_code == status
    assert answer.json()["detail"]


def test_bad_queries(client: TestClient) -> None:
    for query in ("kind=lost", "limit=0", "cursor=x", "cursor=WzEsImEiXQ"):
        assert client.get(f"{ROOT}/reviews?{query}").status_code == 422
    assert client.get(f"{ROOT}/reviews/1/image").status_code == 404


def test_a_gallery_without_pictures_has_reviews_without(
    tiny: Any, tmp_path: Path, serving: Callable[..., TestClient]
) -> None:
    Gallery.create(tmp_path / "bare", tiny, keep_pictures=False).close()
    client = serving(tmp_path / "bare", keep_reviews=True)
    client.post(f"{ROOT}/identify", files=files(png(noise(1))))
    (one,) = kept(client, 1)["reviews"]
    answer = client.get(f"{ROOT}/reviews/{one['id']}/thumbnail")
    assert (one["has_picture"], answer.status_code) == (False, 404)
    assert answer.json()["type"] == "urn:semelha:problem:no-picture"


def test_what_was_accepted_is_kept_before_the_server_stops(new: Path, serving: Callable[..., TestClient]) -> None:
    client = serving(new, keep_reviews=True)
    client.post(f"{ROOT}/identify", files=files(*(near(seed) for seed in range(40))))
    client.app.state.galleries.close()  # type: ignore[attr-defined]
    with Gallery(new) as gallery:
        assert gallery.reviews().total == 40
