"""Who may call: keys in a header, roles, rates, and no other web sites."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from tests.service.made import files, png
from tests.tiny_model import noise

from semelha.gallery import Gallery
from semelha.service.access import RateLimit, key_of
from semelha.service.keys import KeyFile, Role
from semelha.service.problems import Busy
from semelha.service.state import State

Serving = Callable[..., TestClient]


@pytest.fixture
def key(tmp_path: Path) -> Callable[[Role], dict[str, str]]:
    """The header with a new key of a role."""
    return lambda role: {"Authorization": f"Bearer {KeyFile(tmp_path / 'keys.json').create('app', role)[1]}"}


def test_another_address_needs_a_key(new: Path, serving: Serving, key: Callable[[Role], dict[str, str]]) -> None:
    client = serving(new, host="0.0.0.0")
    answer = client.get("/api/v1/subjects")
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    header = key("read")
    assert client.get("/api/v1/subjects", headers=header).status_code == 200
    text = header["Authorization"].split()[1]
    assert client.get("/api/v1/subjects", headers={"X-API-Key": text}).status_code == 200
    for path in ("/healthz", "/readyz", "/docs", "/openapi.json"):
        assert client.get(path).status_code == 200
    assert client.get("/metrics").status_code == 401


def test_a_key_in_the_url_is_no_key_and_is_not_logged(
    new: Path, serving: Serving, key: Callable[[Role], dict[str, str]], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    client = serving(new, host="0.0.0.0")
    text = key("admin")["Authorization"].split()[1]
    for query in (f"?key={text}", f"?api_key={text}", f"?access_token={text}", f"?x-api-key={text}"):
        assert client.get(f"/api/v1/subjects{query}").status_code == 401
    assert text not in "\n".join(one.getMessage() for one in caplog.records if one.name.startswith("semelha"))


@pytest.mark.parametrize(
    ("role", "allowed"), [("read", {"read"}), ("enroll", {"read", "enroll"}), ("admin", {"read", "enroll", "admin"})]
)
def test_a_role_includes_the_ones_before(
    role: Role, allowed: set[str], new: Path, serving: Serving, key: Callable[[Role], dict[str, str]]
) -> None:
    client, header = serving(new, require_keys=True), key(role)
    answers = {
        "read": client.get("/api/v1/subjects", headers=header),
        "enroll": client.post("/api/v1/subjects", headers=header, data={"name": "a"}, files=files(png(noise(1)))),
        "admin": client.post("/api/v1/calibration", headers=header, json={"fpir": 0.5}),
    }
    assert {name for name, one in answers.items() if one.status_code != 403} == allowed
    assert all("role" in one.json()["detail"] for name, one in answers.items() if name not in allowed)


def test_a_revoked_key_is_refused_from_the_next_request_on(tmp_path: Path, new: Path, serving: Serving) -> None:
    one, text = KeyFile(tmp_path / "keys.json").create("app", "read")
    client = serving(new, require_keys=True)
    header = {"Authorization": f"bearer {text}"}
    assert client.get("/api/v1/model", headers=header).status_code == 200
    KeyFile(tmp_path / "keys.json").revoke(one.id)
    assert client.get("/api/v1/model", headers=header).status_code == 401


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Host": "evil.example"},
        {"Host": "evil.example:8000"},
        {"Host": ""},
    ],
)
def test_without_keys_other_web_sites_are_refused(client: TestClient, headers: dict[str, str]) -> None:
    """A page can send a form to this machine through its browser, or call it by a name of its own."""
    answer = client.post("/api/v1/subjects", data={"name": "a"}, files=files(png(noise(1))), headers=headers)
    assert answer.status_code == 403
    assert client.get("/api/v1/subjects").json()["total"] == 0
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize(
    "headers", [{"Host": "["}, {"Host": "[::1"}, {"Host": "a[b"}, {"Origin": "http://["}, {"Origin": "http://[x]"}]
)
def test_an_address_that_cannot_be_parsed_is_a_bad_request(client: TestClient, headers: dict[str, str]) -> None:
    answer = client.get("/api/v1/subjects", headers=headers)
    assert (answer.status_code, answer.json()["type"]) == (400, "urn:semelha:problem:invalid-request")


def test_a_page_of_the_server_itself_may_call(client: TestClient) -> None:
    headers = {"Origin": "http://localhost", "Sec-Fetch-Site": "same-origin"}
    assert client.get("/api/v1/subjects", headers=headers).status_code == 200


def test_each_key_has_a_rate(new: Path, serving: Serving, key: Callable[[Role], dict[str, str]]) -> None:
    client, first, second = serving(new, require_keys=True, rate=1.0), key("read"), key("read")
    statuses = [client.get("/api/v1/model", headers=first).status_code for _ in range(4)]
    assert statuses[:2] == [200, 200]
    assert 429 in statuses
    refused = client.get("/api/v1/model", headers=first)
    assert int(refused.headers["retry-after"]) >= 1
    assert client.get("/api/v1/model", headers=second).status_code == 200


def test_a_rate_refills_with_time(state: State) -> None:
    limit = RateLimit(10.0, state)
    for _ in range(20):
        limit.take("a", now=0.0)
    with pytest.raises(Busy):
        limit.take("a", now=0.0)
    limit.take("b", now=0.0)
    limit.take("a", now=0.15)
    with pytest.raises(Busy):
        limit.take("a", now=0.16)
    limit.take("a", now=-1000.0)  # the machine was started anew


def test_a_rate_is_that_of_all_processes(tmp_path: Path) -> None:
    states = [State(tmp_path / "state.sqlite") for _ in range(2)]
    first, second = (RateLimit(1.0, state) for state in states)
    first.take("a", now=0.0)
    second.take("a", now=0.0)
    for limit in (first, second):
        with pytest.raises(Busy):
            limit.take("a", now=0.0)
    for state in states:
        state.close()
    first.take("a", now=0.0)  # that cannot be counted any more, and goes on


def test_the_key_is_read_from_two_headers_alone() -> None:
    assert key_of({"authorization": "Bearer abc"}) == "abc"
    assert key_of({"x-api-key": "abc"}) == "abc"
    assert key_of({"authorization": "Basic abc"}) is None
    assert key_of({"cookie": "x-api-key=abc"}) is None


def test_slow_calls_do_not_keep_keys_from_being_checked(
    new: Path, serving: Serving, key: Callable[[Role], dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With all threads for galleries at work, a wrong key is refused, and the state and the jobs are told."""
    client = serving(new, require_keys=True, threads=2, rate=1000)
    begun, go = threading.Semaphore(0), threading.Event()

    def slow(*arguments: Any, **named: Any) -> None:
        begun.release()
        go.wait(30)

    monkeypatch.setattr(Gallery, "evaluate", slow)
    headers = key("admin")
    with ThreadPoolExecutor(2) as pool:
        calls = [pool.submit(client.get, "/api/v1/evaluation", headers=headers) for _ in range(2)]
        assert all(begun.acquire(timeout=10) for _ in calls)
        try:
            assert client.get("/api/v1/subjects", headers={"X-API-Key": "semelha_wrong"}).status_code == 401
            assert client.get("/readyz").json()["status"] == "ready"
            idempotent = {**headers, "Idempotency-Key": "k"}
            assert client.delete("/api/v1/jobs/none", headers=idempotent).status_code == 404
        finally:
            go.set()
