"""Backups over HTTP: of one change, checked, made while others write; no path of a request is opened."""

import importlib
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from tests.service.made import files, png
from tests.tiny_model import noise

from semelha.gallery import Gallery, backup, restore
from semelha.service.keys import KeyFile

backup_module = importlib.import_module("semelha.gallery.backup")
Serving = Callable[..., TestClient]


@pytest.fixture
def client(new: Path, tmp_path: Path, serving: Serving) -> TestClient:
    return serving(new, backups=tmp_path / "backups")


def enroll(client: TestClient, number: int) -> str:
    name = f"s{number}"
    answer = client.post("/api/v1/subjects", data={"name": name}, files=files(png(noise(number))))
    assert answer.status_code == 201, answer.text
    return name


def made(client: TestClient) -> dict[str, Any]:
    job = client.post("/api/v1/backups?wait=30").json()
    assert job["state"] == "done", job
    found: dict[str, Any] = job["result"]
    return found


def test_make_list_restore_and_delete(client: TestClient, tmp_path: Path) -> None:
    enroll(client, 1)
    assert client.get("/api/v1/backups").json() == {"backups": []}
    first = made(client)
    assert (first["subjects"], first["examples"]) == (1, 1)
    enroll(client, 2)
    second = made(client)
    listed = client.get("/api/v1/backups").json()["backups"]
    assert {one["name"] for one in listed} == {first["name"], second["name"]}
    assert all(one["bytes"] > 10_000 and one["created"].endswith("+00:00") for one in listed)
    restored = restore(tmp_path / "backups" / "new" / first["name"], tmp_path / "again")
    with Gallery(restored.path) as gallery:
        assert list(gallery) == ["s1"]
    assert client.delete(f"/api/v1/backups/{first['name']}").json() == {"deleted": first["name"]}
    assert [one["name"] for one in client.get("/api/v1/backups").json()["backups"]] == [second["name"]]
    assert {one.name for one in (tmp_path / "backups" / "new").iterdir()} == {second["name"], ".lock"}


def test_writes_go_on_during_a_backup(client: TestClient, tmp_path: Path) -> None:
    """What was acknowledged before it began is in it, and it opens; of `semelha backup` too."""
    acknowledged: list[str] = []
    during = 0
    stop = threading.Event()

    def write() -> None:
        number = 0
        while not stop.is_set():
            acknowledged.append(enroll(client, number))
            number += 1

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for turn in range(4):
            before = list(acknowledged)
            if turn % 2:
                place = backup(tmp_path / "new", tmp_path / f"copy {turn}").path
            else:
                place = tmp_path / "backups" / "new" / made(client)["name"]
            after = list(acknowledged)
            with Gallery(place) as copy:
                names = set(copy)
            assert set(before) <= names
            assert len(names) <= len(after) + 1
            during += len(after) - len(before)
        assert during > 0, "writes do not wait for a backup"
    finally:
        stop.set()
        writer.join()


@pytest.mark.parametrize("name", ["..", "%2E%2E", "..%2Fnew", "%2Fetc", "20260302T091504Z-3f9a1c", "x" * 300, "%00"])
def test_what_is_no_backup_is_not_deleted(client: TestClient, tmp_path: Path, name: str) -> None:
    enroll(client, 1)
    answer = client.delete(f"/api/v1/backups/{name}")
    assert answer.status_code in (404, 405)
    assert (tmp_path / "new" / "gallery.sqlite").exists()


def test_without_a_folder_there_are_none(new: Path, serving: Serving) -> None:
    client = serving(new)
    for answer in (client.get("/api/v1/backups"), client.post("/api/v1/backups"), client.delete("/api/v1/backups/x")):
        assert answer.status_code == 409
        assert answer.json()["detail"] == "the server has no folder for backups: its setting backups names one"


def test_only_an_administrator_makes_them(new: Path, tmp_path: Path, serving: Serving) -> None:
    client = serving(new, backups=tmp_path / "backups", require_keys=True)
    _, key = KeyFile(tmp_path / "keys.json").create("app", "enroll")
    for call in (client.get, client.post):
        assert call("/api/v1/backups", headers={"x-api-key": key}).status_code == 403
    assert not (tmp_path / "backups").exists()


def test_a_folder_that_cannot_be_written_is_an_error_of_the_job(new: Path, tmp_path: Path, serving: Serving) -> None:
    (tmp_path / "backups").write_text("a file")
    job = serving(new, backups=tmp_path / "backups").post("/api/v1/backups?wait=30").json()
    assert job["state"] == "failed"
    assert job["problem"]["status"] in (503, 507)
    assert str(tmp_path) not in str(job)


def test_what_a_killed_backup_left_is_removed_and_a_running_one_is_not(
    client: TestClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the clock says: the times of the folder of the running backup are those of another century."""
    folder = tmp_path / "backups" / "new"
    left = folder / ".20990302T091504Z-3f9a1c-00000000"
    left.mkdir(parents=True)
    enroll(client, 1)
    begun, proceed = threading.Event(), threading.Event()
    whole = backup_module._copy

    def slow(gallery: Path, out: Path, fingerprint: str) -> tuple[int, int]:
        os.utime(out, (0, 0))
        begun.set()
        assert proceed.wait(30)
        return whole(gallery, out, fingerprint)

    monkeypatch.setattr(backup_module, "_copy", slow)
    first = client.post("/api/v1/backups?wait=0").json()
    assert begun.wait(30)
    assert not left.exists()
    second = client.post("/api/v1/backups?wait=0.2").json()
    assert second["state"] == "running"
    proceed.set()
    ended = [client.get(f"/api/v1/jobs/{one['id']}").json() for one in (first, second)]
    while any(one["state"] == "running" for one in ended):
        time.sleep(0.02)
        ended = [client.get(f"/api/v1/jobs/{one['id']}").json() for one in (first, second)]
    assert [one["state"] for one in ended] == ["done", "done"]
    assert len(client.get("/api/v1/backups").json()["backups"]) == 2
