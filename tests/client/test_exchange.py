"""What is sent again and what is not, and the error for every answer."""

import json
import time
from typing import Any

import httpx2
import pytest
from tests.tiny_model import noise

from semelha import Client, errors
from semelha.client import connection

ADDRESS = "http://localhost:8000"
SUBJECTS = {"subjects": [], "total": 0, "next": None}
REMOVED = {"removed": "a", "examples": 2}
Reply = httpx2.Response | httpx2.TransportError


def problem(status: int, kind: str, detail: str = "a sentence", **headers: str) -> httpx2.Response:
    content = {"type": f"urn:semelha:problem:{kind}", "detail": detail, "request_id": "r1"}
    headers = {
        "Content-Type": "application/problem+json",
        **{name.replace("_", "-"): one for name, one in headers.items()},
    }
    return httpx2.Response(status, content=json.dumps(content).encode(), headers=headers)


def ok(content: Any) -> httpx2.Response:
    return httpx2.Response(200, json=content)


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that clients waited for, without waiting."""
    found: list[float] = []
    monkeypatch.setattr(time, "sleep", found.append)
    return found


def client(*replies: Reply, seen: list[httpx2.Request] | None = None, **arguments: Any) -> Client:
    """A client of a server with these answers."""
    rest = iter(replies)

    def reply(request: httpx2.Request) -> httpx2.Response:
        if seen is not None:
            seen.append(request)
        one = next(rest)
        if isinstance(one, Exception):
            raise one
        return one

    return Client(ADDRESS, transport=httpx2.MockTransport(reply), **arguments)


def test_a_busy_server_is_asked_again(pauses: list[float]) -> None:
    """After what it asks for and a random part, which grows."""
    busy = problem(429, "busy", Retry_After="3")
    seen: list[httpx2.Request] = []
    assert (
        client(busy, httpx2.ConnectError("refused"), problem(503, "stopping"), ok(SUBJECTS), seen=seen).subjects() == []
    )
    assert len(seen) == 4
    assert 3 <= pauses[0] <= 3.2
    assert pauses[1] <= 0.4
    assert pauses[2] <= 0.8


def test_it_gives_up(pauses: list[float]) -> None:
    with pytest.raises(errors.ServiceUnavailable, match="a sentence"):
        client(*[problem(429, "busy")] * 4).subjects()
    assert len(pauses) == 3
    with pytest.raises(errors.ServiceUnavailable, match="does not answer: refused"):
        client(httpx2.ConnectError("refused"), retries=0).subjects()


def test_a_write_is_sent_again_with_its_key(pauses: list[float]) -> None:
    """So that the server does it once, though its answer was lost."""
    seen: list[httpx2.Request] = []
    lost = httpx2.RemoteProtocolError("disconnected")
    assert client(lost, problem(409, "in-progress"), ok(REMOVED), seen=seen).remove("a") == 2
    keys = {request.headers["Idempotency-Key"] for request in seen}
    assert (len(seen), len(keys)) == (3, 1)
    client(ok(REMOVED), seen=seen).remove("a")
    assert seen[-1].headers["Idempotency-Key"] not in keys


@pytest.mark.parametrize(
    "reply", [problem(503, "deadline"), problem(500, "internal"), problem(507, "gallery-not-writable")]
)
def test_a_write_that_may_have_been_done_is_not_repeated(reply: httpx2.Response, pauses: list[float]) -> None:
    with pytest.raises(errors.SemelhaError):
        client(reply, ok(REMOVED)).remove("a")
    assert not pauses


def test_a_late_answer_is_not_waited_for_again(pauses: list[float]) -> None:
    with pytest.raises(errors.ServiceUnavailable, match="no answer in time"):
        client(httpx2.ReadTimeout("late"), ok(SUBJECTS)).subjects()
    assert not pauses


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (problem(404, "subject-not-found"), errors.SubjectNotFound),
        (problem(415, "not-a-picture"), errors.NotAPicture),
        (problem(413, "picture-too-large"), errors.PictureTooLarge),
        (problem(413, "too-large"), errors.UsageError),
        (problem(422, "invalid-request"), errors.UsageError),
        (problem(507, "gallery-not-writable"), errors.GalleryNotWritable),
        (problem(401, "unauthorized"), errors.AccessRefused),
        (problem(403, "forbidden"), errors.AccessRefused),
        (problem(404, "gallery-not-found"), errors.GalleryError),
        (problem(500, "internal"), errors.ServiceError),
        (problem(418, "new-kind"), errors.ServiceError),
        (httpx2.Response(404, text="<html>"), errors.ServiceError),
        (httpx2.Response(302, headers={"Location": "http://elsewhere"}), errors.ServiceError),
        (httpx2.Response(200, text="<html>"), errors.ServiceError),
        (ok([]), errors.ServiceError),
        (ok({"subjects": [{}], "total": 1, "next": None}), errors.ServiceError),
        (httpx2.Response(404, content=b"{", headers={"Content-Type": "application/problem+json"}), errors.ServiceError),
    ],
)
def test_every_answer_has_its_error(reply: httpx2.Response, kind: type[Exception]) -> None:
    with pytest.raises(errors.SemelhaError) as caught:
        client(reply).subjects()
    assert type(caught.value) is kind
    assert str(caught.value)
    if reply.status_code == 500:
        assert "request r1" in str(caught.value)


def test_a_job_is_waited_for(pauses: list[float]) -> None:
    job = {"id": "j1", "state": "running", "done": 1, "total": 4, "result": None, "problem": None}
    result = {"findings": [], "examples": 2, "subjects": 1, "single_example_subjects": 0}
    assert client(ok(job), ok(job), ok({**job, "state": "done", "result": result})).check().examples == 2
    assert len(pauses) == 2
    failed = {**job, "state": "failed", "problem": {"status": 409, "kind": "calibration-error", "detail": "too few"}}
    with pytest.raises(errors.CalibrationError, match="too few"):
        client(ok(job), ok(failed)).calibrate(fpir=0.1)
    with pytest.raises(errors.ServiceError, match="cancelled"):
        client(ok({**job, "state": "cancelled"})).check()


@pytest.mark.parametrize(
    "arguments",
    [
        {"url": "localhost:8000"},
        {"url": "ftp://localhost"},
        {"url": "http://"},
        {"url": "http://localhost:99999"},
        {"url": "http://local host"},
        {"url": "http://user:secret@localhost"},
        {"url": "http://localhost?key=secret"},
        {"key": ""},
        {"key": "a\nb"},
        {"gallery": " "},
        {"timeout": 0},
        {"timeout": float("nan")},
        {"retries": -1},
        {"transport": object()},
    ],
)
def test_arguments_that_cannot_be_used(arguments: dict[str, Any]) -> None:
    (name,) = arguments
    with pytest.raises(errors.UsageError, match=f"^{name} ") as caught:
        Client(**{"url": ADDRESS, **arguments})
    assert "secret" not in str(caught.value)


def test_the_key_is_in_a_header_alone() -> None:
    seen: list[httpx2.Request] = []
    client(ok(SUBJECTS), seen=seen, key="semelha_1").subjects()
    assert seen[0].headers["Authorization"] == "Bearer semelha_1"
    assert "semelha_1" not in str(seen[0].url)


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> Any:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr(connection, "import_module", absent)
    with pytest.raises(errors.MissingExtra, match=r'the client needs httpx2: pip install "semelha\[client\]"'):
        Client(ADDRESS)


def test_a_picture_is_sent_as_it_is_and_pixels_as_png(tmp_path: Any) -> None:
    seen: list[httpx2.Request] = []
    (tmp_path / "a.jpg").write_bytes(b"any bytes")
    answer = {"same": True, "distance": None, "p_value": None, "subject": None, "note": "", "target_fpir": None}
    found = client(ok(answer), seen=seen).verify(tmp_path / "a.jpg", noise(1))
    first, second = json.loads(seen[0].content)["pictures"]
    assert (first["data"], first["name"]) == ("YW55IGJ5dGVz", str(tmp_path / "a.jpg")[-200:])
    assert second["data"].startswith("iVBOR")
    assert found.distance == float("inf")
