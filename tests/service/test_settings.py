"""Settings: arguments come before the environment, and that before the file; what is no setting is refused."""

from pathlib import Path

import pytest

from semelha.errors import UsageError
from semelha.service.settings import Settings, is_loopback, load_settings


def test_arguments_then_environment_then_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "server.toml"
    file.write_text('port = 1\nrate = 1.0\nmax_queue = 1\ngalleries = ["a", "b"]\n')
    monkeypatch.setenv("SEMELHA_PORT", "2")
    monkeypatch.setenv("SEMELHA_RATE", "2")
    found = load_settings(file, port=3, host=None)
    assert (found.port, found.rate, found.max_queue, found.host) == (3, 2.0, 1, "127.0.0.1")
    assert found.galleries == (Path("a"), Path("b"))
    monkeypatch.setenv("SEMELHA_GALLERIES", "c:d")
    assert load_settings(file).galleries == (Path("c"), Path("d"))
    monkeypatch.setenv("SEMELHA_GALLERIES", "c:milvus://h:1/shop:milvus+tls://h/base/shop:d")
    assert load_settings(file).galleries == tuple(
        map(Path, ("c", "milvus://h:1/shop", "milvus+tls://h/base/shop", "d"))
    )


def test_each_gallery_has_its_state_unless_a_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    places = [
        load_settings(galleries=(path,)).state for path in (Path("a/shop"), Path("a/shop").absolute(), Path("b/shop"))
    ]
    assert places[0] == places[1] != places[2]
    assert all(place and place.parent == tmp_path / "semelha" for place in places)
    assert load_settings(galleries=(Path("shop"),), state=tmp_path / "x").state == tmp_path / "x"
    assert load_settings().state is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("prot = 1", "prot"),
        ("port = 'x'", "port"),
        ("max_queue = 0", "max_queue"),
        ("deadline = inf", "deadline"),
        ("port = ", "cannot be read"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "server.toml").write_text(text)
    with pytest.raises(UsageError, match=said):
        load_settings(tmp_path / "server.toml")
    with pytest.raises(UsageError, match="does not exist"):
        load_settings(tmp_path / "missing.toml")


@pytest.mark.parametrize(
    ("host", "is_local"),
    [("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("[::1]", True), ("localhost", True), ("0.0.0.0", False),
     ("::", False), ("192.168.1.5", False), ("example.org", False), ("localhost.example.org", False), ("", False)],
)  # fmt: skip
def test_keys_are_needed_unless_only_this_machine_can_call(host: str, is_local: bool) -> None:
    assert is_loopback(host) is is_local
    assert Settings(host=host).needs_keys is not is_local
    assert Settings(host=host, require_keys=True).needs_keys
    if is_local:
        assert not Settings(host=host, require_keys=False).needs_keys
    else:
        with pytest.raises(UsageError, match=r"require_keys cannot be used: .* without keys"):
            load_settings(host=host, require_keys=False)
