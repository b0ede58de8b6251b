"""The files in `deploy/` name settings that exist, and start the server with as few rights as they say."""

import re
import tomllib
from pathlib import Path

import pytest

from semelha.service.settings import Settings, load_settings

DEPLOY = Path(__file__).parents[1] / "deploy"


def text(name: str) -> str:
    return (DEPLOY / name).read_text(encoding="utf-8")


def test_the_settings_of_the_unit_can_be_used() -> None:
    settings = load_settings(DEPLOY / "server.toml")
    assert settings.needs_keys, "behind a proxy every request comes from this machine"
    assert set(tomllib.loads(text("server.toml"))) <= set(Settings.model_fields)


def test_variables_of_the_container_are_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    found = dict(re.findall(r"\b(SEMELHA_[A-Z_]+)=(\S+)", text("Containerfile")))
    assert {name.removeprefix("SEMELHA_").lower() for name in found} - {"cache"} <= set(Settings.model_fields)
    for name, value in found.items():
        monkeypatch.setenv(name, value)
    settings = load_settings()
    assert settings.needs_keys
    places = (settings.keys, settings.state, settings.temporary, settings.backups)
    assert {str(one).split("/")[1] for one in places} == {"keys", "state", "backups"}


def test_rights_are_few() -> None:
    compose, unit = text("compose.yaml"), text("semelha.service")
    assert re.search(r"^USER 10001:10001$", text("Containerfile"), re.MULTILINE)
    for line in ("read_only: true", "cap_drop: [ALL]", 'user: "10001:10001"', "no-new-privileges:true", "/keys:ro"):
        assert line in compose
    for line in ("ProtectSystem=strict", "NoNewPrivileges=yes", "CapabilityBoundingSet=", "Restart=on-failure"):
        assert line in unit.splitlines()
    assert "proxy_pass http://semelha;" in text("nginx.conf"), "with a path, names with slashes would be decoded"
