"""Archives over HTTP: enrolled in the background, with progress, and cancelled."""

import io
import json
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from tests.service.made import png
from tests.tiny_model import noise

ZIP = {"Content-Type": "application/zip"}


def archive(*members: tuple[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as out:
        for name, content in members:
            out.writestr(name, content)
    return file.getvalue()


def folders(root: str = "", subjects: int = 3) -> list[tuple[str, bytes]]:
    return [(f"{root}s{n}/{turn}.png", png(noise(10 * n + turn))) for n in range(subjects) for turn in range(2)]


@pytest.fixture
def temporary(tmp_path: Path) -> Path:
    (tmp_path / "temporary").mkdir()
    return tmp_path / "temporary"


@pytest.fixture
def client(new: Path, temporary: Path, serving: Callable[..., TestClient]) -> TestClient:
    return serving(new, temporary=temporary)


def imported(client: TestClient, **request: Any) -> dict[str, Any]:
    answer = client.post("/api/v1/imports?wait=20", **request)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


@pytest.mark.parametrize("root", ["", "photos/"])
def test_folders_are_enrolled(client: TestClient, temporary: Path, root: str) -> None:
    members = [*folders(root), (f"{root}s0/bad.png", b"none"), ("__MACOSX/._x", b""), (f"{root}readme.txt", b"hello")]
    job = imported(client, content=archive(*members), headers=ZIP)
    assert (job["state"], job["done"], job["total"]) == ("done", 6, 6)
    result = job["result"]
    assert (result["subjects"], result["added"], result["skipped_count"]) == (3, 6, 1)
    assert [one["name"] for one in client.get("/api/v1/subjects").json()["subjects"]] == ["s0", "s1", "s2"]
    assert list(temporary.iterdir()) == []


def test_a_manifest_of_the_archive_or_beside_it(client: TestClient) -> None:
    manifest = b"path,label,box\np/1.png,apple,0 0 10 10\np/2.png,pear,\n"
    pictures = [("p/1.png", png(noise(1))), ("p/2.png", png(noise(2)))]
    job = imported(client, content=archive(*pictures, ("p/list.csv", manifest.replace(b"p/", b""))), headers=ZIP,
                   params={"wait": 20, "manifest": "p/list.csv"})  # fmt: skip
    assert job["result"]["added"] == 2
    form = {"archive": ("a.zip", archive(*pictures)), "manifest": ("other.csv", manifest.replace(b"pear", b"plum"))}
    assert imported(client, files=form)["result"]["subjects"] == 2
    assert [one["name"] for one in client.get("/api/v1/subjects").json()["subjects"]] == ["apple", "pear", "plum"]


@pytest.mark.parametrize(
    ("content", "status", "said"),
    [
        (b"no archive", 422, "no ZIP archive"),
        (b"", 422, "no ZIP archive"),
        (archive(("../x/1.png", png(noise(1)))), 422, "outside"),
        (archive(("1.png", png(noise(1)))), 422, "no class folders"),
        (archive(("a/1.png", b"none")), 422, "can be used"),
        (archive(("Unknown/1.png", png(noise(1)))), 422, "Unknown"),
        (archive(("a/1.png", archive(("x", b"y")))), 422, "can be used"),
    ],
)
def test_an_archive_that_cannot_be_used_enrolls_nothing(
    client: TestClient, temporary: Path, content: bytes, status: int, said: str
) -> None:
    job = imported(client, content=content, headers=ZIP)
    assert job["state"] == "failed"
    assert (job["problem"]["status"], said in job["problem"]["detail"]) == (status, True), job
    assert str(temporary) not in json.dumps(job)
    assert client.get("/api/v1/subjects").json()["total"] == 0
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize("named", ["/etc/passwd", "../../new/gallery.json", "list.txt"])
def test_a_manifest_cannot_read_files_of_the_server(client: TestClient, named: str, tmp_path: Path) -> None:
    (tmp_path / "secret.csv").write_text("path,label\n")
    rows = f"path,label\n{tmp_path}/secret.csv,a\n".encode()
    content = archive(("a/1.png", png(noise(1))), ("list.txt", rows))
    job = imported(client, content=content, headers=ZIP, params={"wait": 20, "manifest": named})
    assert (job["state"], job["problem"]["status"]) == ("failed", 422)
    assert "root:" not in json.dumps(job)


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        ({"content": b"x"}, 415),
        ({"json": {}}, 415),
        ({"files": {"other": ("a.zip", b"x")}}, 422),
        ({"data": {"archive": "/etc/passwd"}}, 415),
        ({"files": {"archive": ("a.zip", b"x"), "manifest": ("a.exe", b"x")}}, 422),
        ({"files": {"archive": ("a.zip", b"x"), "manifest": ("a.csv", b"x")}, "params": {"manifest": "b.csv"}}, 422),
    ],
)
def test_what_is_no_archive_is_refused_at_once(
    client: TestClient, temporary: Path, request_: dict[str, Any], status: int
) -> None:
    assert client.post("/api/v1/imports", **request_).status_code == status
    assert list(temporary.iterdir()) == []


def test_progress_as_events(client: TestClient) -> None:
    started = client.post("/api/v1/imports", content=archive(*folders()), headers=ZIP)
    assert started.status_code == 202
    place = f"/api/v1/jobs/{started.json()['id']}"
    stream = client.get(place, headers={"Accept": "text/event-stream"})
    assert stream.headers["content-type"].startswith("text/event-stream")
    events = [dict(line.split(": ", 1) for line in each.split("\n")) for each in stream.text.strip().split("\n\n")]
    assert events[-1]["event"] == "end"
    last = json.loads(events[-1]["data"])
    assert (last["state"], last["result"]["added"]) == ("done", 6)
    assert last == client.get(place).json()
    assert client.get("/api/v1/jobs").json()["jobs"] == [last]


def test_a_cancelled_import_keeps_what_it_has_done(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    gallery = client.app.state.galleries.get(None).gallery  # type: ignore[attr-defined]
    begun, release = threading.Event(), threading.Event()
    whole = gallery.enroll_dataset

    def slow(dataset: Any, *, progress: Callable[[int, int], None]) -> Any:
        done = whole(dataset)
        begun.set()
        release.wait(10)
        progress(6, 6)
        return done

    monkeypatch.setattr(gallery, "enroll_dataset", slow)
    job = client.post("/api/v1/imports", content=archive(*folders()), headers=ZIP).json()["id"]
    begun.wait(10)
    release.set()
    answer = client.delete(f"/api/v1/jobs/{job}").json()
    assert answer["state"] in ("cancelled", "done")
    assert client.get(f"/api/v1/jobs/{job}").status_code == 404
    assert client.get("/api/v1/subjects").json()["total"] == 3
