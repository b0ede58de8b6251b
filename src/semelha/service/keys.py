"""API keys: a JSON file with the SHA-256 of each. A key has 32 random bytes, so that no slow hash is needed."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
import secrets
import threading
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, get_args

from filelock import FileLock

from semelha.errors import SemelhaError, UsageError
from semelha.files import make_folder, write_file
from semelha.untrusted import checked_name, field_of, read_json

Role = Literal["read", "enroll", "admin"]
"""What a key may do: read and identify; also change subjects and examples; also calibrate. Each includes the former."""
ROLES: tuple[Role, ...] = get_args(Role)
FORMAT = 1
MAX_BYTES = 1 << 22
_KEY = re.compile(r"semelha_([0-9a-f]{12})_([A-Za-z0-9_-]{43})")


@dataclass(frozen=True)
class ApiKey:
    """A key as it is stored: its id, name, role, when (ISO, UTC) it was created, and the hash of its secret."""

    id: str
    name: str
    role: Role
    created: str
    hash: str


class KeyFile:
    """The keys of a file, read again when the file changes. Several threads and processes may use it.

    Raises `SemelhaError` if the file is damaged or cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._seen: tuple[int, int, int] | None = None
        self._keys: dict[str, ApiKey] = {}

    def keys(self) -> list[ApiKey]:
        """List the keys, oldest first. Without the file there are none."""
        with self._lock:
            try:
                status = os.stat(self.path)
            except FileNotFoundError:
                self._seen, self._keys = None, {}
                return []
            seen = status.st_mtime_ns, status.st_size, status.st_ino
            if seen != self._seen:
                self._keys = {one.id: one for one in _read(self.path)}
                self._seen = seen
            return list(self._keys.values())

    def find(self, key: str) -> ApiKey | None:
        """The stored key that a key of a request is; None if it is none of them. Takes the same time for all."""
        match = _KEY.fullmatch(key)
        number, secret = match.groups() if match else ("", "")
        stored = {one.id: one for one in self.keys()}.get(number)
        expected = stored.hash if stored else _hash("")
        is_equal = hmac.compare_digest(_hash(secret), expected)
        return stored if stored and is_equal else None

    def create(self, name: str, role: Role) -> tuple[ApiKey, str]:
        """Add a key, and return it with the text that a client sends, which is not stored.

        Raises `UsageError` for another role, or a name that is empty or has control characters.
        """
        if role not in ROLES:
            raise UsageError(f"role is {role!r}: it must be one of {', '.join(ROLES)}")
        number, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
        created = datetime.now(UTC).isoformat(timespec="seconds")
        one = ApiKey(number, checked_name(name, error=UsageError), role, created, _hash(secret))
        with self._changing():
            self._write([*self.keys(), one])
        return one, f"semelha_{number}_{secret}"

    def revoke(self, number: str) -> ApiKey:
        """Remove a key, by its id: it is refused from the next request on. Raises `UsageError` if there is none."""
        with self._changing():
            keys = {one.id: one for one in self.keys()}
            if number not in keys:
                raise UsageError(f"no key has the id {number!r}: `semelha keys list` shows them")
            self._write([one for one in keys.values() if one.id != number])
        return keys[number]

    def _changing(self) -> FileLock:
        try:
            make_folder(self.path.parent)
        except OSError as error:
            raise SemelhaError(f"{self.path.parent} cannot be created: {error.strerror}") from error
        return FileLock(f"{self.path}.lock", mode=0o600)

    def _write(self, keys: list[ApiKey]) -> None:
        text = json.dumps({"format": FORMAT, "keys": [asdict(one) for one in keys]}, indent=1)
        write_file(self.path, [text, "\n"], private=True)


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _read(path: Path) -> list[ApiKey]:
    name = str(path)
    content = read_json(path, max_bytes=MAX_BYTES, error=SemelhaError)
    if content.get("format") != FORMAT:
        raise SemelhaError(f"{name} has the format {content.get('format')!r}, this semelha reads {FORMAT}")
    found = []
    for one in field_of(content, "keys", list, name, error=SemelhaError):
        if not isinstance(one, dict):
            raise SemelhaError(f"{name} is damaged: each key must be an object")
        fields = {
            key: field_of(one, key, str, name, error=SemelhaError) for key in ("id", "name", "role", "created", "hash")
        }
        if fields["role"] not in ROLES:
            raise SemelhaError(f"{name} is damaged: a role must be one of {', '.join(ROLES)}")
        found.append(ApiKey(**fields))
    return found
