"""No answer shows where the disk of the server has its files: not to a key of role read, nor to any other."""

import io
import json
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from tests.service.made import files, near, png
from tests.tiny_model import noise

from semelha.embedders import Model
from semelha.gallery import Gallery
from semelha.images import Picture
from semelha.service.models import file_name

Serving = Callable[..., TestClient]


@pytest.fixture
def client(tiny: Model, tmp_path: Path, serving: Serving) -> TestClient:
    """Of a gallery whose pictures were enrolled, rejected and kept for review by their whole paths."""
    paths = [tmp_path / f"{number}.png" for number in range(6)]
    for number, path in enumerate(paths):
        path.write_bytes(png(noise(number)))
    with Gallery.create(tmp_path / "shop", tiny) as gallery:
        pictures = [Picture(paths[5], "", str(paths[5]))]
        probes = gallery.embed_probes(pictures)
        gallery.keep_for_review(probes, gallery.identify_probes(probes), pictures)
        for number in range(4):
            gallery.enroll(f"s{number}", paths[number])
        gallery.enroll("s1", near(1))
        gallery.reject(paths[4], "s0")
    (tmp_path / "uploads").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "uploads")
    return serving(tmp_path / "shop", temporary=tmp_path / "link", backups=tmp_path / "backups")


def archive(**members: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as opened:
        for name, data in members.items():
            opened.writestr(name.replace("__", "/"), data)
    return file.getvalue()


def answers(client: TestClient) -> Iterator[tuple[str, str]]:
    """What every endpoint that takes no body answers, and those that name examples, files or folders of the server."""
    values = {"name": "s1", "example": "1", "rejection": "1", "review": "1", "gallery": "shop", "job": "x"}
    document = client.get("/openapi.json").json()
    yield "the document", json.dumps(document)
    for path, operations in document["paths"].items():
        if "get" in operations:
            yield path, client.get(path.format(**values), params={"before": 0, "after": 1}).text
    root = "/api/v1"
    yield "identify", client.post(f"{root}/identify", files=files(near(2))).text
    yield "a picture that is cut off", client.post(f"{root}/identify", files=files(png(noise(1))[:200])).text
    yield "check", client.post(f"{root}/check?min_score=0&wait=30").text
    yield "backup", client.post(f"{root}/backups?wait=30").text
    zipped = {"Content-Type": "application/zip"}
    broken = archive(a__1=b"no picture", a__2=png(noise(50))[:200])
    for name, content in (
        ("no archive", b"PK"),
        ("an archive of pictures that cannot be used", broken),
        ("one without folders", archive(a=b"")),
        ("one of pictures and a broken one", archive(**{"a__1.png": png(noise(51)), "a__2.png": png(noise(52))[:200]})),
    ):
        yield name, client.post(f"{root}/imports?wait=30", content=content, headers=zipped).text
    missing = client.post(f"{root}/imports?wait=30&manifest=no.csv", content=broken, headers=zipped)
    yield "a manifest that is missing", missing.text
    yield "jobs", client.get(f"{root}/jobs").text


def test_no_answer_has_a_path_of_the_disk(client: TestClient, tmp_path: Path) -> None:
    seen: dict[str, str] = dict(answers(client))
    for name, text in seen.items():
        for folder in (tmp_path, tmp_path.resolve(), Path.cwd(), Path.home()):
            assert str(folder) not in text, (name, text)
    assert '"source":"2.png"' in seen["identify"]
    assert '"4.png"' in seen["/api/v1/rejections"]
    assert '"5.png"' in seen["/api/v1/reviews"]
    assert '"s0"' in seen["check"]


def test_the_sheet_has_the_names_of_files_alone(tiny: Model, tmp_path: Path, serving: Serving) -> None:
    """It is drawn as for pictures that were enrolled without a path."""
    sheets = []
    for folder, is_path in (("a", True), ("b", False)):
        with Gallery.create(tmp_path / folder, tiny) as gallery:
            for number in range(2):
                path = tmp_path / f"{number}.png"
                path.write_bytes(png(noise(number)))
                source: Any = path if is_path else Picture(path.read_bytes(), "", path.name)
                gallery.enroll(f"s{number}", source)
        sheets.append(serving(tmp_path / folder).post("/api/v1/explain", files=files(near(1))).content)
    assert sheets[0][:4] == b"\x89PNG"
    assert sheets[0] == sheets[1]


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("/home/ana/a.png", "a.png"),
        (r"C:\pictures\a.png", "a.png"),
        (r"\\server\share\folder\a.png", "a.png"),
        ("a.png", "a.png"),
        ("apples/a.png", "apples/a.png"),
        ("picture 0", "picture 0"),
        ("", ""),
    ],
)
def test_only_whole_paths_are_shortened(source: str, shown: str) -> None:
    assert file_name(source) == shown
