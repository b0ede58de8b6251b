"""`evaluate`: protocols, the open set, baselines, paths, and bad input."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.evaluation.made import Known, dataset, evaluate
from tests.tiny_model import noise, tiny_model

import semelha
from semelha.embedders import raw_pixels
from semelha.errors import DatasetError, UsageError
from semelha.evaluation import Protocol
from semelha.evaluation.open_set import OpenSetRoles, measure_gallery_sizes
from semelha.images import Dataset, Picture
from semelha.measures import retrieval
from semelha.metrics import Euclidean
from semelha.recognition import full_conformal

NAMES = {"r_at_1", "map_at_r", "fnir_at_fpir", "fpir_target", "fpir_achieved", "fnir_achieved"}


def test_by_default_each_picture_is_searched_among_all_others() -> None:
    data = dataset()
    found = evaluate(Known(), data, groups="none")
    expected = retrieval(Known().embed(data.pictures), data.labels, metric=Known().metric)
    assert found.result.retrieval.r_at == expected.r_at
    assert found.result.to_json()["map_at_r"] == expected.map_at_r
    assert len(found.queries) == len(found.references) == 1200


@pytest.mark.parametrize("pair", [("gallery", "query"), ("train", "test")])
def test_splits_are_enrolled_and_probed(pair: tuple[str, str]) -> None:
    data = dataset(split=[pair[0], pair[1], "else"].__getitem__)
    found = evaluate(Known(), data)
    used = found.dataset.pictures
    assert {used[i].split for i in found.references} == {pair[0]}
    assert {used[i].split for i in found.queries} == {pair[1]}


def test_a_protocol_chooses_enrolled_pictures() -> None:
    data = dataset()
    found = evaluate(Known(), data, protocol=Protocol(enroll=lambda picture: picture.name.endswith("/0")))
    assert (len(found.references), len(found.queries)) == (400, 800)


def test_map_leave_one_out() -> None:
    data, first = dataset(), lambda picture: picture.name.endswith("/0")
    alone = evaluate(Known(), data).result
    both = evaluate(Known(), data, protocol=Protocol(enroll=first, map_leave_one_out=True)).result
    assert both.to_json()["map_at_r"] == alone.to_json()["map_at_r"]
    assert both.retrieval.r_at[1] != alone.retrieval.r_at[1]


def test_the_calibrated_rate_holds_on_average() -> None:
    """The guarantee is on average over galleries: twenty of them with 250 subjects each, at FPIR 5%."""
    rates = []
    for seed in range(20):
        data = dataset(seed=seed, classes=500)
        found = evaluate(Known(), data, fpir=0.05, seed=seed, resamples=0, groups="none")  # to find groups takes long
        open_set = found.result.open_set
        assert open_set.enrolled == 250
        assert open_set.fpir_achieved is not None
        rates.append(open_set.fpir_achieved)
    error = np.std(rates) / np.sqrt(len(rates))
    assert np.mean(rates) <= 0.05 + 2 * error


def test_mated_and_non_mated_probes_are_separate() -> None:
    some = Protocol(enrolled_fraction=0.3)
    found = evaluate(Known(), dataset(classes=100), protocol=some, fpir=0.1, groups="none").result.open_set
    assert found.enrolled == 30
    assert (found.hindsight.mated, found.hindsight.non_mated) == (30 * 2, 70 * 3)


def test_too_few_subjects_for_the_rate() -> None:
    found = evaluate(Known(), dataset(classes=20), fpir=0.01).result
    assert found.to_json()["fpir_achieved"] is None
    assert "enroll" in found.open_set.note


def test_groups_never_match_within() -> None:
    """Each class is one group, so no picture may match."""
    data = dataset(classes=10)
    grouped = Dataset("grouped", tuple(replace(picture, group=picture.label) for picture in data))
    found = evaluate(Known(), grouped, fpir=0.5).result
    assert not found.retrieval.has_match.any()
    assert found.to_json()["r_at_1"] is None
    assert found.to_json()["intervals"]["r_at_1"] is None


def in_series(classes: int = 12, *, series: str = "xy", each: int = 3) -> Dataset:
    """Pictures whose names tell series of a class; those of one series are copies."""
    random = np.random.default_rng(0)
    pictures = []
    for label in range(classes):
        for word in series:
            pixels = random.integers(0, 256, (8, 8, 3), np.uint8)
            pictures += [Picture(pixels, f"{label}", f"{label}/{word}_{number}.png") for number in range(each)]
    return Dataset("series", tuple(pictures))


def test_bursts_that_names_show_never_match() -> None:
    """Copies find one another until they are bursts."""
    data = in_series()
    alone, apart = (evaluate(Known(), data, groups=groups, resamples=0) for groups in ("none", "auto"))
    assert alone.result.retrieval.r_at[1] == 1
    assert apart.result.retrieval.r_at[1] < 0.5
    said = "used: 72 pictures are 24 bursts by file names and near-duplicates: no two of one burst are compared"
    assert said in apart.notes
    assert not any("burst" in note for note in alone.notes)
    assert apart.dataset.groups is not None
    assert alone.dataset.groups is None


def test_near_duplicates_never_match_and_baselines_have_the_same_groups() -> None:
    data = in_series()
    renamed = Dataset("copies", tuple(replace(p, name=f"{number}.png") for number, p in enumerate(data)))
    found = evaluate(Known(), renamed, baselines={"pixels": raw_pixels()}, resamples=0)
    assert any("24 bursts by near-duplicates" in note for note in found.notes)
    for result in (found.result, found.baselines["pixels"]):
        assert result.retrieval.r_at[1] < 0.5


def test_bursts_that_leave_nothing_to_compare_are_an_error_that_says_what_to_do() -> None:
    data = in_series(series="x")
    renamed = Dataset("copies", tuple(replace(p, name=f"{number}.png") for number, p in enumerate(data)))
    said = r"copies has no two pictures of one class to compare: 36 .* 12 bursts by near-duplicates.*--groups none"
    with pytest.raises(DatasetError, match=said):
        evaluate(Known(), renamed)
    assert evaluate(Known(), renamed, groups="none", resamples=0).result.retrieval.r_at[1] == 1
    single = Dataset("single", tuple(p for p in renamed if p.name.endswith("0.png")))
    assert evaluate(Known(), single, resamples=0).to_json()["r_at_1"] is None


def test_groups_is_one_of_two_words() -> None:
    with pytest.raises(UsageError, match="groups is 'visit': it must be one of auto, none"):
        evaluate(Known(), dataset(classes=5), groups="visit")


def test_figures_are_json() -> None:
    found = evaluate(Known(), dataset(), baselines={"raw_pixels": raw_pixels()})
    content = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert set(content) >= NAMES
    assert set(content["raw_pixels"]) >= NAMES
    assert {"pictures", "classes", "skipped", "probes", "seconds"} <= set(content)


def test_the_seed_draws_the_classes() -> None:
    one, same, other = (evaluate(Known(), dataset(), seed=seed).to_json() for seed in (0, 0, 1))
    for content in (one, same, other):
        content.pop("seconds")
    assert one == same
    assert one["fnir_at_fpir"] != other["fnir_at_fpir"] or one["fpir_achieved"] != other["fpir_achieved"]


def test_every_figure_has_an_interval_around_it() -> None:
    content = evaluate(Known(), dataset(), fpir=0.05).to_json()
    around = content["intervals"]
    figures = set(content) & set(around)
    assert figures == set(around)
    assert figures >= NAMES - {"fpir_target"} | {"baks", "baus", "oscr", "auroc", "eer", "auc", "fold_accuracy"}
    for name in figures:
        values = content[name] if isinstance(content[name], dict) else {"": content[name]}
        ends = around[name] if isinstance(content[name], dict) else {"": around[name]}
        for key, value in values.items():
            assert (value is None) == (ends[key] is None)
            assert value is None or ends[key][0] <= value <= ends[key][1], (name, key)


def test_intervals_change_no_figure() -> None:
    without, few, many = (evaluate(Known(), dataset(classes=200), resamples=draws).to_json() for draws in (0, 100, 300))
    assert without["intervals"] == {}
    assert few["intervals"] != many["intervals"]
    for content in (without, few, many):
        for name in ("intervals", "seconds", "notes"):
            content.pop(name)
    assert without == few == many


def test_without_non_mated_probes_the_rest_is_measured() -> None:
    content = evaluate(Known(), dataset(classes=30), protocol=Protocol(enrolled_fraction=1.0), fpir=0.2).to_json()
    assert content["auroc"] is content["oscr"] is content["fpir_achieved"] is content["baus"] is None
    assert content["baks"] is not None
    assert content["r_at_1"] == 1


def test_few_resamples_are_refused() -> None:
    with pytest.raises(UsageError, match="100 or more"):
        evaluate(Known(), dataset(classes=10), resamples=50)


def test_calibrated_figures_equal_those_of_the_probes() -> None:
    found = evaluate(Known(), dataset(classes=200), fpir=0.1, resamples=0).result.open_set
    probes = found.probes
    assert probes.mated_accepted is not None
    assert probes.non_mated_accepted is not None
    assert found.fpir_achieved == pytest.approx(probes.non_mated_accepted.mean())
    assert found.fnir_achieved == pytest.approx(1 - (probes.mated_accepted & probes.correct).mean())
    subjects = probes.non_mated_subject
    passed = [probes.non_mated_accepted[subjects == one].mean() for one in set(subjects)]
    assert found.balanced.baus == pytest.approx(1 - np.mean(passed))


@pytest.mark.parametrize("split", [{}.get, ["gallery", "gallery", "query"].__getitem__])
def test_the_largest_gallery_is_the_enrolled_one(split: Callable[[int], str | None]) -> None:
    found = evaluate(Known(), dataset(split=split), fpir=0.05, resamples=0).result.open_set
    last = found.gallery_sizes[-1]
    assert [size.subjects for size in found.gallery_sizes] == [12, 25, 50, 100, 200]
    assert last.subjects == found.enrolled
    for spread, value in (
        (last.fnir_at_fpir, found.fnir_at_fpir),
        (last.fpir_achieved, found.fpir_achieved),
        (last.fnir_achieved, found.fnir_achieved),
    ):
        assert spread is not None
        assert spread.mean == spread.low == spread.high == pytest.approx(value)


def test_gallery_sizes_equal_a_plain_loop() -> None:
    """Points on a line: the same galleries, searched and calibrated one by one."""
    random = np.random.default_rng(0)
    centers, subjects = random.normal(0, 20, 60), 40
    own = centers[:subjects, None] + random.normal(0, 0.1, (subjects, 1))
    of_probe = np.concatenate([np.repeat(np.arange(subjects), 2), np.full(40, -1)])
    truth = np.concatenate([np.repeat(np.arange(subjects), 2), np.repeat(np.arange(subjects, 60), 2)])
    probes = centers[truth][:, None] + random.normal(0, 0.1, (120, 1))
    enrolled = OpenSetRoles(of_probe, np.arange(subjects), of_probe >= 0, of_probe < 0)
    found = measure_gallery_sizes(probes, own, own, enrolled, metric=Euclidean(), groups=(None, None), fpir=0.2, seed=3)
    orders = np.random.default_rng([3, 1])
    galleries = [orders.permutation(subjects) for _ in range(8)]
    for size in found:
        rates = []
        for order in galleries[: size.galleries]:
            members = np.sort(order[: size.subjects])
            away = np.abs(probes - own[members].T)
            apart = np.abs(own[members] - own[members].T) + np.diag(np.full(len(members), np.inf))
            if size.fpir_achieved is not None:
                rule = full_conformal(apart.min(axis=1), 0.2)
                rates.append(rule.accepts(away.min(axis=1), away.argmin(axis=1))[of_probe < 0].mean())
        assert (size.fpir_achieved is None) == (size.subjects < 9)
        if size.fpir_achieved is not None:
            assert size.fpir_achieved == pytest.approx((np.mean(rates), min(rates), max(rates)))


def test_bad_pictures_are_skipped_and_listed(tmp_path: object) -> None:
    data = dataset(classes=10)
    bad = Picture(np.zeros((2, 2), np.float32), "0", name="bad")  # type: ignore[arg-type]
    found = evaluate(Known(), Dataset("some", (*data.pictures, bad)))
    assert [one.name for one in found.dataset.skipped] == ["bad"]
    assert found.to_json()["pictures"] == 30


def test_progress_is_reported_for_each_embedder() -> None:
    told: list[tuple[str, int, int]] = []
    evaluate(Known(), dataset(classes=10), baselines={"pixels": raw_pixels()}, progress=lambda *now: told.append(now))
    assert ("model", 30, 30) in told
    assert ("pixels", 30, 30) in told


def test_what_cannot_be_evaluated() -> None:
    with pytest.raises(DatasetError, match="needs two or more"):
        evaluate(Known(), dataset(classes=1))
    with pytest.raises(DatasetError, match="0 enrolled pictures"):
        evaluate(Known(), dataset(classes=5), protocol=Protocol(enroll=lambda picture: False))
    only = Protocol(enroll=lambda picture: picture.label == "<b>0", enrolled_fraction=0.01)
    with pytest.raises(DatasetError, match="none of the 1 classes drawn for enrollment has an enrolled picture"):
        evaluate(Known(), dataset(classes=60), protocol=only)
    with pytest.raises(DatasetError, match="0 probes"):
        evaluate(Known(), dataset(classes=5), protocol=Protocol(enroll=lambda picture: True))
    for fpir in (0.0, 1.0, -0.1):
        with pytest.raises(UsageError, match="fpir is"):
            evaluate(Known(), dataset(classes=5), fpir=fpir)


def test_paths_are_read_and_baselines_are_measured_by_default(tmp_path: Path) -> None:
    """As the command does, with notes about the untrained network and about classes of the training."""
    for label in range(4):
        folder = tmp_path / "photos" / f"{label}"
        folder.mkdir(parents=True)
        for number in range(3):
            Image.fromarray(noise(10 * label + number)).save(folder / f"{number}.png")
    model = tiny_model(tmp_path / "model", classes=("1", "2"))
    found = semelha.evaluate(model.folder, tmp_path / "photos", resamples=0)
    assert set(found.baselines) == {"raw_pixels"}
    assert found.to_json()["raw_pixels"]["r_at_1"] is not None
    assert found.to_json()["untrained"] is None
    assert any(note.startswith("The untrained network was not measured") for note in found.notes)
    assert any("2 of the 4 classes have names that the model was trained on" in note for note in found.notes)
