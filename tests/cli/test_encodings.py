"""Every command writes under every encoding of a console, whatever the names; JSON is UTF-8."""

import io
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.tiny_model import noise, tiny_model
from typer.main import get_command

from semelha.cli.app import main, make_app
from semelha.embedders.published import DEFAULT, published_folder
from semelha.gallery import Gallery

ENCODINGS = ("cp932", "cp437", "cp1252", "ascii")
APPLE, DATE, FISH = "りんご", "تمر", "🐟 [bold]été[red] :cat:"
WILD = [
    b"caf\xe9.png",
    "り んご\x1b[31m.png".encode(),
    "تمر\u202e\n.png".encode(),
    "🐟 – “ﬁsh”.png".encode(),
]
"""File names: bytes that are no UTF-8, a color for the terminal, writing from right to left, a new line."""
ACTIVE = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


class World:
    """Pictures with wild names, two models, and a gallery with subjects in three scripts."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.model, self.other = tiny_model(folder / "model"), tiny_model(folder / "other", seed=1)
        for number, label in enumerate((APPLE, DATE, FISH, "d", "e", "f")):
            (folder / "photos" / label).mkdir(parents=True)
            for name, seed in zip(WILD, range(4), strict=True):
                self.write(folder / "photos" / label / os.fsdecode(name), 10 * number, seed)
        self.wild = [folder / os.fsdecode(name) for name in WILD]
        for seed, path in enumerate(self.wild):
            self.write(path, 0, 8 + seed)
        self.bad = folder / os.fsdecode(b"\x1b]0;bad\xff.jpg")
        self.bad.write_bytes(b"no picture")
        self.onnx = folder / os.fsdecode(b"\x1b[31m\xff.onnx")
        self.onnx.write_bytes((self.model.folder / "embedder.onnx").read_bytes())
        with Gallery.create(folder / "shop", self.model, threads=1) as gallery:
            gallery.enroll_dataset(folder / "photos")
            gallery.reject(self.wild[1], DATE)
            self.merge = gallery.merge("f", "e")

    @staticmethod
    def write(path: Path, label: int, seed: int) -> None:
        pixels = noise(label).astype(np.int16) + noise(1000 + 10 * label + seed) // 16
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(path, "PNG")

    def commands(self, out: Path) -> list[tuple[int, list[object]]]:
        """Command lines with their exit status, in an order in which all of them work."""
        shop, photos, (a, b, c, d) = out / "shop", self.folder / "photos", self.wild
        return [
            (0, ["train", photos, "--out", out / "gmml", "--method", "gmml", "--features", "first-order"]),
            (0, ["shards", photos, "--out", out / "packed é", "--number", "2"]),
            (0, ["import", self.onnx, "--out", out / "imported é"]),
            (1, ["import", self.bad, "--out", out / "no model"]),
            (2, ["import", self.onnx, "--output", "\x1b[31m", "--out", out / "no model"]),
            (2, ["import", self.onnx, "--size", "\x1b[31m", "--out", out / "no model"]),
            (0, ["derive", self.model.folder, "--views", "2", "--out", out / "derived é"]),
            (1, ["embed", self.model.folder, a, b, self.bad, "--out", out / "vectors.npz"]),
            (1, ["embed", self.model.folder, photos, self.bad, "--out", out / "vectors é.parquet"]),
            (2, ["embed", self.model.folder, "none://\x1b[31m", "--out", out / "vectors é.parquet"]),
            (0, ["subjects", "merges", shop]),
            (0, ["subjects", "unmerge", shop, self.merge]),
            (1, ["enroll", shop, "日本", a, self.bad]),
            (0, ["enroll", shop, DATE, b, a]),
            (0, ["enroll", shop, "--from", photos]),
            (0, ["enroll", shop, "--vectors", out / "vectors é.parquet"]),
            (1, ["enroll", shop, "--vectors", self.bad]),
            (1, ["identify", shop, a, b, self.bad, c, d]),
            (1, ["identify", shop, self.bad]),
            (0, ["verify", shop, a, b]),
            (0, ["verify", shop, a, "--subject", f" {APPLE} "]),
            (0, ["explain", shop, a, "--out", out / "evidence.png"]),
            (0, ["reject", shop, d, FISH]),
            (0, ["calibrate", shop, "--fpir", "0.4"]),
            (0, ["identify", shop, a, c]),
            (0, ["check", shop, "--report", out / "check é.html"]),
            (0, ["cluster", shop, photos, "--out", out / "clusters", "--report", out / "clusters.html"]),
            (0, ["subjects", "list", shop]),
            (0, ["subjects", "examples", shop, FISH]),
            (0, ["subjects", "move-example", shop, "1", "Ångström"]),
            (0, ["subjects", "remove-example", shop, "2", "--yes"]),
            (0, ["subjects", "rejections", shop, FISH]),
            (0, ["subjects", "withdraw", shop, "2"]),
            (0, ["subjects", "merge", shop, "e", "f"]),
            (0, ["subjects", "rename", shop, APPLE, "林檎"]),
            (1, ["subjects", "rename", shop, "林檎", "\x1b[31m"]),
            (1, ["subjects", "rename", shop, "林檎", "unknown"]),
            (1, ["subjects", "remove", shop, "no\x1b[2Jbody", "--yes"]),
            (0, ["subjects", "remove", shop, FISH, "--yes"]),
            (0, ["index", shop]),
            (0, ["doctor", shop]),
            (0, ["audit", shop]),
            (0, ["audit", shop, "--subject", DATE, "--limit", "3"]),
            (0, ["backup", shop, out / "backup é"]),
            (0, ["restore", out / "backup é", out / "again"]),
            (0, ["copy", out / "again", out / "copy é"]),
            (0, ["migrate", shop, "--model", self.other.folder, "--uncalibrated"]),
            (0, ["evaluate", self.model.folder, photos, "--resamples", "0", "--no-baselines"]),
            (1, ["compare", photos, "--methods", "pixels", "--out", out / "compared é"]),
            (1, ["tune", photos, "--method", "gmml on hog", "--out", out / "tuned é"]),
            (2, ["identify"]),
            (2, ["\x1b[31mcommand"]),
            (2, ["identify", "--\x1b[31m"]),
            (2, ["subjects", "unmerge", shop, "x\x1b[31m"]),
            (1, ["identify", self.folder / "none\x1b[31m", a]),
            (1, ["evaluate", self.model.folder, photos, "--report", self.folder]),
            (0, ["doctor"]),
            (0, ["weights", "list"]),
            (0, ["weights", "export", out / "weights é"]),
            (0, ["weights", "import", out / "weights é"]),
            (0, ["weights", "fetch", DEFAULT]),
            (1, ["weights", "use", "no\x1b[2Jmodel"]),
            (0, ["weights", "use", self.other.folder]),
            (0, ["pretrained", "--out", out / "pretrained é"]),
            (0, ["weights", "use", DEFAULT]),
            (0, ["keys", "create", "till é", "--keys", out / "keys é.json"]),
            (0, ["keys", "list", "--keys", out / "keys é.json"]),
            (2, ["keys", "revoke", "none\x1b[31m", "--keys", out / "keys é.json"]),
            (2, ["serve", "--\x1b[31m"]),
            (2, ["open", "--\x1b[31m"]),
        ]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("world")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEMELHA_CACHE", str(folder / "cache"))
        tiny_model(published_folder(DEFAULT), published=DEFAULT)
        yield World(folder)


def run(monkeypatch: pytest.MonkeyPatch, encoding: str, *arguments: object) -> tuple[int, bytes, bytes]:
    """Run a command in this process with a console of an encoding: exit status, output and errors."""
    streams = [io.TextIOWrapper(io.BytesIO(), encoding=encoding) for _ in range(2)]
    with monkeypatch.context() as patched:
        patched.setattr(sys, "stdout", streams[0])
        patched.setattr(sys, "stderr", streams[1])
        with pytest.raises(SystemExit) as stopped:
            main([str(argument) for argument in arguments])
        written = []
        for stream in streams:
            stream.flush()
            written.append(stream.buffer.getvalue())  # type: ignore[attr-defined]
    return int(stopped.value.code or 0), written[0], written[1]


def command_names() -> Iterator[list[str]]:
    commands = get_command(make_app()).commands  # type: ignore[attr-defined]
    for name, command in commands.items():
        yield [name]
        yield from ([name, inner] for inner in getattr(command, "commands", ()))


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_help_is_written(encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for words in ([], *command_names()):
        status, out, err = run(monkeypatch, encoding, *words, "--help")
        assert (status, err) == (0, b""), words
        assert "Usage:" in out.decode(encoding)


@pytest.mark.parametrize(
    "encoding", [one if one in ("cp932", "ascii") else pytest.param(one, marks=pytest.mark.slow) for one in ENCODINGS]
)
def test_every_command_writes_any_name(
    encoding: str, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torch")
    shutil.copytree(world.folder / "shop", tmp_path / "shop")
    for expected, words in world.commands(tmp_path):
        status, out, err = run(monkeypatch, encoding, *words)
        text = out.decode(encoding) + err.decode(encoding)
        assert status == expected, (words, text)
        assert not ACTIVE.search(text), (words, text)
        assert "Traceback" not in text


def test_every_json_is_utf_8(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch")
    shutil.copytree(world.folder / "shop", tmp_path / "shop")
    for expected, words in world.commands(tmp_path):
        status, out, err = run(monkeypatch, "cp932", *words, "--json")
        assert status == expected, (words, out, err)
        if out:
            value = json.loads(out.decode("utf-8"))
            json.dumps(value, ensure_ascii=False).encode("utf-8")  # no lone surrogates either
        assert out or status


def test_every_command_is_run_here(world: World, tmp_path: Path) -> None:
    groups = ("subjects", "weights", "keys")
    run_here = {tuple(map(str, words[: 2 if words[0] in groups else 1])) for _, words in world.commands(tmp_path)}
    elsewhere = {("demo",), *((group,) for group in groups)}  # `demo` trains a network, in `test_demo.py`
    assert {tuple(words) for words in command_names()} <= run_here | elsewhere


def test_an_undecodable_file_name_is_enrolled_under_an_escaped_name(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = tmp_path / "shop"
    status, out, err = run(
        monkeypatch, "utf-8", "enroll", shop, "--model", world.model.folder, "x", world.wild[0], "--json"
    )
    assert (status, err) == (0, b"")
    assert json.loads(out)["enrolled"][0]["added"] == 1
    with Gallery(shop) as gallery:
        (example,) = gallery.examples("x")
    assert Path(example.source).name == r"caf\xe9.png"
    found = json.loads(run(monkeypatch, "utf-8", "identify", shop, world.wild[0], "--json")[1])
    assert found["identifications"][0]["picture"].endswith(r"caf\xe9.png")


def test_the_program_itself_under_an_encoding(world: World) -> None:
    """In a process of its own: the settings of the interpreter's streams, and the start of the program."""
    words = [sys.executable, "-m", "semelha.cli", "identify", world.folder / "shop", *world.wild, world.bad]
    done = subprocess.run(words, env={**os.environ, "PYTHONIOENCODING": "cp437"}, capture_output=True)
    assert done.returncode == 1, done.stderr
    assert b"Traceback" not in done.stderr
    assert r"caf\xe9.png" in done.stdout.decode("cp437")
    json_too = subprocess.run([*words, "--json"], env={**os.environ, "PYTHONIOENCODING": "ascii"}, capture_output=True)
    assert APPLE in json_too.stdout.decode("utf-8")
    assert len(json.loads(json_too.stdout)["identifications"]) == 4
