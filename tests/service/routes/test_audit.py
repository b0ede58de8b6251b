"""The audit log over HTTP: for administrators, with the name of the key that made each change."""

from pathlib import Path

from fastapi.testclient import TestClient
from tests.service.made import files, png
from tests.tiny_model import noise

from semelha.service.app import create_app
from semelha.service.keys import KeyFile
from semelha.service.settings import Settings


def test_entries_have_the_name_of_the_key(new: Path, tmp_path: Path) -> None:
    keys = KeyFile(tmp_path / "keys.json")
    (_, admin), (_, till) = keys.create("office", "admin"), keys.create("till-3", "enroll")
    settings = Settings(galleries=(new,), keys=tmp_path / "keys.json", require_keys=True)
    with TestClient(create_app(settings), base_url="http://localhost") as client:
        for number in range(2):
            client.post(
                "/api/v1/subjects",
                data={"name": "a"},
                files=files(png(noise(number))),
                headers={"x-api-key": till},
            ).raise_for_status()
        assert client.get("/api/v1/audit", headers={"x-api-key": till}).status_code == 403
        client.headers["x-api-key"] = admin
        client.delete("/api/v1/subjects/a").raise_for_status()
        first = client.get("/api/v1/audit?limit=2").json()
        rest = client.get("/api/v1/audit", params={"cursor": first["next"]}).json()
        found = [(one["who"], one["action"], one["subject"]) for one in (*first["entries"], *rest["entries"])]
        assert found == [("office", "remove", None), ("till-3", "enroll", None), ("till-3", "enroll", None)]
        assert rest["next"] is None
        assert client.get("/api/v1/audit?subject=a").status_code == 404
        assert admin not in str(first)


def test_changes_of_jobs_are_those_of_the_caller(new: Path, tmp_path: Path) -> None:
    keys = KeyFile(tmp_path / "keys.json")
    _, admin = keys.create("office", "admin")
    settings = Settings(galleries=(new,), keys=tmp_path / "keys.json", require_keys=True)
    with TestClient(create_app(settings), base_url="http://localhost", headers={"x-api-key": admin}) as client:
        for number in range(6):
            client.post("/api/v1/subjects", data={"name": f"s{number}"}, files=files(png(noise(number))))
        client.post("/api/v1/calibration", json={"fpir": 0.4}).raise_for_status()
        newest = client.get("/api/v1/audit?limit=1").json()["entries"][0]
        assert (newest["who"], newest["action"]) == ("office", "calibrate")


def test_without_keys_the_caller_is_anonymous(client: TestClient) -> None:
    client.post("/api/v1/subjects", data={"name": "a"}, files=files(png(noise(1)))).raise_for_status()
    assert client.get("/api/v1/audit").json()["entries"][0]["who"] == "anonymous"
