"""`semelha serve` as a process: it starts, answers over HTTP, and stops when it is told to."""

import json
import signal
import socket
import threading
import time
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from tests.service.made import near, png, text
from tests.service.process import server
from tests.tiny_model import noise

from semelha.embedders import Model
from semelha.gallery import Gallery
from semelha.service.keys import KeyFile


def exchange(address: str, *parts: bytes, wait: float = 0.0) -> bytes:
    """The head of what a server answers to bytes."""
    host, _, port = address.removeprefix("http://").rpartition(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        answer = b""
        try:
            for part in parts:
                connection.sendall(part)
                time.sleep(wait)
            while b"\r\n\r\n" not in answer and (got := connection.recv(1 << 16)):
                answer += got
        except (BrokenPipeError, ConnectionResetError):  # it is closed while more is sent
            pass
    return answer


def call(address: str, path: str, content: Any = None, **headers: str) -> Any:
    data = None if content is None else json.dumps(content).encode()
    request = urllib.request.Request(address + path, data, {"Content-Type": "application/json", **headers})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def test_enroll_identify_and_stop(tiny: Model, tmp_path: Path) -> None:
    Gallery.create(tmp_path / "shop", tiny).close()
    with server(tmp_path / "shop", tmp_path=tmp_path) as (process, address):
        for number in range(3):
            pictures = [{"data": text(png(noise(number)))}]
            done = call(address, "/api/v1/subjects", {"name": f"s{number}", "pictures": pictures})
            assert done["added"] == 1
        found = call(address, "/api/v1/identify?k=2", {"pictures": [{"data": text(near(1))}]})
        assert found["answers"][0]["subject"] == "s1"
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=30)
        assert process.returncode in (0, -signal.SIGTERM), err
        assert "Traceback" not in err
    with Gallery(tmp_path / "shop") as gallery:
        assert list(gallery) == ["s0", "s1", "s2"]


def test_the_page_of_a_gallery_is_opened(tiny: Model, tmp_path: Path) -> None:
    """Of a gallery that is there, and of a new one, which has the model that the user chose."""
    Gallery.create(tmp_path / "shop", tiny).close()
    (tmp_path / "two.toml").write_text("workers = 2\n")
    for name, options in (("shop", []), ("new", ["--config", tmp_path / "two.toml"])):
        words = [tmp_path / name, "--no-browser", *options]
        with server(*words, tmp_path=tmp_path, command="open", model=tiny.folder) as (process, address):
            children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
            assert len(children) >= (2 if options else 0)
            with urllib.request.urlopen(f"{address}/", timeout=30) as answer:
                assert b"<script" in answer.read()
            assert call(address, "/api/v1/galleries")["galleries"][0]["subjects"] == 0
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=30)


def test_clients_that_are_slow_or_send_too_much(tiny: Model, tmp_path: Path) -> None:
    """A slow loris, endless headers, a body in chunks that is too large or too slow, and too many connections."""
    Gallery.create(tmp_path / "shop", tiny).close()
    (tmp_path / "server.toml").write_text(
        "header_deadline = 0.5\nbody_deadline = 1.5\nmax_body = 100000\nmax_connections = 8\n"
    )
    with server(tmp_path / "shop", "--config", tmp_path / "server.toml", tmp_path=tmp_path) as (_, address):
        post = b"POST /api/v1/identify HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        chunked = post + b"Transfer-Encoding: chunked\r\n\r\n"
        chunk = b"4000\r\n" + b" " * 0x4000 + b"\r\n"
        assert b" 408 " in exchange(address)
        assert b" 408 " in exchange(address, *[b"GET / HTTP/1.1\r\nA: b"] * 4, wait=0.2)
        endless = [b"A: " + b"b" * 9000 + b"\r\n"] * 9
        assert b" 431 " in exchange(address, b"GET / HTTP/1.1\r\nHost: localhost\r\n", *endless)
        assert b" 431 " in exchange(address, b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b" 413 " in exchange(address, post + b"Content-Length: 1000000000\r\n\r\n")
        assert b" 413 " in exchange(address, chunked, *[chunk] * 10, wait=0.01)
        assert b" 408 " in exchange(address, chunked, *[b"1\r\n \r\n"] * 8, wait=0.3)
        assert b" 400 " in exchange(address, b"\x00\xff\r\n\r\n")
        host, _, port = address.removeprefix("http://").rpartition(":")
        idle = [socket.create_connection((host, int(port)), timeout=20) for _ in range(20)]
        answers = [connection.recv(100) for connection in idle]
        for connection in idle:
            connection.close()
        assert sum(b" 503 " in answer for answer in answers) >= 10
        assert call(address, "/healthz") == {"status": "ok", "reasons": []}


def test_a_client_that_reads_no_answers_is_given_up(tiny: Model, tmp_path: Path) -> None:
    """Answers that wait for it stay in memory."""
    Gallery.create(tmp_path / "shop", tiny).close()
    (tmp_path / "server.toml").write_text("body_deadline = 0.5\n")
    with server(tmp_path / "shop", "--config", tmp_path / "server.toml", tmp_path=tmp_path) as (_, address):
        length = len(json.dumps(call(address, "/openapi.json"), separators=(",", ":")))
        host, _, port = address.removeprefix("http://").rpartition(":")
        with socket.socket() as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.settimeout(20)
            connection.connect((host, int(port)))
            connection.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n" * 500)
            time.sleep(3)
            size = 0
            with suppress(ConnectionResetError):
                while got := connection.recv(1 << 20):
                    size += len(got)
        assert 0 < size < 250 * length
        assert call(address, "/healthz")["status"] == "ok"


def test_another_address_needs_a_key(tiny: Model, tmp_path: Path) -> None:
    Gallery.create(tmp_path / "shop", tiny).close()
    with server(tmp_path / "shop", "--host", "0.0.0.0", tmp_path=tmp_path) as (_, address):
        local = address.replace("0.0.0.0", "127.0.0.1")
        for headers in ({}, {"x-api-key": "semelha_0"}):
            with pytest.raises(urllib.error.HTTPError, match="401"):
                call(local, "/api/v1/model", **headers)
        _, key = KeyFile(tmp_path / "keys.json").create("app", "read")
        assert call(local, "/api/v1/model", Authorization=f"Bearer {key}")["dim"] == 8


def test_a_signal_lets_every_accepted_request_finish(tiny: Model, tmp_path: Path) -> None:
    """Clients that go on sending see whole answers, a 503, or no connection; a stream of events ends."""
    with Gallery.create(tmp_path / "shop", tiny) as gallery:
        for number in range(4):
            gallery.enroll(f"s{number}", png(noise(number)))
    with server(tmp_path / "shop", tmp_path=tmp_path) as (process, address):
        answers: list[Any] = []
        content = {"pictures": [{"data": text(near(1))}] * 8}

        def send() -> None:
            while True:
                try:
                    answers.append(call(address, "/api/v1/identify", content)["answers"][7]["subject"])
                except urllib.error.HTTPError as error:
                    answers.append(error.code)
                    return
                except (urllib.error.URLError, ConnectionError) as error:
                    answers.append(type(error).__name__)
                    return

        threads = [threading.Thread(target=send) for _ in range(4)]
        for thread in threads:
            thread.start()
        while len(answers) < 20:
            time.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        for thread in threads:
            thread.join(timeout=30)
        _, err = process.communicate(timeout=30)
    assert answers.count("s1") >= 20
    assert set(answers) <= {"s1", 503, "URLError", "ConnectionResetError", "RemoteDisconnected"}
    assert "Traceback" not in err


def test_a_signal_lets_answers_that_have_begun_arrive(tiny: Model, tmp_path: Path) -> None:
    """A client that reads slowly gets all of its answers; one that stops reading keeps the server only for a time."""
    Gallery.create(tmp_path / "shop", tiny).close()
    (tmp_path / "server.toml").write_text("shutdown = 4\nbody_deadline = 60\n")
    count = 40  # answers, more than fit into the buffers of the connection
    with server(tmp_path / "shop", "--config", tmp_path / "server.toml", tmp_path=tmp_path) as (process, address):
        length = len(json.dumps(call(address, "/openapi.json"), separators=(",", ":"), ensure_ascii=False).encode())
        host, _, port = address.removeprefix("http://").rpartition(":")
        with socket.socket() as slow, socket.socket() as stopped:
            for client in (slow, stopped):
                client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                client.settimeout(20)
                client.connect((host, int(port)))
                client.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n" * count)
                assert client.recv(9) == b"HTTP/1.1 "
            process.send_signal(signal.SIGTERM)
            time.sleep(0.5)
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection((host, int(port)), timeout=5)
            size = 0
            while got := slow.recv(1 << 14):
                size += len(got)
            assert process.poll() is None, "it still waits for the other"
            process.communicate(timeout=20)
    assert size > length
