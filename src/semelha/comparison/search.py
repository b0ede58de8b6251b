"""Trials of a method's settings on the selection classes, by Optuna, which keeps them in a file."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from semelha.comparison.figures import mean_figure, selection_values
from semelha.comparison.measure import Answers, answers
from semelha.comparison.methods import Attempt, Method
from semelha.comparison.result import Figure
from semelha.comparison.schedule import FINISHING, Callback
from semelha.comparison.spaces import Range, Space
from semelha.comparison.study import FOLDS, SELECTION, Study
from semelha.comparison.tuned import SettingsTrial
from semelha.errors import MissingExtra, PretrainedUnavailable, SemelhaError

if TYPE_CHECKING:
    import optuna

TRIALS = "trials.log"
STARTUP = 5
"""Trials at random, before Optuna models the others and prunes."""
MAX_REPEATS = 20
"""Draws in succession of settings that were tried before: then few others are left."""
DIGITS = 3
"""Of a setting, so that the command has the number that was measured."""


@dataclass(eq=False)
class Search:
    """Tries settings of a method, first its defaults, and keeps the trials in the folder of the study.

    What needs no network learns in each fold; a network in the first alone. `most` trials, within a budget in seconds;
    None: no limit. `steps` are seconds of a network's training. After `run`, `is_exhausted` is whether it ended because
    almost all settings were tried.
    """

    study: Study
    method: Method
    most: int
    budget: float | None
    steps: float
    callback: Callback
    is_exhausted: bool = False

    def run(self) -> list[SettingsTrial]:
        """All trials, those of earlier runs too. Raises `SemelhaError` if the defaults fail."""
        from optuna.exceptions import UpdateFinishedTrialError
        from optuna.trial import TrialState

        with _silent():
            kept = _open(self.study.folder / TRIALS)
            for one in kept.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):  # of a run that was killed
                try:
                    kept.tell(one.number, state=TrialState.FAIL)
                except UpdateFinishedTrialError:
                    continue
            while not self._is_over(records := _records(kept)):
                self._try(kept, records)
        tried = _distinct(records)
        self.study.spent += sum(one.seconds for one in tried)
        return tried

    def _is_over(self, records: Sequence[SettingsTrial]) -> bool:
        tried = _distinct(records)
        if tried and tried[0].state == "failed":
            raise SemelhaError(f"{self.method.name} cannot be tuned, as its defaults fail: {tried[0].reason}")
        self.is_exhausted = len(records) >= MAX_REPEATS and not _distinct(records[-MAX_REPEATS:])
        if self.is_exhausted or len(tried) >= self.most:
            return True
        if not tried or self.budget is None:
            return False
        seconds = [one.seconds for one in tried]
        tested = tried[0].seconds + (best_trial(tried).seconds if best_trial(tried).number > 1 else np.mean(seconds))
        needed = np.mean(seconds) + tested * FOLDS / len(self._folds())
        return bool(self.study.spent + sum(seconds) + needed > (1 - FINISHING) * self.budget)

    def _folds(self) -> range:
        return range(1 if self.method.is_network else FOLDS)

    def _try(self, kept: optuna.Study, records: Sequence[SettingsTrial]) -> None:
        from optuna.exceptions import TrialPruned
        from optuna.samplers import RandomSampler, TPESampler
        from optuna.trial import TrialState

        space, number = self.method.space, len(_distinct(records)) + 1
        drawn = int(np.random.default_rng([self.study.seed, 28, len(records)]).integers(2**31))
        is_repeat = bool(records) and not records[-1].number
        sampler = RandomSampler(drawn) if is_repeat else TPESampler(seed=drawn, n_startup_trials=STARTUP)
        kept.sampler = sampler  # a new one, so that a later run draws the same
        if not records:
            kept.enqueue_trial({name: one.default for name, one in space.items()})
        trial = kept.ask()
        settings = _draw(trial, space)
        if any(one.settings == settings for one in records):
            _keep(trial, SettingsTrial(0, settings, "failed", None, 0.0))
            kept.tell(trial, state=TrialState.FAIL)
            return
        self.callback(f"trial {number}", self.study.spent + sum(one.seconds for one in records))
        start = time.monotonic()
        try:
            figure = self._figure(trial, settings)
        except TrialPruned:
            _keep(trial, SettingsTrial(number, settings, "pruned", None, time.monotonic() - start))
            kept.tell(trial, state=TrialState.PRUNED)
        except (MissingExtra, PretrainedUnavailable):
            raise
        except SemelhaError as error:
            _keep(trial, SettingsTrial(number, settings, "failed", None, time.monotonic() - start, str(error)))
            kept.tell(trial, state=TrialState.PRUNED)  # FAIL would teach the sampler nothing
        else:
            _keep(trial, SettingsTrial(number, settings, "measured", figure, time.monotonic() - start))
            kept.tell(trial, figure.value)

    def _figure(self, trial: optuna.Trial, settings: Mapping[str, float]) -> Figure:
        """R@1 on the selection classes, the mean over what was learned in each fold. Raises `TrialPruned`."""
        from optuna.exceptions import TrialPruned

        study, found, reported = self.study, list[Answers](), set[int]()

        def report(step: int, rate: float) -> None:
            trial.report(rate, step)
            reported.add(step)
            if trial.should_prune():
                raise TrialPruned

        def watch(done: float, validation: float | None) -> None:
            step = int(20 * done)
            if validation is not None and done < 1 and step not in reported:
                report(step, validation)

        for fold in self._folds():
            attempt = Attempt(self.steps, study.folder / "model", settings, watch)
            learned = self.method.learn(study, study.learned(fold), attempt)
            found.append(answers(study, learned, study.measured(SELECTION))[0])
            if fold < len(self._folds()) - 1:
                report(fold, float(selection_values(study, found)[0].mean()))
        return mean_figure(*selection_values(study, found), seed=study.seed)


def best_trial(trials: Sequence[SettingsTrial]) -> SettingsTrial:
    """The measured one with the highest R@1; of several the first, so that the defaults win a tie."""
    return max(trials, key=lambda one: -math.inf if one.r_at_1 is None else one.r_at_1.value)


def check_optuna() -> None:
    """Raise `MissingExtra` if Optuna is not installed."""
    try:
        import optuna  # noqa: F401
    except ModuleNotFoundError as error:
        raise MissingExtra(f'tuning needs {error.name}: pip install "semelha[tune]"') from error


def _draw(trial: optuna.Trial, space: Space) -> dict[str, float]:
    """Settings that are not the defaults, with few digits."""
    drawn: dict[str, float | None] = {}
    for name, one in space.items():
        if isinstance(one, Range):
            drawn[name] = float(f"{trial.suggest_float(name, one.low, one.high, log=one.is_log):.{DIGITS}g}")
        else:
            number = trial.suggest_categorical(name, one.numbers)
            drawn[name] = number if isinstance(number, int | float) else None
    return {name: value for name, value in drawn.items() if value is not None and value != space[name].default}


def _open(file: Path) -> optuna.Study:
    """The trials in a file, which is made if it is missing. Raises `SemelhaError` if it is damaged."""
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    pruner = optuna.pruners.MedianPruner(n_startup_trials=STARTUP)
    try:
        storage = JournalStorage(JournalFileBackend(str(file)))
        found = optuna.create_study(
            storage=storage, study_name="tuning", direction="maximize", pruner=pruner, load_if_exists=True
        )
        _records(found)
    except (ValueError, LookupError, TypeError, AttributeError, AssertionError) as problem:
        raise SemelhaError(f"{file} is damaged: tune again into another folder") from problem
    return found


def _keep(trial: optuna.Trial, record: SettingsTrial) -> None:
    trial.set_user_attr("record", asdict(record))


def _records(kept: optuna.Study) -> list[SettingsTrial]:
    """What was tried, and settings that were drawn again, which have the number 0."""
    states = {"COMPLETE": ("measured",), "PRUNED": ("pruned", "failed"), "FAIL": ("failed",)}
    found = []
    for trial in kept.get_trials(deepcopy=False):
        record: dict[str, Any] = trial.user_attrs.get("record", {})
        if record and record["state"] in states.get(trial.state.name, ()):  # else its run was killed
            figure = record["r_at_1"]
            found.append(SettingsTrial(**{**record, "r_at_1": None if figure is None else Figure(*figure)}))
    return found


def _distinct(records: Sequence[SettingsTrial]) -> list[SettingsTrial]:
    return [one for one in records if one.number]


@contextmanager
def _silent() -> Iterator[None]:
    """Without the messages of Optuna."""
    import optuna

    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)
