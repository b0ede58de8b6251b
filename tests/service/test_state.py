"""The state file: what one process writes the others see, what a killed one leaves is known, nothing deleted stays."""

import stat
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from semelha.errors import GalleryError, SemelhaError
from semelha.service.state import State

OTHER = """
import sys, time
from pathlib import Path
from semelha.service.state import State
state = State(Path(sys.argv[1]))
print(state.process, flush=True)
time.sleep(60)
"""


def test_processes_share_it_and_it_lasts(tmp_path: Path) -> None:
    path = tmp_path / "new" / "state.sqlite"
    first, second = State(path), State(path)
    with first.transaction() as db:
        db.execute("INSERT INTO rates VALUES ('a', 1, 2)")
    with suppress(ValueError), second.transaction() as db:
        db.execute("DELETE FROM rates")
        raise ValueError
    assert second.rows("SELECT * FROM rates") == [("a", 1.0, 2.0)]
    for state in (first, second):
        state.close()
    again = State(path)
    assert again.rows("SELECT * FROM rates") == [("a", 1.0, 2.0)]
    assert {stat.S_IMODE(each.stat().st_mode) for each in path.parent.iterdir()} == {0o600}
    again.close()
    assert [each.name for each in path.parent.iterdir()] == ["state.sqlite"]
    with pytest.raises(GalleryError):
        again.rows("SELECT 1")


def test_a_killed_process_is_known(tmp_path: Path) -> None:
    state = State(tmp_path / "state.sqlite")
    with subprocess.Popen([sys.executable, "-c", OTHER, str(state.path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        other = process.stdout.readline().strip()
        assert state.is_alive(other)
        assert state.is_alive(state.process)
        process.kill()
        process.wait()
        assert not state.is_alive(other)
    assert not state.is_alive("0123")
    state.close()


def test_what_is_deleted_is_not_in_the_files(tmp_path: Path) -> None:
    state = State(tmp_path / "state.sqlite")
    for text in ("granny-smith", "gala"):
        with state.transaction() as db:
            db.execute("INSERT OR REPLACE INTO empty_subjects VALUES ('shop', ?)", (text,))
    with state.transaction() as db:
        db.execute("DELETE FROM empty_subjects WHERE name = 'granny-smith'")
    state.erase()
    content = b"".join(each.read_bytes() for each in tmp_path.iterdir())
    assert b"gala" in content
    assert b"granny-smith" not in content
    state.close()


def test_a_file_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "state.sqlite").write_bytes(b"no database, but long enough to be looked at as one" * 100)
    with pytest.raises(SemelhaError, match="cannot be kept"):
        State(tmp_path / "state.sqlite")
    other = State(tmp_path / "other.sqlite")
    with other.transaction() as db:
        db.execute("PRAGMA user_version = 99")
    other.close()
    with pytest.raises(SemelhaError, match="format 99"):
        State(tmp_path / "other.sqlite")
    (tmp_path / "file").touch()
    with pytest.raises(SemelhaError, match="cannot be kept"):
        State(tmp_path / "file" / "state.sqlite")


def test_in_memory_it_is_of_one_process() -> None:
    state = State()
    with state.transaction(durable=True) as db:
        db.execute("INSERT INTO rates VALUES ('a', 1, 2)")
    state.erase()
    assert state.rows("SELECT caller FROM rates") == [("a",)]
    assert (state.is_alive(state.process), state.is_alive("other")) == (True, False)
    state.close()


def test_a_file_of_the_first_format_keeps_all_but_its_jobs(tmp_path: Path) -> None:
    """Their results name subjects that nobody has listed."""
    state = State(tmp_path / "state.sqlite")
    with state.transaction() as db:
        db.execute("ALTER TABLE jobs DROP COLUMN names")
        db.execute(
            "INSERT INTO jobs (id, kind, gallery, created, process, state, done, total, result)"
            " VALUES ('1', 'check', 'shop', '', '', 'done', 1, 1, '\"granny-smith\"')"
        )
        db.execute("INSERT INTO rates VALUES ('a', 1, 2)")
        db.execute("PRAGMA user_version = 1")
    state.close()
    again = State(tmp_path / "state.sqlite")
    assert again.rows("SELECT names FROM jobs") == []
    assert again.rows("SELECT caller FROM rates") == [("a",)]
    assert again.rows("PRAGMA user_version") == [(2,)]
    again.close()
    assert b"granny-smith" not in b"".join(each.read_bytes() for each in tmp_path.iterdir())
