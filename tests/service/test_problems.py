"""Errors as problems: every kind has a status, and what is the server's own fault is not told."""

import asyncio
import errno
import tempfile
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from semelha import errors
from semelha.errors import GalleryError, SemelhaError
from semelha.service.problems import STATUS, problem_of, status_of

KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, SemelhaError)]
SERVER = {
    "SemelhaError", "ModelError", "ModelIncomplete", "ModelAltered", "ModelTooNew", "GalleryError",
    "FingerprintMismatch", "GalleryMoved", "GalleryTooNew", "GalleryNotWritable", "GalleryUnavailable",
    "IndexFileError", "TrainingError",
    "BackboneError", "PretrainedUnavailable", "ProcessLost", "MissingExtra",
    "ServiceError", "AccessRefused", "ServiceUnavailable",
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_kind_of_error_has_a_status(kind: type[SemelhaError]) -> None:
    status = status_of(kind("what is wrong"))
    assert 400 <= status < 600
    assert (status >= 500) == (kind.__name__ in SERVER)


def test_kinds_are_told_by_their_names() -> None:
    names = {kind: problem_of(kind("x")).kind for kind in (errors.NotAPicture, errors.SubjectNotFound)}
    assert list(names.values()) == ["not-a-picture", "subject-not-found"]


def test_the_table_has_errors_of_semelha_alone() -> None:
    assert set(STATUS) <= set(KINDS)


@pytest.mark.parametrize(
    "error", [GalleryError("/srv/shop is damaged"), RuntimeError("/srv/shop"), OSError(5, "/srv/shop")]
)
def test_a_fault_of_the_server_names_none_of_its_files(error: Exception) -> None:
    problem = problem_of(error)
    assert problem.status_code >= 500
    assert "/srv" not in problem.detail


def test_a_problem_has_the_fields_of_the_standard_and_the_request_id(reader: TestClient) -> None:
    answer = reader.get("/api/v1/subjects/nobody", headers={"X-Request-ID": "abc-1"})
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json() == {
        "type": "urn:semelha:problem:subject-not-found",
        "title": "Not Found",
        "status": 404,
        "detail": "no subject is called 'nobody'",
        "request_id": "abc-1",
    }
    assert answer.headers["x-request-id"] == "abc-1"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing", 404),
        ("PUT", "/api/v1/subjects", 405),
        ("GET", "/api/v1/subjects?limit=0", 422),
        ("GET", "/api/v1/subjects?sort=size", 422),
        ("GET", "/api/v1/subjects?cursor=%00", 422),
        ("GET", "/api/v1/examples/99999999999999999999999", 422),
        ("GET", "/api/v1/examples/12345", 404),
        ("GET", "/api/v1/galleries/other/subjects", 404),
        ("GET", "/api/v1/jobs/none", 404),
    ],
)
def test_every_error_is_a_problem(reader: TestClient, method: str, path: str, status: int) -> None:
    answer = reader.request(method, path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == status
    assert answer.json()["request_id"] == answer.headers["x-request-id"]


@pytest.mark.parametrize("path", ["/api/v1/imports", "/api/v1/identify"])
def test_a_disk_without_space_for_a_body(client: TestClient, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    """Of an archive, or of a file of a form of more than a megabyte: 507, without a path."""

    def fail(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "/srv/temporary")

    monkeypatch.setattr(tempfile.SpooledTemporaryFile, "rollover", fail)
    monkeypatch.setattr(tempfile, "mkdtemp", fail)
    answer = client.post(path, files={"picture": bytes(2 << 20)})
    assert answer.status_code == 507
    assert answer.json()["detail"] == "the disk of the server is full"
    assert client.get("/api/v1/subjects").status_code == 200


@pytest.mark.parametrize("kind", ["application/json", "multipart/form-data; boundary=x", "application/zip"])
def test_a_client_that_goes_away_is_no_error_of_the_server(
    client: TestClient, tmp_path: Path, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    path = b"/api/v1/imports" if "zip" in kind else b"/api/v1/identify"
    headers = [(b"host", b"localhost"), (b"content-type", kind.encode()), (b"content-length", b"1000")]
    scope = {
        "type": "http", "method": "POST", "path": path.decode(), "raw_path": path, "query_string": b"",
        "headers": headers, "state": {},
    }  # fmt: skip
    messages: list[dict[str, Any]] = [{"type": "http.request", "body": b"--x\r\n", "more_body": True}]
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return messages.pop() if messages else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(client.app(scope, receive, send))
    assert sent[0]["status"] == 400
    assert not [one for one in caplog.records if one.levelname == "ERROR"]


def test_an_unexpected_error_is_answered_and_logged(
    reader: TestClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    gallery = reader.app.state.galleries.get(None).gallery  # type: ignore[attr-defined]

    def fail(name: str) -> None:
        raise RuntimeError("a secret")

    monkeypatch.setattr(gallery, "subject", fail)
    answer = reader.get("/api/v1/subjects/s1")
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert answer.json()["request_id"] in caplog.text
    assert "a secret" in caplog.text
    assert answer.headers["x-content-type-options"] == "nosniff"
