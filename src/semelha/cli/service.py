"""`semelha open`: the page of a gallery. `semelha serve`: galleries over HTTP. `semelha keys`: who may call them."""

from __future__ import annotations

import threading
import webbrowser
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option, Typer

from semelha.cli.console import escape, log_to_stderr
from semelha.cli.output import Json, print_records, print_result, stderr, stdout
from semelha.errors import MissingExtra

if TYPE_CHECKING:
    from semelha.service.keys import KeyFile
    from semelha.service.logs import LogFormat

EXTRA = 'the server needs more packages: pip install "semelha[serve]"'
keys = Typer(no_args_is_help=True, help="Create, list or revoke the API keys of a server.")
KeysPath = Annotated[
    Path | None, Option("--keys", help="File of the keys.", show_default="$SEMELHA_KEYS, or that of the user")
]


def open(
    gallery: Annotated[Path, Argument(help="Gallery; a new one is created, with the pretrained model.")],
    port: Annotated[int, Option(help="Port; 0: a free one.")] = 0,
    config: Annotated[Path | None, Option(help="TOML file of settings.")] = None,
    browser: Annotated[bool, Option(help="Open the browser; otherwise the address is printed alone.")] = True,
) -> None:
    """Open the page of a gallery in the browser: identify, enroll and correct with the mouse. Ctrl-C ends it.

    Only this machine can call it. `semelha serve` has the same page, for other machines too.

    Example: semelha open shop
    """
    try:
        from semelha.service.settings import load_settings
        from semelha.service.workers import serve_in_processes
    except ModuleNotFoundError as error:
        raise MissingExtra(EXTRA) from error
    settings = load_settings(config, galleries=(gallery,), host="127.0.0.1", port=port, keep_reviews=True)
    from semelha.gallery import gallery_exists

    if not gallery_exists(gallery):
        from semelha.gallery import Gallery

        Gallery.create(gallery).close()
        stderr.print(f"[dim]The gallery {escape(gallery)} is new, and empty[/]")

    def on_ready(address: str) -> None:
        stdout.print(f"[bold]{escape(gallery.absolute().name)}[/] is at {address}; Ctrl-C ends it")
        stdout.file.flush()
        if browser:
            threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()

    serve_in_processes(settings, on_ready=on_ready, prepare=partial(_prepare, settings.log_format, False))


def serve(
    galleries: Annotated[
        list[Path] | None, Argument(metavar="GALLERY…", help="Galleries: folders, or milvus://HOST:PORT/NAME.")
    ] = None,
    host: Annotated[str | None, Option(help="Address to listen at.", show_default="127.0.0.1")] = None,
    port: Annotated[int | None, Option(help="Port; 0: a free one.", show_default="8000")] = None,
    keys: KeysPath = None,
    config: Annotated[Path | None, Option(help="TOML file of settings.")] = None,
    compreface: Annotated[bool, Option("--compreface", help="Also answer as CompreFace does.")] = False,
    workers: Annotated[int | None, Option(help="Processes that serve.", show_default="1")] = None,
    keep_reviews: Annotated[
        bool, Option("--keep-reviews", help="Keep pictures that are not identified for sure, for a person to name.")
    ] = False,
    log_format: Annotated[
        str | None, Option(help="text, or json: a line for each request and problem.", show_default="text")
    ] = None,
    verbose: Annotated[bool, Option("--verbose", help="Print a line for each request.")] = False,
) -> None:
    """Serve galleries over HTTP, until Ctrl-C or SIGTERM. Only this machine can call it, unless --host says otherwise.

    Every setting can be given as SEMELHA_NAME in the environment or in the TOML file too: see docs/service.md.

    Example: semelha serve shop

    Example: semelha serve shop parts --host 0.0.0.0 --port 80
    """
    try:
        from semelha.service.settings import load_settings
        from semelha.service.workers import serve_in_processes
    except ModuleNotFoundError as error:
        raise MissingExtra(EXTRA) from error
    folders = tuple(galleries) if galleries else None
    settings = load_settings(
        config,
        galleries=folders,
        host=host,
        port=port,
        keys=keys,
        compreface=compreface or None,
        keep_reviews=keep_reviews or None,
        log_format=log_format,
        workers=workers,
    )

    def on_ready(address: str) -> None:
        names = ", ".join(path.absolute().name for path in settings.galleries)
        stdout.print(f"semelha serves [bold]{escape(names)}[/] at {address}; its endpoints: {address}/docs")
        stdout.file.flush()
        if settings.needs_keys and settings.log_format == "text":
            stderr.print(f"[dim]Requests need a key of {escape(settings.keys)}: semelha keys create NAME[/]")

    serve_in_processes(settings, on_ready=on_ready, prepare=partial(_prepare, settings.log_format, verbose))


def _prepare(log_format: LogFormat, verbose: bool) -> None:
    """Configure the log and the traces of a process of the server."""
    from semelha.service.logs import configure
    from semelha.service.traces import configure_traces

    log_to_stderr()
    configure(log_format, verbose=verbose)
    configure_traces()


@keys.command("create")
def create_key(
    name: Annotated[str, Argument(help="What the key is for, such as the name of an app.")],
    role: Annotated[str, Option(help="read: identify; enroll: also change subjects; admin: also calibrate.")] = "read",
    keys: KeysPath = None,
    json: Json = False,
) -> None:
    """Create a key and print it. It is printed this once: the file has its hash.

    Example: semelha keys create till-3 --role read
    """
    one, key = _key_file(keys).create(name, role)  # type: ignore[arg-type]
    value = {"id": one.id, "name": one.name, "role": one.role, "key": key}
    print_result(json, value, key, f"[dim]The key {one.id} of {escape(one.name)}, with the role {one.role}[/]")


@keys.command("list")
def list_keys(keys: KeysPath = None, json: Json = False) -> None:
    """List the keys, without the keys themselves.

    Example: semelha keys list
    """
    found = _key_file(keys).keys()
    records = [{"id": one.id, "name": one.name, "role": one.role, "created": one.created} for one in found]
    rows = [tuple(one.values()) for one in records]
    print_records(json, {"keys": records}, ("id", "name", "role", "since"), rows)


@keys.command("revoke")
def revoke_key(
    number: Annotated[str, Argument(metavar="ID", help="Id of the key, as `keys list` shows it.")],
    keys: KeysPath = None,
    json: Json = False,
) -> None:
    """Revoke a key: servers refuse it from the next request on.

    Example: semelha keys revoke 1f0c9a2b7d3e
    """
    one = _key_file(keys).revoke(number)
    line = f"The key {one.id} of [bold]{escape(one.name)}[/] is revoked"
    print_result(json, {"revoked": one.id, "name": one.name}, line)


def _key_file(path: Path | None) -> KeyFile:
    try:
        from semelha.service.keys import KeyFile
        from semelha.service.settings import load_settings
    except ModuleNotFoundError as error:
        raise MissingExtra(EXTRA) from error
    return KeyFile(load_settings(keys=path).keys)
