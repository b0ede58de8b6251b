"""A method is tuned on selection classes alone, measured once on test classes, and a killed tuning goes on."""

import shlex
import sys
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from tests.comparison.pictures import pictures
from tests.tiny_model import tiny_model

import semelha
from semelha.arguments import number_arguments
from semelha.comparison import TUNED, Tuning, search
from semelha.comparison.measure import Answers, answers
from semelha.comparison.methods import LEARNERS, OPTIONS, Attempt, Learned, Method, feature_methods, network_methods
from semelha.comparison.search import Search
from semelha.comparison.spaces import SPACES, Range
from semelha.comparison.study import FOLDS, SELECTION, Rows, Study, divide
from semelha.embedders.published import DEFAULT, published_folder
from semelha.errors import DatasetError, MissingExtra, SemelhaError, TrainingError, UsageError
from semelha.linear import METHODS
from semelha.metrics import Euclidean

HARD = partial(pictures, classes=16, each=4, weight=6.0)


def tuned(folder: Path, **arguments: object) -> Tuning:
    chosen = {"method": "lda on hog", "trials": 6, **arguments}
    return semelha.tune(HARD(), folder=folder, **chosen)


def test_settings_are_tuned_and_the_command_has_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[set[str]] = []

    def watched(study: Study, found: Learned, rows: Rows) -> tuple[Answers, list[tuple[int, ...]]]:
        asked.append(set(study.fold[rows].tolist()))
        return answers(study, found, rows)

    monkeypatch.setattr(search, "answers", watched)
    found = tuned(tmp_path / "out")
    assert set.union(*asked) == {SELECTION}, "trials see no test class"
    assert Tuning.read(tmp_path / "out" / TUNED) == found
    assert [one.number for one in found.trials] == list(range(1, len(found.trials) + 1))
    assert found.trials[0].settings == {}
    assert found.ended == "trials"
    assert found.defaults == {"n_components": None, "shrinkage": 0.0}
    measured = [one for one in found.trials if one.r_at_1 is not None]
    best = max(measured, key=lambda one: one.r_at_1.value if one.r_at_1 else 0)
    assert found.found is None if best.number == 1 else found.found is not None
    files = {file.name for file in (tmp_path / "out" / "measurements").iterdir()}
    assert files == {f"{number}-{fold}.json" for number in {1, best.number} for fold in range(FOLDS)}
    again = tuned(tmp_path / "again")
    assert [(one.settings, one.r_at_1) for one in again.trials] == [(one.settings, one.r_at_1) for one in found.trials]
    other = tuned(tmp_path / "other", seed=1)
    assert [one.settings for one in other.trials] != [one.settings for one in found.trials]


def test_a_killed_tuning_goes_on_as_if_it_was_not(tmp_path: Path) -> None:
    class Killed(Exception):
        pass

    def kill(at: str, text: str, seconds: float) -> None:
        if text == at:
            raise Killed

    whole = tuned(tmp_path / "whole")
    for at in ("trial 1", "trial 4", "defaults, fold 2"):
        with pytest.raises(Killed):
            tuned(tmp_path / "out", callback=partial(kill, at), resume=True)
        with pytest.raises(SemelhaError, match="exists already"):
            tuned(tmp_path / "out")
    found = tuned(tmp_path / "out", resume=True)
    assert [(one.settings, one.r_at_1) for one in found.trials] == [(one.settings, one.r_at_1) for one in whole.trials]
    assert (found.verdict("en"), found.difference) == (whole.verdict("en"), whole.difference)
    assert tuned(tmp_path / "out", resume=True) == found, "a finished one is read"


@pytest.mark.parametrize("change", [{"seed": 1}, {"trials": 7}, {"method": "gmml on hog"}, {"budget": 1.0}])
def test_another_tuning_is_not_resumed(tmp_path: Path, change: dict[str, object]) -> None:
    tuned(tmp_path / "out", trials=1)
    with pytest.raises(UsageError, match="other pictures, or with other arguments"):
        tuned(tmp_path / "out", resume=True, **{"trials": 1, **change})


def test_what_cannot_be_tuned_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEMELHA_CACHE", str(tmp_path / "cache"))
    tiny_model(published_folder(DEFAULT), published=DEFAULT)
    for method, said in [
        ("hog", "method is 'hog', which has no settings to tune: there are pca-whitening, lda"),
        ("best", "method is 'best', which is no method: there are pca-whitening, lda"),
        ("lda", "name one of 'lda on hog', 'lda on tiny'"),
    ]:
        with pytest.raises(UsageError, match=said):
            tuned(tmp_path / "out", method=method)
    with pytest.raises(DatasetError, match="needs 8"):
        semelha.tune(pictures(classes=7), folder=tmp_path / "a", method="lda on hog")
    with pytest.raises(UsageError, match="trials"):
        tuned(tmp_path / "b", trials=0)
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(MissingExtra, match=r'^tuning needs optuna: pip install "semelha\[tune\]"$'):
        tuned(tmp_path / "c")


@pytest.mark.parametrize("content", [b"no trials\n", b'{"op_code": 77}\n', b'[1]\n{"op_code": 4}\n', b"\xff\n"])
def test_damaged_trials_are_reported(tmp_path: Path, content: bytes) -> None:
    tuned(tmp_path / "out", trials=1)
    (tmp_path / "out" / TUNED).unlink()
    (tmp_path / "out" / search.TRIALS).write_bytes(content)
    with pytest.raises(SemelhaError, match=r"trials\.log is damaged"):
        tuned(tmp_path / "out", trials=1, resume=True)


def test_the_defaults_of_a_space_are_those_of_its_method() -> None:
    """A trial without settings would otherwise be shown with wrong ones."""
    methods = {one.key: one for one in (*feature_methods(), *network_methods())}
    assert set(SPACES) <= set(methods)
    assert {key for key, one in methods.items() if one.family == "learned distance"} == set(LEARNERS) <= set(SPACES)
    for key, space in SPACES.items():
        own = number_arguments(METHODS[key]) if key in METHODS else {}
        for name, one in space.items():
            if isinstance(one, Range):
                assert one.low <= one.default <= one.high
            else:
                assert one.default in one.numbers
            if own:
                assert own[name].default == one.default, (key, name)


def test_settings_of_networks_have_their_defaults() -> None:
    pytest.importorskip("torch")
    from semelha.deep import Network, Recipe, ssl
    from semelha.deep.recipe import pairs_and_proxies
    from semelha.named_losses import class_losses, pair_losses, proxy_losses

    losses = {str(name): one for name, one in {**pair_losses(), **proxy_losses(), **class_losses()}.items()}
    losses["default-loss"] = pairs_and_proxies
    for one in network_methods():
        assert one.space["learning_rate"].default == Recipe.learning_rate
        assert one.space["dim"].default == Network.dim
        function = losses.get(one.key) or type(ssl.METHODS[one.key])
        for name in set(one.space) - set(OPTIONS):
            assert number_arguments(function)[name].default == one.space[name].default, (one.name, name)


@pytest.mark.parametrize("key", SPACES)
def test_the_command_of_any_settings_is_taken(key: str) -> None:
    """Its words are options of `train` and settings of the method."""
    from semelha.cli.training import parsed_numbers
    from semelha.named_losses import Loss, NamedLoss, default_loss
    from semelha.training import method_with

    method = {one.key: one for one in (*feature_methods(), *network_methods())}[key]
    if method.is_network:
        pytest.importorskip("torch")
    ends = {name: one.high if isinstance(one, Range) else one.numbers[0] for name, one in method.space.items()}
    words = shlex.split(method.command("photos", ends) or "")
    numbers = parsed_numbers([word for before, word in pairwise(words) if before == "--set"])
    assert {**numbers, **{name: ends[name] for name in OPTIONS if OPTIONS[name] in words}} == ends
    if "--method" in words:
        method_with(key, numbers, seed=0)
    elif "--loss" in words:
        NamedLoss(Loss(key), settings=tuple(numbers.items()))
    else:
        default_loss(numbers)


def network(rates: dict[float, float], log: list[float]) -> Method:
    """It reports its R@1 on held-out classes four times; the higher, the better the vectors are. A margin may fail."""

    def learn(study: Study, rows: Rows, attempt: Attempt) -> Learned:
        margin = attempt.settings.get("margin", 0.2)
        assert attempt.callback is not None
        if margin > 0.6:
            raise TrainingError("the loss became nan")
        for done in (0.5, 0.6, 0.7, 0.8):
            log.append(margin)
            attempt.callback(done, 1 - abs(margin - 0.4))
        return Learned(lambda asked: np.ones((len(asked), 1), np.float32), Euclidean(), 1, 4, 0.1)

    return Method("network, triplet", "triplet", "network", "", ("train",), learn)


def test_bad_trials_of_a_network_are_pruned_and_failures_are_counted(tmp_path: Path) -> None:
    data = pictures()
    study = Study(data, divide(data, 0), tmp_path, 0)
    log: list[float] = []
    found = Search(study, network({}, log), 40, None, 1.0, lambda text, seconds: None).run()
    states = [one.state for one in found]
    assert len(states) == 40
    assert {"measured", "pruned", "failed"} == set(states)
    assert states.count("failed") <= 10, "settings near those that failed are avoided"
    assert all(one.reason == "the loss became nan" for one in found if one.state == "failed")
    learned = [one for one in found if one.state != "failed"]
    assert len(log) < 4 * len(learned)


def test_failing_defaults_are_an_error(tmp_path: Path) -> None:
    def fail(study: Study, rows: Rows, attempt: Attempt) -> Learned:
        raise TrainingError("nothing can be learned")

    data = pictures()
    study = Study(data, divide(data, 0), tmp_path, 0)
    method = replace(network({}, []), learn=fail)
    with pytest.raises(SemelhaError, match="cannot be tuned, as its defaults fail: nothing can be learned"):
        Search(study, method, 5, None, 1.0, lambda text, seconds: None).run()


def test_a_budget_that_is_too_small_measures_the_defaults(tmp_path: Path) -> None:
    found = tuned(tmp_path / "out", budget=0.05, method="gmml on hog", trials=5000)
    assert 1 <= len(found.trials) < 5000
    assert found.default.r_at_1.value > 0
    assert found.ended == "budget"


@pytest.mark.parametrize(("method", "number"), [("pca-whitening", 5), ("lda", 30)])
def test_trials_end_when_almost_all_settings_were_tried(tmp_path: Path, method: str, number: int) -> None:
    found = tuned(tmp_path / "out", method=f"{method} on hog", trials=1000)
    settings = {tuple(one.settings.items()) for one in found.trials}
    assert 0.9 * number <= len(found.trials) == len(settings) <= number
    assert found.ended == "settings"
