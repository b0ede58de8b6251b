"""Several galleries in one server, and one that is replaced while it is served."""

import gc
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from tests.service.made import files, near, png
from tests.tiny_model import noise

from semelha.embedders import Model
from semelha.errors import GalleryError, UsageError
from semelha.gallery import Gallery, backup
from semelha.service import galleries
from semelha.service.galleries import Galleries, Served
from semelha.service.keys import KeyFile
from semelha.service.metrics import Metrics
from semelha.service.settings import Settings
from semelha.service.state import State

Serving = Callable[..., TestClient]


def test_each_gallery_answers_under_its_name_and_the_first_without(shop: Path, new: Path, serving: Serving) -> None:
    client = serving(shop, new)
    client.post("/api/v1/galleries/new/subjects", data={"name": "only"}, files=files(png(noise(900))))
    for place, subject in (("", "s3"), ("/galleries/shop", "s3"), ("/galleries/new", "only")):
        found = client.post(f"/api/v1{place}/identify", files=files(near(3))).json()["answers"]
        assert found[0]["candidates"][0]["subject"] == subject
    listed = client.get("/api/v1/galleries").json()["galleries"]
    assert [(one["name"], one["subjects"]) for one in listed] == [("shop", 40), ("new", 1)]
    assert client.get("/api/v1/galleries/new").json() == listed[1]
    assert client.get("/api/v1/galleries/other").status_code == 404
    job = client.post("/api/v1/galleries/new/check").json()["id"]
    assert client.get(f"/api/v1/galleries/new/jobs/{job}").status_code == 200
    assert client.get(f"/api/v1/galleries/shop/jobs/{job}").status_code == 404


def test_galleries_that_cannot_be_served(shop: Path, state: State, tmp_path: Path) -> None:
    def opened(*paths: Path) -> Galleries:
        return Galleries(Settings(galleries=paths), Metrics(), state)

    with pytest.raises(UsageError, match="no gallery is named"):
        opened()
    with pytest.raises(UsageError, match="two galleries have one name"):
        opened(shop, tmp_path / "elsewhere" / "shop")
    with pytest.raises(GalleryError, match="no gallery"):
        opened(shop, tmp_path)


def test_a_gallery_that_is_replaced_is_opened_again(tiny: Model, new: Path, tmp_path: Path, serving: Serving) -> None:
    with Gallery.create(tmp_path / "other", tiny) as other:
        other.enroll("restored", png(noise(1)))
    backup(tmp_path / "other", tmp_path / "copy")
    client = serving(new)
    assert client.get("/api/v1/subjects").json()["total"] == 0
    for name in ("gallery.sqlite", "gallery.sqlite-wal", "gallery.sqlite-shm"):
        (new / name).unlink(missing_ok=True)
    shutil.copy(tmp_path / "copy" / "gallery.sqlite", new / "gallery.sqlite")
    first = client.get("/api/v1/subjects")
    assert first.status_code == 503
    assert first.headers["retry-after"] == "1"
    assert client.get("/api/v1/subjects").json()["subjects"][0]["name"] == "restored"
    assert client.post("/api/v1/identify", files=files(near(1))).json()["answers"][0]["subject"] == "restored"


def test_a_gallery_that_is_gone_is_not_ready(new: Path, serving: Serving) -> None:
    client = serving(new)
    assert client.get("/readyz").json() == {"status": "ready", "reasons": []}
    shutil.rmtree(new)
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["status"] == "unready"
    assert answer.json()["reasons"] == ["new: GalleryMoved"]
    assert str(new) not in answer.text
    assert client.get("/healthz").status_code == 200
    assert client.get("/api/v1/subjects").status_code == 503


def test_a_write_of_another_process_is_seen_at_once(new: Path, serving: Serving) -> None:
    client = serving(new)
    tag = client.get("/api/v1/subjects").headers["etag"]
    with Gallery(new) as other:
        other.enroll("late", png(noise(1)))
    answer = client.get("/api/v1/subjects", headers={"If-None-Match": tag})
    assert answer.status_code == 200
    assert answer.json()["total"] == 1
    assert client.get("/api/v1/subjects", headers={"If-None-Match": answer.headers["etag"]}).status_code == 304


def test_which_gallery_is_not_ready_is_said_to_who_may_call(new: Path, tmp_path: Path, serving: Serving) -> None:
    client = serving(new, require_keys=True)
    key = KeyFile(tmp_path / "keys.json").create("app", "read")[1]
    shutil.rmtree(new)
    for headers in ({}, {"X-API-Key": "semelha_wrong"}):
        answer = client.get("/readyz", headers=headers)
        assert answer.status_code == 503
        assert answer.json() == {"status": "unready", "reasons": ["1 gallery cannot be read"]}
    assert client.get("/readyz", headers={"X-API-Key": key}).json()["reasons"] == ["new: GalleryMoved"]


def test_which_gallery_is_not_ready_is_not_said_to_other_web_sites(new: Path, serving: Serving) -> None:
    client = serving(new)
    shutil.rmtree(new)
    answer = client.get("/readyz", headers={"Host": "rebound.example"})
    assert answer.json()["reasons"] == ["1 gallery cannot be read"]


def until(right: Callable[[], bool]) -> None:
    """Wait for what another thread does."""
    deadline = time.monotonic() + 30
    while not right():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_the_state_forgets_what_another_process_removes(
    new: Path, tmp_path: Path, serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Results of jobs, and names that CompreFace's clients had added before their subject was enrolled."""
    monkeypatch.setattr(galleries, "WATCH_SECONDS", 0.1)
    client = serving(new, state=tmp_path / "state" / "server.sqlite", compreface=True)
    client.post("/api/v1/recognition/subjects", json={"subject": "empty-one"})
    client.post("/api/v1/recognition/subjects", json={"subject": "granny-smith"})
    for name, seed in (("granny-smith", 1), ("gala", 1)):
        client.post("/api/v1/subjects", data={"name": name}, files=files(png(noise(seed)), png(noise(seed + 1))))
    job = client.post("/api/v1/check").json()
    assert "granny-smith" in str(job["result"])

    def is_kept(name: bytes) -> bool:
        return any(name in path.read_bytes() for path in (tmp_path / "state").iterdir())

    assert is_kept(b"granny-smith")
    with Gallery(new) as other:
        until(lambda: "granny-smith" not in str(client.app.state.shared.rows("SELECT name FROM empty_subjects")))  # type: ignore[attr-defined]
        other.remove("granny-smith")
    assert "granny-smith" not in client.get("/api/v1/jobs").text
    assert client.get(f"/api/v1/jobs/{job['id']}").json()["problem"]["kind"] == "result-forgotten"
    until(lambda: not is_kept(b"granny-smith"))
    assert is_kept(b"empty-one")
    assert client.get("/api/v1/recognition/subjects").json() == {"subjects": ["empty-one", "gala"]}


def test_a_gallery_that_was_replaced_is_closed_when_no_call_uses_it(tiny: Model, state: State, tmp_path: Path) -> None:
    for name in ("shop", "other"):
        Gallery.create(tmp_path / name, tiny).close()
    served = Served("shop", tmp_path / "shop", Settings(), Metrics(), state)
    used = served.gallery
    shutil.rmtree(tmp_path / "shop")
    (tmp_path / "other").rename(tmp_path / "shop")
    served.reopen()
    gc.collect()
    assert served.gallery is not used
    with pytest.raises(GalleryError, match="replaced"):
        len(used)

    def is_open() -> bool:
        paths = [f"/proc/self/fd/{name}" for name in os.listdir("/proc/self/fd")]
        opened = [os.readlink(path) for path in paths if os.path.lexists(path)]
        return any(name.startswith(str(tmp_path / "shop")) and name.endswith("(deleted)") for name in opened)

    assert is_open()
    del used
    gc.collect()
    until(lambda: not is_open())
    assert len(served.gallery) == 0
    served.close()
