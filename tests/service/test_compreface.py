"""CompreFace's own Python client, unmodified, works with a server of a gallery.

Each call is one that its documentation describes.
"""

import importlib
import shutil
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from tests.service.made import near, png
from tests.service.process import server
from tests.tiny_model import noise

from semelha.embedders import Model
from semelha.gallery import Gallery
from semelha.service.keys import KeyFile

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")  # the client leaves files to the garbage collector
OPTIONS = {
    "limit": 0,
    "det_prob_threshold": 0.8,
    "prediction_count": 3,
    "face_plugins": "calculator,age,gender,landmarks",
    "status": "true",
}
WHOLE = {"probability": 1.0, "x_min": 0, "y_min": 0, "x_max": 20, "y_max": 20}


@pytest.fixture(scope="module")
def sdk() -> Iterator[Any]:
    """The client's module."""
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # requests-toolbelt 0.9.1, which the client asks for, imports a module that urllib3 2 does not have any more.
        patch.setitem(sys.modules, "urllib3.contrib.appengine", ModuleType("appengine"))
        yield importlib.import_module("compreface")


@pytest.fixture
def connected(sdk: Any, tmp_path: Path) -> Iterator[Any]:
    """`connected(gallery)`: the client of a server of this gallery, and a key for it."""
    running = []

    def start(gallery: Path, **options: Any) -> tuple[Any, str]:
        (tmp_path / "server.toml").write_text("require_keys = true\n")
        _, key = KeyFile(tmp_path / "keys.json").create("app", "enroll")
        process = server(gallery, "--compreface", "--config", tmp_path / "server.toml", tmp_path=tmp_path)
        domain, _, port = process.__enter__()[1].rpartition(":")
        running.append(process)
        return sdk.CompreFace(domain, port, **options), key

    yield start
    for process in running:
        process.__exit__(None, None, None)


def test_collections_of_faces(connected: Any, tiny: Model, tmp_path: Path) -> None:
    """Subjects and examples are added, listed, renamed, merged and deleted, from a file and from bytes."""
    Gallery.create(tmp_path / "shop", tiny).close()
    client, key = connected(tmp_path / "shop")
    recognition = client.init_face_recognition(key)
    faces, subjects = recognition.get_face_collection(), recognition.get_subjects()
    (tmp_path / "a.png").write_bytes(png(noise(1)))

    assert subjects.add("Jonathan Petit") == {"subject": "Jonathan Petit"}
    assert subjects.list() == {"subjects": ["Jonathan Petit"]}
    first = faces.add(image_path=str(tmp_path / "a.png"), subject="Jonathan Petit", options={"det_prob_threshold": 0.8})
    assert first["subject"] == "Jonathan Petit"
    second = faces.add(image_path=png(noise(2)), subject="Ana Bó")
    third = faces.add(image_path=png(noise(3)), subject="Jonathan Petit")
    listed = faces.list()
    assert listed["faces"] == [first, second, third]
    assert (listed["page_number"], listed["page_size"], listed["total_pages"], listed["total_elements"]) == (
        0,
        20,
        1,
        3,
    )

    assert subjects.update("Jonathan Petit", "J. Petit") == {"updated": True}
    assert faces.delete(third["image_id"]) == {"image_id": third["image_id"], "subject": "J. Petit"}
    assert subjects.update(second["subject"], "J. Petit") == {"updated": True}
    assert subjects.list() == {"subjects": ["J. Petit"]}
    assert faces.delete_all("J. Petit") == {"deleted": 2}
    assert faces.list()["total_elements"] == 0
    faces.add(image_path=png(noise(4)), subject="a")
    faces.add(image_path=png(noise(5)), subject="b")
    assert subjects.delete("a") == {"subject": "a"}
    assert subjects.delete_all() == {"deleted": 1}
    assert subjects.list() == {"subjects": []}


def test_recognition_and_verification(connected: Any, shop: Path, tmp_path: Path) -> None:
    """A known picture has a similarity of at least 0.5, and an unknown one the nearest subject with less."""
    shutil.copytree(shop, tmp_path / "shop")
    client, key = connected(tmp_path / "shop", options=OPTIONS)
    recognition, verification = client.init_face_recognition(key), client.init_face_verification(key)

    (known,) = recognition.recognize(image_path=near(3))["result"]
    assert known["box"] == WHOLE
    assert len(known["embedding"]) == 8
    assert [one["similarity"] for one in known["subjects"]] == sorted(
        (one["similarity"] for one in known["subjects"]), reverse=True
    )
    assert (known["subjects"][0]["subject"], known["decision"]) == ("s3", "known")
    assert len(known["subjects"]) == 3
    assert known["subjects"][0]["similarity"] >= 0.5 > known["subjects"][1]["similarity"]
    with Gallery(shop) as gallery:
        stranger = next(seed for seed in range(700, 900) if gallery.identify(noise(seed)).decision == "unknown")
    (unknown,) = recognition.recognize(png(noise(stranger)), {"prediction_count": 1})["result"]
    assert unknown["decision"] == "unknown"
    assert "embedding" not in unknown
    (nearest,) = unknown["subjects"]
    assert 0 < nearest["similarity"] < 0.5

    faces = recognition.get_face_collection()
    image = next(one for one in faces.list()["faces"] if one["subject"] == "s3")["image_id"]
    (same,) = faces.verify(near(3), image, OPTIONS)["result"]
    assert (same["subject"], same["same"], same["box"]) == ("s3", True, WHOLE)
    (other,) = faces.verify(near(4), image)["result"]
    assert same["similarity"] >= 0.5 > other["similarity"]

    (pair,) = verification.verify(near(3), png(noise(3)))["result"]
    assert pair["source_image_face"]["box"] == WHOLE
    (match,) = pair["face_matches"]
    assert match["same"] is True
    (pair,) = verification.verify(near(3), png(noise(5)))["result"]
    assert match["similarity"] >= 0.5 > pair["face_matches"][0]["similarity"]


def test_errors(connected: Any, tiny: Model, tmp_path: Path) -> None:
    Gallery.create(tmp_path / "shop", tiny).close()
    client, key = connected(tmp_path / "shop")
    recognition = client.init_face_recognition(key)
    faces, subjects = recognition.get_face_collection(), recognition.get_subjects()
    subjects.add("a")
    assert subjects.add("a") == {"message": "Subject already exists", "code": 43}
    assert subjects.delete("nobody")["code"] == 42
    assert faces.delete("00000000-0000-0000-0000-000000000001")["code"] == 44
    assert recognition.recognize(b"no picture")["code"] == 21
    assert recognition.recognize(png(noise(1)))["result"][0]["subjects"] == []
    assert client.init_face_recognition("00000000-0000-0000-0000-000000000002").get_subjects().list()["code"] == 10
