"""A server under mutated requests: pictures, archives and bodies that are cut, changed, nested, too large or too slow.

    python benchmarks/service_hostile.py [--requests 100000] [--connections 10000] [--seed 0]

Each request is drawn from a seed. None may be answered with 500 or above (a job may fail, a busy server may say 429),
none may wait for longer than the deadlines of the server, and the memory of the server must not grow: its resident
size is sampled throughout. Then so many connections are opened at one time, of which most send nothing, and some send
their headers slowly, while pictures are identified on another one.
"""

from __future__ import annotations

import argparse
import base64
import io
import json
import random
import resource
import socket
import tempfile
import threading
import time
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import httpx2 as httpx
import numpy as np
from PIL import Image

from _gallery_made import small_model
from _results import table, write_section
from _service import resident, served
from semelha import Gallery

THREADS = 8
API = "/api/v1"
TIMEOUT = 90.0  # seconds: longer than any deadline of the server
Request = tuple[str, str, dict[str, str], bytes]
"""Method, path, headers, body."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--connections", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        with Gallery.create(folder / "gallery", small_model(folder / "model", 32)) as gallery:
            for number in range(20):
                gallery.enroll(f"subject {number}", [Image.open(io.BytesIO(photo(random.Random(number), "PNG")))])
        with served(folder / "gallery", folder) as (address, pid):
            answers, memory, seconds = storm(address, pid, arguments.requests, arguments.seed)
            later = memory[len(memory) // 5 :]
            crowd = crowded(address, arguments.connections)
            healthy = httpx.get(f"{address}/readyz").status_code
    rows = [[kind, *(answers[kind][group] for group in ("2xx", "4xx", "429", "5xx", "none"))] for kind in KINDS]
    body = (
        f"{arguments.requests:,} requests in {seconds:.0f} s, on {THREADS} connections.\n\n"
        f"{table(['kind', '2xx', '4xx', '429', '5xx', 'no answer'], rows)}\n\n"
        f"Resident memory of the server over the last four fifths: {min(later):.0f}–{max(later):.0f} MB "
        f"({later[0]:.0f} MB at their beginning, {later[-1]:.0f} MB at the end). {crowd} "
        f"`/readyz` afterwards: {healthy}."
    )
    write_section("The server under hostile requests", body)


def storm(address: str, pid: int, count: int, seed: int) -> tuple[dict[str, Counter[str]], list[float], float]:
    """The answers by kind of request, samples of memory, and the seconds that it took."""
    answers: dict[str, Counter[str]] = {kind: Counter() for kind in KINDS}
    memory: list[float] = []
    lock, start = threading.Lock(), time.perf_counter()

    def run(part: int) -> None:
        with httpx.Client(base_url=address, timeout=TIMEOUT) as client:
            for number in range(part, count, THREADS):
                chance = random.Random(f"{seed} {number}")
                kind = chance.choice(list(KINDS))
                method, path, headers, body = KINDS[kind](chance)
                try:
                    answer = client.request(method, API + path, headers=headers, content=body)
                    group = "429" if answer.status_code == 429 else f"{answer.status_code // 100}xx"
                    if group == "5xx":
                        print(number, kind, answer.status_code, answer.text[:300], flush=True)
                except httpx.TransportError as error:
                    group = "none"
                    print(number, kind, type(error).__name__, error, flush=True)
                with lock:
                    answers[kind][group] += 1
                    if number % 500 == 0:
                        memory.append(resident(pid))
                    if number % 10_000 == 0:
                        print(number, f"{time.perf_counter() - start:.0f} s", f"{resident(pid):.0f} MB", flush=True)

    threads = [threading.Thread(target=run, args=(part,)) for part in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers, memory, time.perf_counter() - start


def photo(chance: random.Random, form: str) -> bytes:
    pixels = np.random.default_rng(chance.getrandbits(32)).integers(0, 256, (24, 32, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, form)
    return file.getvalue()


def mutated(chance: random.Random, data: bytes) -> bytes:
    """Cut, changed, doubled or shuffled bytes."""
    changed = bytearray(data)
    for _ in range(chance.choice([0, 1, 1, 3, 20])):
        place = chance.randrange(max(1, len(changed)))
        match chance.randrange(5):
            case 0:
                changed[place : place + 1] = bytes([chance.getrandbits(8)])
            case 1:
                del changed[place:]
            case 2:
                del changed[place : place + chance.randrange(1, 40)]
            case 3:
                changed[place:place] = changed[chance.randrange(max(1, len(changed))) :][:50]
            case _:
                changed[place : place + 4] = chance.choice([b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff"])
    return bytes(changed)


def form(files: list[tuple[str, str, bytes]], fields: dict[str, str]) -> tuple[dict[str, str], bytes]:
    out = b"".join(
        b'--b\r\nContent-Disposition: form-data; name="' + name.encode() + b'"\r\n\r\n' + value.encode() + b"\r\n"
        for name, value in fields.items()
    )
    for name, filename, data in files:
        head = f'--b\r\nContent-Disposition: form-data; name="{name}"; filename="{filename}"\r\n\r\n'
        out += head.encode() + data + b"\r\n"
    return {"Content-Type": "multipart/form-data; boundary=b"}, out + b"--b--\r\n"


def mutated_picture(chance: random.Random) -> Request:
    data = mutated(chance, photo(chance, chance.choice(["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM"])))
    path = chance.choice(["/identify", "/identify", "/embed", "/subjects/subject%201/verify", "/verify"])
    files = [("picture", "a.jpg", data)] * (2 if path == "/verify" else 1)
    return ("POST", path, *form(files, {}))


def polyglot_picture(chance: random.Random) -> Request:
    parts = [
        photo(chance, chance.choice(["PNG", "JPEG", "GIF"])),
        archive(chance, []),
        b"<svg onload=alert(1)>",
        b"%PDF-1.7",
    ]
    chance.shuffle(parts)
    return (
        "POST",
        "/identify",
        *form([("picture", chance.choice(["a.svg", "../../a.png", "a\tb"]), b"".join(parts))], {}),
    )


def bomb_picture(chance: random.Random) -> Request:
    side = chance.choice([20_000, 60_000, 2**31 - 1])
    head = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + side.to_bytes(4, "big") * 2 + b"\x08\x02\0\0\0"
    from zlib import compress, crc32

    data = compress(b"\0" * 200_000)
    chunk = len(data).to_bytes(4, "big") + b"IDAT" + data + crc32(b"IDAT" + data).to_bytes(4, "big")
    png = head + crc32(head[12:]).to_bytes(4, "big") + chunk + b"\0\0\0\0IEND\xaeB`\x82"
    return ("POST", chance.choice(["/identify", "/embed"]), *form([("picture", "a.png", png)], {}))


def mutated_form(chance: random.Random) -> Request:
    headers, body = form([("picture", "a.png", photo(chance, "PNG"))], {"name": f"new {chance.randrange(100)}"})
    if chance.random() < 0.3:
        headers = {
            "Content-Type": chance.choice(["multipart/form-data", "multipart/form-data; boundary=", "text/plain"])
        }
    return "POST", chance.choice(["/subjects", "/identify", "/reject"]), headers, mutated(chance, body)


VALUES: list[Callable[[random.Random], object]] = [
    lambda chance: None,
    lambda chance: chance.choice([True, -1, 0, 1.5, 1e308, 2**70, "", "\0", "x" * 10_001, "\u202eabc", "a/b", [], {}]),
    lambda chance: [[]] * chance.randrange(5),
    lambda chance: {"data": base64.b64encode(photo(chance, "PNG")).decode()},
    lambda chance: [
        {"data": base64.b64encode(photo(chance, "PNG")).decode(), "box": [0, 0, chance.choice([1, 99, -5]), 4]}
    ],
]


def wrong_json(chance: random.Random) -> Request:
    path = chance.choice(
        ["/identify", "/verify", "/embed", "/subjects", "/reject", "/subjects/subject%202/merge", "/calibration"]
    )
    names = ["pictures", "name", "into", "subject", "fpir", "more", "box", "data"]
    content = {chance.choice(names): chance.choice(VALUES)(chance) for _ in range(chance.randrange(4))}
    return "POST", path, {"Content-Type": "application/json"}, json.dumps(content).encode("utf-8", "replace")


def broken_json(chance: random.Random) -> Request:
    depth = chance.choice([30, 10_000])
    body = chance.choice(
        [
            b"[" * depth,
            b'{"a":' * depth,
            b"[" * depth + b"]" * depth,
            b'{"pictures": [',
            b"\xff\xfe{}",
            b"NaN",
            b"1" * 5000,
            b"",
        ]
    )
    path = chance.choice(["/identify", "/subjects", "/verify"])
    return "POST", path, {"Content-Type": "application/json"}, body


def archive(chance: random.Random, files: list[tuple[str, bytes]]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, data in files:
            packed.writestr(name, data)
    return file.getvalue()


def mutated_archive(chance: random.Random) -> Request:
    names = [
        "a/1.png",
        "../../etc/passwd",
        "/abs.png",
        "a\\b.png",
        "a/" + "x" * 300 + ".png",
        "C:/a.png",
        "a/\u202e.png",
    ]
    files = [(chance.choice(names), photo(chance, "PNG")) for _ in range(chance.randrange(3))]
    if chance.random() < 0.2:
        files.append(("a/zeros.png", b"\0" * 5_000_000))
    if chance.random() < 0.2:
        files.append(("a/more.zip", archive(chance, files)))
    return "POST", "/imports", {"Content-Type": "application/zip"}, mutated(chance, archive(chance, files))


def odd_path(chance: random.Random) -> Request:
    names = [
        "%00",
        "..%2F..%2Fetc",
        "a%2Fb",
        "%E2%80%AE",
        "x" * 3000,
        "%ff%fe",
        "subject%201",
        "'; DROP TABLE x",
        "%",
        "{}",
    ]
    name = chance.choice(names).replace(" ", "%20")
    method = chance.choice(["GET", "GET", "PATCH", "POST", "DELETE", "PUT", "HEAD", "OPTIONS"])
    path = chance.choice([f"/subjects/{name}", f"/subjects/{name}/examples", f"/examples/{name}", f"/jobs/{name}"])
    query = chance.choice(
        ["", "?limit=-1", "?cursor=%00", "?cursor=" + "A" * 2500, "?k=99999999999999999999", "?sort=;--"]
    )
    if method in ("DELETE", "PATCH", "POST") and name == "subject%201":
        method = "GET"
    return method, path + query, {"If-None-Match": chance.choice(["*", '"', "x" * 5000])}, b""


def odd_headers(chance: random.Random) -> Request:
    headers = {
        "Content-Type": chance.choice(["application/json", "multipart/form-data; boundary=b", "application/zip", "/"]),
        chance.choice(
            ["Idempotency-Key", "Range", "Accept", "X-Request-Id", "Authorization", "X-Api-Key", "Expect"]
        ): chance.choice(["", "x" * 7000, "bytes=0-99999999999", "Bearer ?", "a, b;q=nan", "100-continue"]),
    }
    return chance.choice(["POST", "GET"]), chance.choice(["/identify", "/subjects", "/model"]), headers, b"{}"


KINDS: dict[str, Callable[[random.Random], Request]] = {
    "mutated picture": mutated_picture,
    "polyglot": polyglot_picture,
    "picture of billions of pixels": bomb_picture,
    "mutated form": mutated_form,
    "JSON of wrong types": wrong_json,
    "broken or deep JSON": broken_json,
    "mutated archive": mutated_archive,
    "odd path": odd_path,
    "odd header": odd_headers,
}


def crowded(address: str, count: int) -> str:
    """What others get while so many connections are open."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, count + 1000), most))
    host, port = address.removeprefix("http://").split(":")
    waiting, failed, took = [], 0, []
    for number in range(count):
        try:
            one = socket.create_connection((host, int(port)), timeout=5)
            if number % 10 == 0:
                one.sendall(b"POST /api/v1/identify HTTP/1.1\r\nHost: x\r\nX-Slow: ")
            waiting.append(one)
        except OSError:
            failed += 1
    statuses: Counter[int | str] = Counter()
    headers, body = form([("picture", "a.png", photo(random.Random(0), "PNG"))], {})
    for _ in range(30):
        start = time.perf_counter()
        try:
            answer = httpx.post(f"{address}{API}/identify", headers=headers, content=body, timeout=60)
            statuses[answer.status_code] += 1
        except httpx.TransportError as error:
            statuses[type(error).__name__] += 1
        took.append(time.perf_counter() - start)
        time.sleep(0.5)
    for one in waiting:
        one.close()
    time.sleep(2)
    after = httpx.post(f"{address}{API}/identify", headers=headers, content=body, timeout=60).status_code
    found = ", ".join(f"{status}: {number}" for status, number in statuses.items())
    return (
        f"With {len(waiting):,} connections that wait ({failed:,} more were refused), 30 identifications on others, "
        f"one each half second: {found}; {np.median(took) * 1000:.0f} ms in the median, at most {max(took):.1f} s; "
        f"after they were closed: {after}."
    )


if __name__ == "__main__":
    main()
