"""New axes for the layers of a network that is there: the same weights, other vectors; and what is refused."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.deep.test_readout import NETWORK, RECIPE, pictures

import semelha
from semelha.cli.app import main
from semelha.deep import train_network
from semelha.embedders import write_model
from semelha.errors import DatasetError, ModelError, TrainingError, UsageError
from semelha.features import HOG

ON_ALL = replace(RECIPE, validation=0.0)


def few() -> semelha.Dataset:
    """So few that their axes are found exactly, and enough to be seen once."""
    return pictures(13, 2)


@pytest.fixture(scope="module")
def headed(tmp_path_factory: pytest.TempPathFactory) -> semelha.Model:
    network = replace(NETWORK, readout="head")
    return train_network(few(), out=tmp_path_factory.mktemp("models") / "headed", network=network, recipe=ON_ALL)


def test_it_is_what_a_training_would_have_published(headed: semelha.Model, tmp_path: Path) -> None:
    read = semelha.train(few(), out=tmp_path / "read", method="readout", on=headed)
    assert read.card.network == {**headed.card.network, "readout": "layers"}
    assert (read.card.classes, read.dim, read.card.results) == (headed.card.classes, 12, {})
    assert read.card.training["read"] == {"data": "made", "pictures": 26, "seed": 0, "of": headed.fingerprint}
    before, after = headed.contents()[1], read.contents()[1]
    for name, array in before.items():
        np.testing.assert_array_equal(after[f"network.{name}"], array)
    trained = train_network(few(), out=tmp_path / "trained", network=NETWORK, recipe=ON_ALL)
    ours, theirs = (model.embed(few().pictures) for model in (read, trained))
    np.testing.assert_allclose(ours @ ours.T, theirs @ theirs.T, atol=2e-3)


def test_again_on_other_pictures_and_without_labels(headed: semelha.Model, tmp_path: Path) -> None:
    once = semelha.train(pictures(), out=tmp_path / "once", method="readout", on=headed)
    others = semelha.Dataset("others", tuple(p for p in pictures(20, 3) if int(p.label[1:]) > 11))
    again = semelha.train(others, out=tmp_path / "again", method="readout", on=once)
    straight = semelha.train(others, out=tmp_path / "straight", method="readout", on=headed)
    np.testing.assert_allclose(again.embed(others.pictures), straight.embed(others.pictures), atol=1e-5)
    assert set(headed.card.content_hashes) < set(again.card.content_hashes)
    assert again.card.classes == headed.card.classes


def test_by_the_command_line(headed: semelha.Model, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from PIL import Image

    for picture in pictures(4, 2):
        (tmp_path / "photos").mkdir(exist_ok=True)
        Image.fromarray(picture.pixels()).save(tmp_path / "photos" / f"{picture.name}.png")
    words = ["train", str(tmp_path / "photos"), "--method", "readout", "--on", str(headed.folder), "--out"]
    with pytest.raises(SystemExit) as stopped:
        main([*words, str(tmp_path / "m")])
    assert not stopped.value.code
    assert "reads 12 numbers of layers along the axes of 8 pictures." in " ".join(capsys.readouterr().out.split())
    with pytest.raises(SystemExit):
        main([*words, str(tmp_path / "json"), "--json"])
    assert json.loads(capsys.readouterr().out)["read"]["pictures"] == 8
    with pytest.raises(SystemExit) as stopped:
        main([*words[:4], "--out", str(tmp_path / "none")])
    assert stopped.value.code == 2
    assert "--on MODEL" in capsys.readouterr().err


def test_what_has_no_layers_of_ours_is_refused(headed: semelha.Model, tmp_path: Path) -> None:
    views = semelha.derive([headed], out=tmp_path / "views", views=3)
    with pytest.raises(UsageError, match="has no layers to read"):
        semelha.train(pictures(), out=tmp_path / "m", method="readout", on=views)
    with pytest.raises(UsageError, match="and no features"):
        semelha.train(pictures(), out=tmp_path / "m", method="readout", on=headed, features=HOG())
    with pytest.raises(DatasetError, match="no picture that can be read"):
        semelha.train(semelha.Dataset("nothing", ()), out=tmp_path / "m", method="readout", on=headed)
    with pytest.raises(TrainingError, match="exists already"):
        semelha.train(pictures(), out=headed.folder, method="readout", on=headed)
    assert not (tmp_path / "m").exists()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"network": {"tail": 3}}, "describes no network that can be built"),
        ({"network": {"channels": 7}}, "describes no network that can be built"),
        ({"network": {"dim": 13}}, "are not those of the network in its card"),
        ({"training": {"augmentation": {"melt": 1}}}, "has an unknown augmentation"),
        ({"training": {"augmentation": 5}}, "has an unknown augmentation"),
    ],
)
def test_a_card_that_lies_is_one_clear_error(
    change: dict[str, dict[str, object]], said: str, headed: semelha.Model, tmp_path: Path
) -> None:
    """Checksums hold for whoever wrote them."""
    card = headed.card
    known = {"network": {**card.network, "size": 32, "channels": 1}, "training": card.training}
    lying = card.model_copy(update={name: {**known[name], **part} for name, part in change.items()})
    graph, weights = headed.contents()
    write_model(tmp_path / "lying", card=lying, onnx=graph, weights=weights)
    with pytest.raises(ModelError, match=said):
        semelha.train(pictures(), out=tmp_path / "m", method="readout", on=tmp_path / "lying")
    assert not (tmp_path / "m").exists()
