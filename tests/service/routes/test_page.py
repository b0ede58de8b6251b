"""The built page: served without a key, with types, caching and a policy that lets nothing else in."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from semelha.service.routes import page


def test_the_page_and_its_files(reader: TestClient) -> None:
    page = reader.get("/")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.headers["cache-control"] == "no-cache"
    named = re.findall(r'(?:src|href)="\./([^"]+)"', page.text)
    assert len(named) >= 3
    for name in named:
        answer = reader.get(f"/{name}")
        assert answer.status_code == 200, name
        is_hashed = name.startswith("assets/")
        assert ("immutable" in answer.headers["cache-control"]) is is_hashed
        kind = {"js": "text/javascript", "css": "text/css", "svg": "image/svg+xml"}[name.rpartition(".")[2]]
        assert answer.headers["content-type"].startswith(kind)


def test_the_policy_allows_no_inline_code_and_no_other_host(reader: TestClient) -> None:
    for path in ("/", "/docs"):
        policy = reader.get(path).headers["content-security-policy"]
        assert "unsafe" not in policy
        assert "http" not in policy
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
    assert "script-src 'self';" in reader.get("/").headers["content-security-policy"]
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=", reader.get("/").text)


@pytest.mark.parametrize("name", ["none.js", "%2e%2e", "..%2Findex.html", "..%5Capp.py", "index.html", "source.sha256"])
def test_what_is_no_file_of_the_page(reader: TestClient, name: str) -> None:
    answer = reader.get(f"/assets/{name}")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


def test_the_page_needs_no_key_and_the_gallery_does(shop: Path, serving: Callable[..., TestClient]) -> None:
    client = serving(shop, require_keys=True)
    page = client.get("/")
    assert page.status_code == 200
    for name in re.findall(r'(?:src|href)="\./([^"]+)"', page.text):
        assert client.get(f"/{name}").status_code == 200
    assert client.get("/docs/page.css").status_code == 200
    assert client.get("/api/v1/galleries").status_code == 401


@pytest.mark.parametrize(
    ("accepted", "is_compressed"),
    [
        ("gzip, deflate, br", True),
        ("br;q=1.0, GZIP;q=0.8", True),
        ("gzip;q=0", False),
        ("identity", False),
        ("", False),
    ],
)
def test_the_files_are_compressed_if_the_browser_takes_that(
    reader: TestClient, accepted: str, is_compressed: bool
) -> None:
    plain = reader.get("/", headers={"Accept-Encoding": "identity"})
    answer = reader.get("/", headers={"Accept-Encoding": accepted})
    assert answer.headers.get("content-encoding") == ("gzip" if is_compressed else None)
    assert answer.headers["vary"] == "Accept-Encoding"
    assert answer.text == plain.text


def test_a_file_is_compressed_once(reader: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    page._contents.cache_clear()
    calls = []
    compress = page.gzip.compress
    monkeypatch.setattr(page.gzip, "compress", lambda *given, **more: calls.append(1) or compress(*given, **more))
    for _ in range(3):
        assert reader.get("/", headers={"Accept-Encoding": "gzip"}).status_code == 200
    assert len(calls) == 1


def test_a_browser_that_has_a_file_is_not_sent_it_again(reader: TestClient) -> None:
    """Each encoding has its own ETag, because the bytes differ."""
    tags = set()
    for accepted in ("gzip", "identity"):
        first = reader.get("/", headers={"Accept-Encoding": accepted})
        tag = first.headers["etag"]
        again = reader.get("/", headers={"Accept-Encoding": accepted, "If-None-Match": tag})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
        for name in ("cache-control", "vary", "content-security-policy"):
            assert again.headers[name] == first.headers[name]
        tags.add(tag)
    other = reader.get("/", headers={"Accept-Encoding": "identity", "If-None-Match": '"another"'})
    assert other.status_code == 200
    assert len(tags) == 2
