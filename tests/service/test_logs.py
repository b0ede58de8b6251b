"""The log as JSON: a line for each request, warning and exception, which says nothing of subjects, files and keys."""

import ast
import json
import logging
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from tests.service.made import png, text
from tests.service.process import server
from tests.tiny_model import noise

import semelha
from semelha.embedders import Model
from semelha.errors import GalleryError
from semelha.gallery import Gallery
from semelha.service.keys import KeyFile
from semelha.service.logs import JsonFormatter, request_id

SECRET = "secret-name"


def line(message: str, *arguments: object, name: str = "semelha.service", error: bool = False, **extra: Any) -> Any:
    """What the formatter writes for a message."""
    logger = logging.Logger(name)
    record = logger.makeRecord(
        name, logging.WARNING, "a.py", 7, message, arguments, sys.exc_info() if error else None, extra=extra
    )
    return json.loads(JsonFormatter().format(record))


def test_numbers_of_a_message_are_kept_and_nothing_else() -> None:
    found = line("%s damaged rows of %s are left out: %s", 3, Path(SECRET), GalleryError(SECRET))
    assert found["message"] == "3 damaged rows of … are left out: GalleryError"
    assert (found["level"], found["logger"]) == ("warning", "semelha.service")
    assert found["time"].endswith("+00:00")
    assert line("%d is odd", SECRET)["message"] == "%d is odd"
    assert line(f"read {SECRET}", name="asyncio")["message"] == "a:7", "the text of others may be anything"


def test_an_exception_is_its_type_and_its_place() -> None:
    try:
        try:
            raise KeyError(SECRET)
        except KeyError as error:
            raise GalleryError(SECRET) from error
    except GalleryError:
        found = line("request %s failed", "id", error=True)
    assert (found["error"], found["causes"]) == ("GalleryError", ["KeyError"])
    assert found["stack"][-1].startswith("test_logs.py:")
    assert SECRET not in json.dumps(found)


def test_a_record_has_the_request_and_its_fields() -> None:
    token = request_id.set("id-1")
    try:
        found = line("x", event="request", status=200, seconds=0.1, gallery="shop", caller=None, other=SECRET)
    finally:
        request_id.reset(token)
    assert found["message"] == "request"
    assert {name: found[name] for name in ("request_id", "status", "seconds", "gallery")} == {
        "request_id": "id-1",
        "status": 200,
        "seconds": 0.1,
        "gallery": "shop",
    }
    assert "caller" not in found
    assert SECRET not in json.dumps(found)


def test_messages_of_the_library_are_constant() -> None:
    """So that a name can only be among their arguments, which the formatter leaves out."""
    root = Path(semelha.__file__).parent
    served = [path for path in root.rglob("*.py") if path.relative_to(root).parts[0] not in ("linear", "deep")]
    for path in served:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("logger."):
                kind = ast.unparse(node.func).removeprefix("logger.")
                if kind in ("debug", "info", "warning", "error", "exception", "critical", "log"):
                    message = node.args[1 if kind == "log" else 0]
                    assert isinstance(message, ast.Constant), f"{path}:{node.lineno}"


@pytest.mark.parametrize("workers", [1, 2])
def test_a_server_writes_json(workers: int, tiny: Model, tmp_path: Path) -> None:
    """Every line of standard error is an object, and none has a name, a file, a key or a picture."""
    Gallery.create(tmp_path / "shop", tiny).close()
    _, key = KeyFile(tmp_path / "keys.json").create("till-3", "enroll")
    (tmp_path / "server.toml").write_text("require_keys = true\n")
    picture = text(png(noise(1)))
    content = json.dumps({"name": SECRET, "pictures": [{"data": picture, "name": "secret-file.png"}]}).encode()
    words = (tmp_path / "shop", "--config", tmp_path / "server.toml", "--log-format", "json", "--workers", workers)
    with server(*words, tmp_path=tmp_path) as (process, address):
        headers = {"x-api-key": key, "Content-Type": "application/json", "X-Request-ID": "id-1"}
        place = f"{address}/api/v1/galleries/shop/subjects"
        urllib.request.urlopen(urllib.request.Request(place, content, headers), timeout=30).close()
        for path, wrong in ((f"/{SECRET}-2", key), (f"/{SECRET}", f"{key}x")):
            with pytest.raises(urllib.error.HTTPError):
                urllib.request.urlopen(urllib.request.Request(place + path, headers={"x-api-key": wrong}), timeout=30)
        process.terminate()
        _, err = process.communicate(timeout=30)
    lines = [json.loads(one) for one in err.splitlines()]
    requests = [one for one in lines if one["message"] == "request"]
    statuses = [one["status"] for one in requests]
    assert (statuses if workers == 1 else sorted(statuses, key=[201, 404, 401].index)) == [201, 404, 401]
    (first,) = (one for one in requests if one["status"] == 201)
    assert (first["request_id"], first["method"], first["gallery"]) == ("id-1", "POST", "shop")
    assert first["route"].endswith("/subjects")
    assert first["caller"] == key.split("_")[1]
    assert 0 < first["seconds"] < 30
    for hidden in (SECRET, "secret-file", key, key.split("_", 2)[2], picture[:40]):
        assert hidden not in err
