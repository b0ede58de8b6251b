"""The whole of the server: from an empty gallery to an answer."""

from fastapi.testclient import TestClient
from tests.service.made import files, near, png
from tests.tiny_model import noise


def test_what_is_enrolled_is_identified(client: TestClient) -> None:
    done = client.post("/api/v1/subjects", data={"name": "a"}, files=files(png(noise(1)), png(noise(2))))
    assert done.status_code == 201, done.text
    assert done.json()["added"] == len(done.json()["examples"]) == 2
    client.post("/api/v1/subjects", data={"name": "b"}, files=files(png(noise(3))))
    found = client.post("/api/v1/identify", files=files(near(2)))
    assert found.status_code == 200, found.text
    (answer,) = found.json()["answers"]
    assert (answer["decision"], answer["subject"]) == ("uncalibrated", "a")
    assert answer["candidates"][0]["examples"][0]["id"] == done.json()["examples"][1]
    assert [one["name"] for one in client.get("/api/v1/subjects").json()["subjects"]] == ["a", "b"]
