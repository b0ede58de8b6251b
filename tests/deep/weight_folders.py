"""Folders with weights of timm, as tests make them."""

import json
from pathlib import Path
from typing import Any

import timm
import torch
from tests.deep.test_feature_extractor import things
from timm.models import save_for_hf

import semelha
from semelha.deep import TrainingSettings
from semelha.embedders import Model

NAME = "resnet10t"
MEAN, STD = (0.4, 0.5, 0.6), (0.2, 0.25, 0.3)


def saved(folder: Path, name: str = NAME, *, size: int = 64, **arguments: Any) -> Path:
    """A folder as timm writes it, of a model with random weights for ten classes."""
    torch.manual_seed(0)
    model = timm.create_model(name, num_classes=10, **arguments)
    config = {"mean": MEAN, "std": STD, "input_size": (3, size, size)}
    save_for_hf(model, folder, safe_serialization=True, model_config={"pretrained_cfg": config})
    return folder


def changed(folder: Path, **fields: object) -> str:
    """The name of the folder, whose configuration has these fields now; those in capitals are of its pretrained_cfg."""
    content = json.loads((folder / "config.json").read_bytes())
    for key, value in fields.items():
        (content["pretrained_cfg"] if key.isupper() else content)[key.lower()] = value
    (folder / "config.json").write_text(json.dumps(content))
    return f"local-dir:{folder}"


def features(name: str, out: Path) -> Model:
    """The features of a backbone as a model."""
    return semelha.train(things(), out=out, method="none", settings=TrainingSettings(backbone=name))
