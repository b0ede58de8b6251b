"""Examples over HTTP: listed, added, shown without metadata, moved, removed; and rejections."""

import io

import pytest
from fastapi.testclient import TestClient
from PIL import Image
from tests.service.made import files, near, png, text
from tests.service.routes.test_subjects import enroll
from tests.tiny_model import noise


def test_pages_of_examples(client: TestClient) -> None:
    numbers = enroll(client, "a", 1, 2, 3, 4, 5)["examples"]
    found, cursor = [], ""
    while cursor is not None:
        page = client.get(f"/api/v1/subjects/a/examples?limit=2{cursor and f'&cursor={cursor}'}").json()
        found += [one["id"] for one in page["examples"]]
        cursor = page["next"]
    assert found == numbers
    assert client.get("/api/v1/subjects/nobody/examples").status_code == 404
    added = client.post("/api/v1/subjects/a/examples", files=files(png(noise(6))))
    assert (added.status_code, added.json()["subject"]) == (201, "a")


def test_move_and_remove(client: TestClient) -> None:
    first, second = enroll(client, "a", 1, 2)["examples"]
    moved = client.post(f"/api/v1/examples/{first}/move", json={"subject": "b"}).json()
    assert (moved["id"], moved["subject"]) == (first, "b")
    assert client.post(f"/api/v1/examples/{first}/move", json={"subject": "b"}).status_code == 422
    assert client.delete(f"/api/v1/examples/{second}").json() == {
        "removed": second, "subject": "a", "subject_removed": True,
    }  # fmt: skip
    assert client.get(f"/api/v1/examples/{second}").status_code == 404
    assert client.delete(f"/api/v1/examples/{second}").status_code == 404
    for number in ("-1", "x", "1.5", "9" * 30):
        assert client.get(f"/api/v1/examples/{number}").status_code == 422


def with_metadata() -> bytes:
    """A photo whose EXIF data has a place and the name of an owner."""
    image = Image.fromarray(noise(1, side=600))
    exif = Image.Exif()
    exif[0xA430] = "Owner Secret"
    exif.get_ifd(0x8825)[2] = (52.0, 30.0, 0.0)
    file = io.BytesIO()
    image.save(file, "JPEG", exif=exif, comment=b"a secret comment")
    return file.getvalue()


def test_pictures_are_served_small_and_without_metadata(client: TestClient) -> None:
    photo = with_metadata()
    assert b"Secret" in photo
    answer = client.post("/api/v1/subjects", data={"name": "a"}, files=files(photo))
    (number,) = answer.json()["examples"]
    for path, side in (("image", 512), ("thumbnail", 128), ("thumbnail?side=32", 32)):
        found = client.get(f"/api/v1/examples/{number}/{path}")
        assert found.headers["content-type"] == "image/webp"
        assert found.headers["x-content-type-options"] == "nosniff"
        assert not any(word in found.content.lower() for word in (b"secret", b"exif", b"gps"))
        with Image.open(io.BytesIO(found.content)) as image:
            assert max(image.size) <= side
        again = client.get(f"/api/v1/examples/{number}/{path}", headers={"If-None-Match": found.headers["etag"]})
        assert again.status_code == 304
    assert client.get("/api/v1/examples/999/image").status_code == 404
    assert client.get(f"/api/v1/examples/{number}/thumbnail?side=100000").status_code == 422


def test_an_example_without_a_picture_has_none(client: TestClient) -> None:
    gallery = client.app.state.galleries.get(None).gallery  # type: ignore[attr-defined]
    gallery.keep_pictures = False
    (number,) = enroll(client, "a", 1)["examples"]
    assert client.get(f"/api/v1/examples/{number}").json()["has_picture"] is False
    answer = client.get(f"/api/v1/examples/{number}/image")
    assert (answer.status_code, answer.json()["type"].rpartition(":")[2]) == (404, "no-picture")


def test_a_rejected_subject_is_left_out_until_it_is_withdrawn(client: TestClient) -> None:
    enroll(client, "a", 1)
    enroll(client, "b", 2)
    body = {"subject": "a", "pictures": [{"data": text(near(1))}]}
    rejection = client.post("/api/v1/reject", json=body)
    assert rejection.status_code == 201
    (answer,) = client.post("/api/v1/identify", files=files(near(1))).json()["answers"]
    assert (answer["candidates"][0]["subject"], answer["excluded"]) == ("b", ["a"])
    (listed,) = client.get("/api/v1/subjects/a/rejections").json()
    assert (listed["id"], listed["subject"]) == (rejection.json()["id"], "a")
    place = f"/api/v1/rejections/{listed['id']}"
    assert [client.delete(place).status_code for _ in range(2)] == [200, 404]
    assert client.post("/api/v1/identify", files=files(near(1))).json()["answers"][0]["excluded"] == []


@pytest.mark.parametrize(("subject", "seeds", "status"), [("a", [1], 409), ("nobody", [3], 404), ("a", [3, 4], 422)])
def test_what_cannot_be_rejected(client: TestClient, subject: str, seeds: list[int], status: int) -> None:
    enroll(client, "a", 1)
    pictures = files(*(png(noise(seed)) for seed in seeds))
    assert client.post("/api/v1/reject", data={"subject": subject}, files=pictures).status_code == status


def test_a_picture_of_a_subject(client: TestClient) -> None:
    """That of its first example; a subject without pictures has none."""
    client.post("/api/v1/subjects", data={"name": "a/b"}, files=files(near(1), near(2)))
    answer = client.get("/api/v1/subjects/a%2Fb/thumbnail?side=16")
    assert answer.headers["content-type"] == "image/webp"
    assert answer.headers["etag"]
    (first, _) = client.get("/api/v1/subjects/a%2Fb/examples").json()["examples"]
    assert answer.content == client.get(f"/api/v1/examples/{first['id']}/thumbnail?side=16").content
    assert client.get("/api/v1/subjects/nobody/thumbnail").status_code == 404


def test_all_rejections_a_page_at_a_time_with_their_pictures(client: TestClient) -> None:
    for name, seed in (("a", 1), ("b", 2)):
        enroll(client, name, seed)
        for other in (3, 4):
            client.post("/api/v1/reject", data={"subject": name}, files=files(png(noise(other))))
    found, cursor = [], ""
    while cursor is not None:
        page = client.get(f"/api/v1/rejections?limit=3{cursor and f'&cursor={cursor}'}").json()
        found += page["rejections"]
        cursor = page["next"]
    assert [one["subject"] for one in found] == ["a", "a", "b", "b"]
    assert client.get("/api/v1/rejections?subject=b").json()["rejections"] == found[2:]
    assert client.get("/api/v1/rejections?subject=nobody").status_code == 404
    place = f"/api/v1/rejections/{found[1]['id']}"
    for path in ("image", "thumbnail?side=16"):
        assert client.get(f"{place}/{path}").content[:4] == b"RIFF"
    client.delete(place)
    for gone in (place, "/api/v1/rejections/0", "/api/v1/rejections/99"):
        assert client.get(f"{gone}/image").status_code == 404
