"""The settings of a server, from arguments, the environment (`SEMELHA_…`) and a TOML file, in this order."""

from __future__ import annotations

import hashlib
import ipaddress
import os
import re
import tomllib
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError, ValidationInfo, field_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from semelha.errors import UsageError
from semelha.service.logs import LogFormat

Count = Annotated[int, Field(ge=1)]
Bytes = Annotated[int, Field(ge=1024)]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]


def default_keys() -> Path:
    """The file of API keys unless another is named."""
    place = os.environ.get("XDG_CONFIG_HOME") or os.environ.get("APPDATA") or os.path.expanduser("~/.config")
    return Path(place) / "semelha" / "keys.json"


# An address has colons too.
_PLACE = re.compile(rf"milvus(?:\+tls)?:/[^:]*(?::\d+)?/[^{os.pathsep}]+|[^{os.pathsep}]+")


def default_state(gallery: Path) -> Path:
    """The file of the state of a server, by its first gallery."""
    place = os.environ.get("XDG_STATE_HOME") or os.environ.get("LOCALAPPDATA") or os.path.expanduser("~/.local/state")
    from semelha.gallery import absolute_place

    path = absolute_place(gallery)
    number = hashlib.sha256(os.fsencode(path)).hexdigest()[:12]
    return Path(place) / "semelha" / f"{path.name}-{number}.sqlite"


class Settings(BaseSettings):
    """How a server runs. docs/service.md lists the settings. Raises `UsageError` from `load_settings` alone."""

    model_config = SettingsConfigDict(env_prefix="SEMELHA_", extra="forbid", frozen=True)

    galleries: Annotated[tuple[Path, ...], NoDecode] = ()
    """Folders of the galleries; in the environment separated as in PATH."""
    host: str = "127.0.0.1"
    port: int = Field(8000, ge=0, le=65535)
    """0 chooses a free one."""
    keys: Path = Field(default_factory=default_keys)
    """The file of API keys."""
    require_keys: bool | None = None
    """Whether a request needs a key; by default unless `host` is a loopback address."""
    compreface: bool = False
    """Whether the first gallery also answers as CompreFace does."""
    keep_reviews: bool = False
    """Whether pictures that are not identified for sure are kept for review."""
    max_reviews: Count = 1000
    """Pictures in review, of which the oldest are deleted."""
    rate: float = Field(0.0, ge=0, allow_inf_nan=False)
    """Requests per second of one key, twice that in a burst; 0 does not limit them."""

    max_body: Bytes = 64 << 20
    """Bytes of a request."""
    max_import: Bytes = 4 << 30
    """Bytes of an archive to import."""
    max_import_files: Count = 200_000
    max_import_unpacked: Bytes = 16 << 30
    """Bytes of all files of an archive."""
    max_import_ratio: float = Field(200.0, ge=1, allow_inf_nan=False)
    """Bytes of a file divided by its bytes in the archive."""
    max_pictures: Count = 64
    """Pictures in a request."""
    max_pixels: Count = 100_000_000
    """Width times height of a picture."""
    max_decoding: Bytes = 1 << 29
    """Bytes of memory to decode one picture."""
    max_in_flight: Count = 128
    """Requests that are worked on or read at one time."""
    max_bytes_in_flight: Bytes = 1 << 29
    """Bytes of their bodies, without imports."""
    max_streams: Count = 64
    """Streams of events of jobs at one time, which are no requests in flight."""
    deadline: Seconds = 60.0
    """Seconds until an answer begins."""
    body_deadline: Seconds = 30.0
    """Seconds until a body has arrived; an archive has the time of 1 MB per second besides. Also seconds after which a
    connection is closed whose client reads nothing of an answer."""
    header_deadline: Seconds = 10.0
    """Seconds until the headers of a request have arrived, on a new connection too."""
    max_connections: Count = 2048

    workers: int = Field(1, ge=1, le=256)
    """Processes that serve; each has its own limits of those below, and its own embedder."""
    batch_size: Count = 8
    """Pictures that are embedded together."""
    batch_wait: float = Field(0.002, ge=0, le=1, allow_inf_nan=False)
    """Seconds that a batch waits for more pictures while another one is embedded."""
    max_queue: Count = 512
    """Pictures that wait for the embedder."""
    threads: Count = 16
    """Threads for other work, such as reading the database."""
    max_jobs: Count = 32
    """Jobs that wait or are remembered."""
    log_format: LogFormat = "text"
    """"json": one object a line, without names, and a line for each request."""
    shutdown: Seconds = 30.0
    """Seconds for requests to finish after SIGTERM."""
    state: Path | None = None
    """File of what is remembered of requests and jobs; `load_settings` names one in the user's folder for state."""
    backups: Path | None = None
    """Folder for the backups that are made over HTTP; None: there are none."""
    temporary: Path | None = None
    """Folder for archives while they are imported; by default that of the system."""

    @field_validator("galleries", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return _PLACE.findall(value) if isinstance(value, str) else value

    @field_validator("require_keys")
    @classmethod
    def _require(cls, value: bool | None, info: ValidationInfo) -> bool | None:
        if value is False and not is_loopback(info.data.get("host", "")):
            raise ValueError("only an address of this machine alone, such as 127.0.0.1, can be served without keys")
        return value

    @property
    def needs_keys(self) -> bool:
        """Whether a request needs a key."""
        return bool(self.require_keys) or not is_loopback(self.host)


def is_loopback(host: str) -> bool:
    """Whether an address can be reached from this machine alone."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def load_settings(config: Path | None = None, **given: Any) -> Settings:
    """Settings from arguments that are not None, the environment, and a TOML file.

    Raises `UsageError` for a value that cannot be used, a name that is no setting, or a file that cannot be read.
    """
    kind = Settings if config is None else _with_file(config)
    try:
        found = kind(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = ".".join(map(str, first["loc"]))
        raise UsageError(f"the setting {name} cannot be used: {first['msg']}") from error
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"the settings cannot be read from {config}: {error}") from error
    if found.state is not None or not found.galleries:
        return found
    return found.model_copy(update={"state": default_state(found.galleries[0])})


def _with_file(config: Path) -> type[Settings]:
    if not config.is_file():
        raise UsageError(f"the file of settings {config} does not exist")

    class WithFile(Settings):
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,
            file_secret_settings: PydanticBaseSettingsSource,
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, config)

    return WithFile
