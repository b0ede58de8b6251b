"""Backbones named by the place of their weights: the weights of that place, or one clear error; nothing is trusted."""

import hashlib
import http.server
import json
import logging
import re
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from tests.deep.test_feature_extractor import things
from tests.deep.weight_folders import MEAN, NAME, STD, features, saved
from tests.embedders.test_weight_files import Hub, use_hub
from tests.tiny_model import noise

import semelha
from semelha.deep import Network, TrainingSettings, build, untrained_embedder
from semelha.deep import weight_names as module
from semelha.deep.backbones import timm_backbone
from semelha.deep.network import with_statistics
from semelha.deep.weight_names import read_config, resolve_backbone
from semelha.deep.without_training import network_of
from semelha.embedders import Model, load_embedder, weight_files
from semelha.errors import BackboneError, ModelError, PretrainedUnavailable, UsageError


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(tmp_path_factory.mktemp("places") / "mine")


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(folder, tmp_path / "copy"))


def check_vectors(model: Model, name: str) -> None:
    """They are the features that timm computes with the weights it finds there, at length 1."""
    peer = timm.create_model(name, pretrained=True, num_classes=0).eval()
    pixels = np.stack([model.extractor.prepare(noise(seed)) for seed in range(4)])
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (MEAN, STD))
    with torch.inference_mode():
        expected = peer((torch.from_numpy(pixels).float() / 255 - mean) / std).numpy()
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(model.extractor.vectors(pixels), expected, atol=1e-4)


@pytest.mark.parametrize(("architecture", "size"), [(NAME, 64), ("test_vit", 32)])
def test_features_are_those_of_timm_from_the_same_folder(architecture: str, size: int, tmp_path: Path) -> None:
    """Also where the plain architecture has no classifier, and without the folder afterwards."""
    arguments = {"img_size": size} if architecture == "test_vit" else {}
    name = f"local-dir:{saved(tmp_path / 'mine', architecture, size=size, **arguments)}"
    model = features(name, tmp_path / "model")
    check_vectors(model, name)
    shutil.rmtree(tmp_path / "mine")
    card = load_embedder(tmp_path / "model").card
    assert (card.network["backbone"], card.network["pretrained"]) == (architecture, name)
    assert (card.mean, card.std) == (list(MEAN), list(STD))
    assert (card.input.width, card.input.channels) == (size, 3)  # type: ignore[union-attr]
    assert network_of(model).dim == untrained_embedder(card).dim == model.dim  # type: ignore[union-attr]


def test_weights_in_an_old_file_and_with_a_classifier_of_a_backbone_without_one(tmp_path: Path) -> None:
    """DINOv2 has none in timm, and who fine-tunes it adds one."""
    torch.manual_seed(0)
    made = timm.create_model("vit_small_patch14_dinov2", num_classes=3, img_size=28, depth=12)
    config = {"architecture": "vit_small_patch14_dinov2", "num_classes": 3, "input_size": [3, 28, 28]}
    (tmp_path / "config.json").write_text(json.dumps(config))  # without pretrained_cfg, as older versions of timm
    torch.save(made.state_dict(), tmp_path / "pytorch_model.bin")
    backbone, place = resolve_backbone(f"local-dir:{tmp_path}", None)
    found = timm_backbone(backbone, channels=3, size=28, pretrained=place).model.state_dict()
    assert torch.equal(found["blocks.7.mlp.fc1.weight"], made.state_dict()["blocks.7.mlp.fc1.weight"])
    assert torch.equal(found["pos_embed"], made.state_dict()["pos_embed"])
    assert read_config(str(place)).std == timm.models.PretrainedCfg.std


@pytest.mark.parametrize("channels", [1, 3])
def test_weights_for_grey_serve_grey_and_color(channels: int, tmp_path: Path) -> None:
    name = f"local-dir:{saved(tmp_path / 'grey', in_chans=1)}"
    assert read_config(name).input_size == (1, 64, 64)
    network = with_statistics(Network(backbone=name, channels=channels, size=64, dim=None), (0.1, 0.2))
    assert network.statistics()[0] == pytest.approx([0.5] * channels)
    grey = timm.create_model(name, pretrained=True, num_classes=0).eval()
    picture = torch.randint(0, 256, (2, 1, 64, 64), dtype=torch.uint8)
    with torch.inference_mode():
        expected = grey((picture / 255 - 0.5) / 0.25)
        found = build(network, seed=0).eval().vectors(picture.expand(-1, channels, -1, -1))
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)
    plan = semelha.plan_training(things(), settings=TrainingSettings(backbone=name))
    assert plan.network is not None
    assert plan.network.channels == 1


def test_a_training_is_planned_for_the_weights(folder: Path) -> None:
    """Low rates, and input, mean and std of the weights unless others are set."""
    name = f"local-dir:{folder}"
    plan = semelha.plan_training(things(), settings=TrainingSettings(backbone=name))
    network, recipe = plan.network, plan.recipe
    assert network is not None
    assert recipe is not None
    assert (network.backbone, network.pretrained, network.size, network.channels) == (NAME, name, 64, 3)
    assert recipe.learning_rate == 3e-4
    assert f"backbone {name}" in plan.reasons[-1]
    again = semelha.plan_training(things(), network=network, settings=TrainingSettings(backbone=name, size=32))
    assert again.network == replace(network, size=32)
    assert with_statistics(replace(network, mean=0.5), (0.1, 0.2)).statistics() == ([0.5] * 3, list(STD))
    assert with_statistics(replace(network, channels=1), (0.1, 0.2)).statistics() == ([0.5], [0.25])


@pytest.mark.parametrize("pretrained", [False, "weights.pth", "local-dir:other"])
def test_other_weights_beside_those_that_are_named_are_refused(pretrained: bool | str, folder: Path) -> None:
    name = f"local-dir:{folder}"
    with pytest.raises(UsageError, match=r"names weights, and pretrained is .*: leave one of them out"):
        semelha.plan_training(things(), settings=TrainingSettings(backbone=name, pretrained=pretrained))
    with pytest.raises(UsageError, match="leave one of them out"):
        build(Network(backbone=name, pretrained=pretrained), seed=0)
    assert resolve_backbone(name, True) == (NAME, name)


def test_place_as_pretrained_weights_of_a_backbone(folder: Path) -> None:
    """As a card has it. The backbone must be that of the weights."""
    network = Network(backbone=NAME, channels=3, size=64, pretrained=f"local-dir:{folder}")
    named = Network(backbone=f"local-dir:{folder}", channels=3, size=64)
    one, two = (build(each, seed=0).state_dict() for each in (network, named))
    assert all(torch.equal(one[key], two[key]) for key in one)
    with pytest.raises(BackboneError, match="are those of resnet10t, and do not fit resnet18"):
        build(replace(network, backbone="resnet18"), seed=0)


def test_card_that_names_weights_is_refused_before_they_are_fetched(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = features(f"local-dir:{folder}", tmp_path / "model")
    monkeypatch.setattr(module, "weight_file", None)
    for backbone in ("hf-hub:owner/name", "timm/name", "a/b", ["resnet10t"]):
        card = model.card.model_copy(update={"network": {**model.card.network, "backbone": backbone}})
        with pytest.raises(ModelError, match="describes no network that can be built"):
            Network.of_card(card)


def git_sha1(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


class Repositories(Hub):
    """A hub whose repositories are folders `owner/name`; it announces JSON by the digest of Git, as the real one."""

    root: Path
    asked: list[str]

    def found(self) -> tuple[Path, bytes | None]:
        repository, file = re.split("/resolve/[^/]+/", self.path.strip("/"))
        place = self.root / repository
        return place, (place / file).read_bytes() if (place / file).is_file() else None

    def answer(self) -> None:
        self.asked.append(self.path)
        place, data = self.found()
        if data is None:
            self.send_response(404 if place.is_dir() else 401)
            self.send_header("X-Error-Code", "EntryNotFound" if place.is_dir() else "RepoNotFound")
            self.send_header("Content-Length", "0")
        else:
            self.send_response(200)
            self.send_header("X-Repo-Commit", "a" * 40)
            digest = git_sha1(data) if self.path.endswith(".json") else hashlib.sha256(data).hexdigest()
            self.send_header("ETag", f'"{digest}"')
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()

    def do_GET(self) -> None:
        self.answer()
        self.wfile.write(self.found()[1] or b"")


@pytest.fixture
def hub(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Repositories]]:
    """A hub with the repository `owner/mine`, and a user with an empty cache."""
    shutil.copytree(folder, tmp_path / "hub" / "owner" / "mine")
    kind = type("OneHub", (Repositories,), {"root": tmp_path / "hub", "asked": []})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), kind) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        use_hub(f"http://127.0.0.1:{server.server_port}", tmp_path / "cache", monkeypatch)
        yield kind
        server.shutdown()


def test_weights_of_a_repository_are_downloaded_once_and_it_is_said(
    hub: type[Repositories], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "semelha"):
        model = features("hf-hub:owner/mine", tmp_path / "model")
    said = [line for line in caplog.messages if "download" in line]
    assert len(said) == 1
    assert "downloading the weights owner/mine (" in said[0]
    check_vectors(model, f"local-dir:{hub.root}/owner/mine")
    assert model.card.network["pretrained"] == "hf-hub:owner/mine"
    hub.asked.clear()
    again = features("hf_hub:owner/mine", tmp_path / "again")  # as timm wrote it once
    assert again.fingerprint == model.fingerprint
    assert hub.asked == []


@pytest.mark.parametrize("prefix", ["timm/", "hf-hub:timm/", "hf_hub:timm/"])
def test_weights_that_timm_publishes_are_known_by_the_name_of_their_repository(
    prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "weight_file", None)  # nothing is read
    assert resolve_backbone(f"{prefix}resnet10t.c3_in1k", None) == ("resnet10t.c3_in1k", True)
    plan = semelha.plan_training(things(), settings=TrainingSettings(backbone=f"{prefix}test_vit.r160_in1k"))
    assert plan.network is not None
    assert (plan.network.backbone, plan.network.pretrained, plan.network.size) == ("test_vit.r160_in1k", True, 160)


def test_repository_of_timm_that_this_version_does_not_know(hub: type[Repositories]) -> None:
    """It has weights that are newer than timm."""
    shutil.copytree(hub.root / "owner" / "mine", hub.root / "timm" / "resnet10t.newer")
    assert resolve_backbone("timm/resnet10t.newer", None) == (NAME, "hf-hub:timm/resnet10t.newer")


@pytest.mark.parametrize("name", ["hf-hub:owner/none", "hf-hub:nobody/mine", "timm/none"])
def test_repository_that_is_not_there(name: str, hub: type[Repositories]) -> None:
    with pytest.raises(PretrainedUnavailable, match=r"has no repository \w+/\w+, or does not open it to you: check"):
        build(Network(backbone=name), seed=0)


@pytest.mark.parametrize("file", ["config.json", "model.safetensors"])
def test_repository_that_lacks_a_file(file: str, hub: type[Repositories]) -> None:
    (hub.root / "owner" / "mine" / file).unlink()
    with pytest.raises(PretrainedUnavailable, match=f"the repository owner/mine has no .*{file}"):
        build(Network(backbone="hf-hub:owner/mine", channels=3), seed=0)


def test_configuration_that_is_not_what_was_announced_is_refused(
    hub: type[Repositories], monkeypatch: pytest.MonkeyPatch
) -> None:
    resolve_backbone("hf-hub:owner/mine", None)
    (cached,) = Path(weight_files.hub_file("owner/mine", ("config.json",))).parents[2].glob("blobs/*")
    cached.write_bytes(b"{}")
    with pytest.raises(PretrainedUnavailable, match="is not what the hub announced: remove"):
        resolve_backbone("hf-hub:owner/mine", None)


@pytest.mark.parametrize(
    "name", ["", "/", "a/b/c", "../..", "owner/..", "owner/mine@v1", "owner/na\nme", "o/" + "n" * 99]
)
def test_name_of_no_repository(name: str) -> None:
    with pytest.raises(UsageError, match="is no repository of the hub: name one as owner/name"):
        resolve_backbone(f"hf-hub:{name}", None)


@pytest.mark.parametrize("silent", [False, True], ids=["nobody there", "no answer"])
def test_no_network_is_said_within_five_seconds(silent: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        if silent:
            listening.listen()
        use_hub(f"http://127.0.0.1:{listening.getsockname()[1]}", tmp_path, monkeypatch)
        start = time.monotonic()
        with pytest.raises(PretrainedUnavailable, match="owner/mine are not on this machine, and 127"):
            semelha.plan_training(things(), settings=TrainingSettings(backbone="hf-hub:owner/mine"))
        assert time.monotonic() - start < 3 * weight_files.SECONDS


def test_name_without_a_prefix_is_answered_with_both() -> None:
    with pytest.raises(
        UsageError, match=r"timm has no model 'owner/mine': is it hf-hub:OWNER/NAME, or local-dir:FOLDER"
    ):
        semelha.plan_training(things(), method="none", settings=TrainingSettings(backbone="owner/mine"))
