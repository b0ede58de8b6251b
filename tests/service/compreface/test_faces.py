"""Examples as CompreFace has them."""

import pytest
from fastapi.testclient import TestClient
from tests.service.made import png, text
from tests.tiny_model import noise

FACES = "/api/v1/recognition/faces"


def add(client: TestClient, subject: str, seed: int) -> str:
    """The id of a new example."""
    answer = client.post(FACES, params={"subject": subject}, files={"file": ("a.png", png(noise(seed)))})
    assert answer.status_code == 201, answer.text
    found: str = answer.json()["image_id"]
    return found


def test_pages_have_every_example_once(client: TestClient) -> None:
    ids = [add(client, f"s{number % 2}", number) for number in range(5)]
    pages = [client.get(FACES, params={"page": page, "size": 2}).json() for page in range(4)]
    assert [one["image_id"] for page in pages for one in page["faces"]] == ids
    assert {(page["total_pages"], page["total_elements"], page["page_size"]) for page in pages} == {(3, 5, 2)}
    of_one = client.get(FACES, params={"subject": "s1"}).json()
    assert [one["image_id"] for one in of_one["faces"]] == ids[1::2]
    assert client.get(FACES, params={"subject": "nobody"}).json()["total_elements"] == 0


def test_base64_and_a_picture_that_the_subject_has_already(client: TestClient) -> None:
    first = add(client, "a", 1)
    again = client.post(f"{FACES}?subject=a", json={"file": text(png(noise(1)))})
    assert (again.status_code, again.json()) == (201, {"image_id": first, "subject": "a"})
    assert client.get(FACES).json()["total_elements"] == 1


def test_examples_are_deleted_one_by_one_several_of_a_subject_and_all(client: TestClient) -> None:
    ids = [add(client, f"s{number % 3}", number) for number in range(9)]
    assert client.delete(f"{FACES}/{ids[0]}").json() == {"image_id": ids[0], "subject": "s0"}
    unknown = ["ffffffff-ffff-ffff-ffff-ffffffffffff", ids[0]]
    several = client.post(f"{FACES}/delete", json=[ids[1], *unknown, ids[2]]).json()
    assert several == [{"image_id": ids[1], "subject": "s1"}, {"image_id": ids[2], "subject": "s2"}]
    assert client.delete(FACES, params={"subject": "s0"}).json() == {"deleted": 2}
    assert client.delete(FACES, params={"subject": "nobody"}).json() == {"deleted": 0}
    assert client.delete(FACES, params={"subject": ""}).status_code == 400
    assert client.get(FACES).json()["total_elements"] == 4
    assert client.delete(FACES).json() == {"deleted": 4}


def test_the_picture_that_was_kept(client: TestClient) -> None:
    image = client.get(f"{FACES}/{add(client, 'a', 1)}/img")
    assert (image.headers["content-type"], image.content[8:12]) == ("image/webp", b"WEBP")
    assert client.get(f"{FACES}/00000000-0000-0000-0000-0000000003e7/img").content == b""


@pytest.mark.parametrize(
    ("path", "code"),
    [("?subject=a&det_prob_threshold=0.5", 34), ("", 33), ("?subject=", 26), ("?subject=a&det_prob_threshold=2", 26)],
)
def test_what_is_missing_is_named(client: TestClient, path: str, code: int) -> None:
    content = {} if code == 34 else {"file": text(png(noise(1)))}
    answer = client.post(f"{FACES}{path}", json=content)
    assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert ("file" if code == 34 else "subject" if "=2" not in path else "det_prob") in answer.json()["message"]
