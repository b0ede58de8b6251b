"""What every answer has: a request id, headers of safety, a line of the log. And paths with encoded slashes."""

import re
from urllib.parse import quote

import pytest
from fastapi.testclient import TestClient
from tests.service.made import files, png
from tests.tiny_model import noise


@pytest.mark.parametrize("path", ["/healthz", "/docs", "/api/v1/subjects", "/nothing", "/api/v1/examples/1/image"])
def test_every_answer_has_headers_of_safety(reader: TestClient, path: str) -> None:
    headers = reader.get(path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "script" not in headers["content-security-policy"].replace("script-src 'self'", "")
    assert headers["referrer-policy"] == "no-referrer"
    assert "cache-control" in headers
    assert "server" not in headers


@pytest.mark.parametrize(
    ("given", "is_kept"), [("abc-1.2", True), ("a b", False), ("x" * 65, False), ("a\u00e9", False)]
)
def test_a_request_keeps_its_id_if_it_can_be_logged(reader: TestClient, given: str, is_kept: bool) -> None:
    found = reader.get("/healthz", headers={"X-Request-ID": given.encode("latin-1")}).headers["x-request-id"]
    assert (found == given) is is_kept
    assert re.fullmatch(r"[A-Za-z0-9._-]{1,64}", found)


def test_the_log_has_a_line_of_each_request_without_names(reader: TestClient, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "semelha.service")
    reader.get("/api/v1/subjects/secret-name?x=secret", headers={"X-Request-ID": "id-1"})
    (line,) = [one.getMessage() for one in caplog.records if "id-1" in one.getMessage()]
    assert re.match(r"id-1 GET (/api/v1)?/subjects/{name} 404 ", line)
    assert "secret" not in line


@pytest.mark.parametrize(
    "name", ["a/b", "a%2Fb", "a/examples", "../x", "ü 猫", "a?b#c", "<b>&", "\u200fabc", "a+b", "."]
)
def test_any_name_can_be_in_a_path(client: TestClient, name: str) -> None:
    client.post("/api/v1/subjects", data={"name": name}, files=files(png(noise(1))))
    place = f"/api/v1/subjects/{quote(name, safe='').replace('.', '%2E')}"
    assert client.get(place).json()["name"] == name
    assert [one["subject"] for one in client.get(f"{place}/examples").json()["examples"]] == [name]
    assert client.patch(place, json={"name": "x"}).json()["name"] == "x"


def test_a_path_that_is_no_utf8_is_no_subject(reader: TestClient) -> None:
    assert reader.get("/api/v1/subjects/%FF%FE").status_code == 404
    assert reader.get("/api/v1/subjects/%00").status_code == 404
