"""The engine ray writes the bytes that the local engine writes, prints nothing, and goes on where that stopped."""

import os
import socket
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from tests.bulk.made import photos

import semelha
from semelha.bulk import chunks, on_ray
from semelha.embedders import Model
from semelha.errors import MissingExtra, SemelhaError, UsageError

pytest.importorskip("pyarrow")
has_ray = pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed")

ON_RAY = """
import sys
import semelha
from semelha.bulk import chunks
chunks.LEAST = 4
counts = []
made = semelha.embed_files(
    *sys.argv[1:3], out=sys.argv[3], engine="ray", actors=2, batch_size=4, progress=lambda *count: counts.append(count)
)
print(made.vectors, made.reused, len(made.skipped), counts[-1])
"""


@has_ray
def test_ray_writes_what_this_process_writes(tiny: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two actors go on with what this process began: with a bad file, and pictures whose content is known."""
    monkeypatch.setattr(chunks, "LEAST", 4)
    folder, out, whole = photos(tmp_path / "photos"), tmp_path / "vectors.parquet", tmp_path / "whole.parquet"
    (folder / "thing 1" / "9.png").write_bytes((folder / "thing 1" / "0.png").read_bytes()[:200])

    def interrupt(done: int, _: int) -> None:
        if done == 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        semelha.embed_files(tiny, folder, out=out, batch_size=4, progress=interrupt)
    (folder / "thing 0" / "0.png").touch()  # a new time: its part is not taken as it is
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    environment.pop("RAY_ADDRESS", None)
    words = [sys.executable, "-c", ON_RAY, tiny.folder, folder, out]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=120)
    assert (done.stdout, done.stderr) == ("12 8 1 (13, 13)\n", "")
    semelha.embed_files(tiny, folder, out=whole, batch_size=4)
    assert out.read_bytes() == whole.read_bytes()


@has_ray
@pytest.mark.parametrize("address", ["127.0.0.1:{port}", "ray://[::1]:{port}", "127.0.0.1:99999"])
def test_an_address_where_nothing_listens_is_told_at_once(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as held:  # bound, and not listening
        held.bind(("127.0.0.1", 0))
        monkeypatch.setenv("RAY_ADDRESS", address.format(port=held.getsockname()[1]))
        with pytest.raises(SemelhaError, match="no Ray cluster answers at"), on_ray.connected():
            pass


def test_without_ray_the_error_names_the_extra(tiny: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.setitem(sys.modules, "ray.data", None)
    for name in on_ray.QUIET:
        monkeypatch.setenv(name, "")
    with pytest.raises(MissingExtra, match=r'pip install "semelha\[ray\]"'):
        semelha.embed_files(tiny, tmp_path, out=tmp_path / "vectors.parquet", engine="ray")


def test_without_pyarrow_the_error_names_the_extra(
    tiny: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(MissingExtra, match=r'pip install "semelha\[parquet\]"'):
        semelha.embed_files(tiny, tmp_path, out=tmp_path / "vectors.parquet")


@has_ray
@pytest.mark.parametrize(
    ("machines", "actors", "chunks", "expected"),
    [
        ([2], None, 9, (1, 2)),
        ([2], 2, 9, (2, 1)),
        ([2], 2, 1, (1, 1)),
        ([8, 64], None, 99, (9, 8)),
        ([8, 64, 0], 3, 99, (3, 21)),
        ([8, 64], None, 4, (4, 8)),
    ],
)
def test_processors_are_divided(
    machines: list[int], actors: int | None, chunks: int, expected: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Actors, and threads of each; an actor runs on one machine, and none has nothing to do."""
    import ray

    monkeypatch.setattr(ray, "nodes", lambda: [{"Alive": True, "Resources": {"CPU": one}} for one in machines])
    assert on_ray._divided(actors, chunks) == expected


@has_ray
def test_errors_of_ray_are_told_with_their_reason() -> None:
    from ray.exceptions import RayError

    with pytest.raises(UsageError, match="the real one"), on_ray._translating_errors():
        raise RayError("an actor failed") from UsageError("the real one")
    with pytest.raises(SemelhaError, match=r"^Ray failed: an actor failed: no memory$"), on_ray._translating_errors():
        raise RayError("an actor failed") from ValueError("Traceback …\nno memory")
