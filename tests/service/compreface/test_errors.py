"""Every error of CompreFace's paths has its form, those of the other paths stay as they are."""

from collections.abc import Callable
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from tests.service.made import near

from semelha.service.keys import KeyFile

RECOGNIZE = "/api/v1/recognition/recognize"


def test_keys(new: Path, serving: Callable[..., TestClient], tmp_path: Path) -> None:
    client = serving(new, compreface=True, require_keys=True)
    missing = client.post(RECOGNIZE, files={"file": near(1)})
    assert (missing.status_code, missing.json()["code"]) == (400, 20)
    wrong = client.post(RECOGNIZE, files={"file": near(1)}, headers={"x-api-key": "0"})
    assert (wrong.status_code, wrong.json()["code"]) == (404, 10)
    headers = {"x-api-key": KeyFile(tmp_path / "keys.json").create("app", "read")[1]}
    assert client.post(RECOGNIZE, files={"file": near(1)}, headers=headers).status_code == 200
    forbidden = client.delete("/api/v1/recognition/subjects", headers=headers)
    assert (forbidden.status_code, forbidden.json()["code"]) == (403, 1)
    assert client.get("/api/v1/subjects").status_code == 401


def test_layers_before_the_endpoints_have_the_same_form(new: Path, serving: Callable[..., TestClient]) -> None:
    client = serving(new, compreface=True, max_body=2000)
    large = client.post(RECOGNIZE, json={"file": "A" * 4000})
    assert (large.status_code, set(large.json())) == (413, {"message", "code"})
    for path in ("/api/v1/recognition/nothing", "/api/v1/verification/nothing"):
        assert set(client.get(path).json()) == {"message", "code"}
    assert client.get("/api/v1/nothing").headers["content-type"] == "application/problem+json"


def test_an_unexpected_error_says_nothing_of_its_cause(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("a secret")

    monkeypatch.setattr(client.app.state.empty_subjects, "names", fail)  # type: ignore[attr-defined]
    answer = client.get("/api/v1/recognition/subjects")
    assert (answer.status_code, answer.json()["code"]) == (500, 41)
    assert "secret" not in answer.text


def test_the_document_describes_the_calls(client: TestClient, serving: Callable[..., TestClient], new: Path) -> None:
    document = client.get("/openapi.json").json()
    ours = [
        path for path in document["paths"] if not path.startswith(("/api/v1/recognition/", "/api/v1/verification/"))
    ]
    plain = serving(new).get("/openapi.json").json()
    assert ours == list(plain["paths"])
    operations = [one for path in document["paths"].values() for one in path.values()]
    assert len({one["operationId"] for one in operations}) == len(operations)
    error = document["paths"][RECOGNIZE]["post"]["responses"]["default"]["content"]["application/json"]
    assert error["schema"]["$ref"].endswith("/ErrorAnswer")
    assert RECOGNIZE in client.get("/docs").text
