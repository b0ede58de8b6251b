"""The result of a comparison of methods, and its JSON."""

from __future__ import annotations

import json
import math
import os
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import TypeAdapter, ValidationError

from semelha.comparison.verdict import Facts, Step, judge
from semelha.errors import SemelhaError
from semelha.files import write_file
from semelha.html.notebook import notebook_html
from semelha.language import Verdict, Words, words_in
from semelha.untrusted import MAX_BYTES, parse_json, read_bytes

FORMAT = 1
"""Of the JSON."""

RETRAIN, ENROLL = "retrain a classifier", "enroll"
"""Names of the ways to add classes."""

State = Literal["measured", "cut", "failed", "not installed"]


class Figure(NamedTuple):
    """A figure and its 95% interval, by bootstrap over classes; both ends are None if it has no interval."""

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class FoldFigures:
    """A method on the classes of one test fold, of which it learned nothing.

    R@1 and MAP@R are of `queries` pictures; FNIR, at the FPIR of the comparison with hindsight, is None if the classes
    are too few. `seconds` is how long the method learned.
    """

    fold: int
    queries: int
    r_at_1: float
    map_at_r: float
    fnir_at_fpir: float | None
    seconds: float


@dataclass(frozen=True)
class Trial:
    """A method on the selection classes in one round, learned from part of the classes of the first fold."""

    round: int  # from 1
    classes: int  # learned from
    r_at_1: Figure
    seconds: float


@dataclass(frozen=True)
class Difference:
    """R@1 less that of the best method, on the same pictures.

    `p` is of a paired permutation test over classes, corrected for the number of methods (Holm, 1979).
    """

    value: float
    low: float | None
    high: float | None
    p: float


@dataclass(frozen=True)
class MethodResult:
    """One method.

    Attributes
    ----------
    name, family : str
    about : str
        What it is, in a sentence.
    command : str or None
        The command that trains it from all pictures; None for what no command makes.
    state : {"measured", "cut", "failed", "not installed"}
        "measured": on all test folds. "cut": in round `round`, because of `reason`.
    reason : str
        Why it was not measured; "" if it was.
    trials : tuple of Trial
        On the selection classes, one for each round.
    selection : Figure or None
        R@1 on the selection classes, learned from all classes of the folds that were measured; None if there was none.
    expected : float or None
        The same, estimated for what was cut: the last trial, raised as much (in log-odds) as the methods of its family
        that went on. None if it was never tried.
    folds : tuple of FoldFigures
        On the test classes, one for each fold.
    r_at_1, map_at_r, fnir_at_fpir : Figure or None
        Of all test folds; None if not measured.
    difference : Difference or None
        None if not measured, and for the best.
    seconds : float or None
        Of learning from one fold's classes, without computing features; the mean over folds.
    milliseconds : float or None
        Of embedding one picture that is in memory.
    dim, size : int or None
        Numbers of a vector; bytes of the model, with its metric.
    nearest : tuple of tuple of int
        For each of `Comparison.queries` the nearest pictures, numbers of `Comparison.pictures`; empty if not measured.
    """

    name: str
    family: str
    about: str
    command: str | None
    state: State
    reason: str = ""
    round: int | None = None
    trials: tuple[Trial, ...] = ()
    selection: Figure | None = None
    expected: float | None = None
    folds: tuple[FoldFigures, ...] = ()
    r_at_1: Figure | None = None
    map_at_r: Figure | None = None
    fnir_at_fpir: Figure | None = None
    difference: Difference | None = None
    seconds: float | None = None
    milliseconds: float | None = None
    dim: int | None = None
    size: int | None = None
    nearest: tuple[tuple[int, ...], ...] = ()

    @property
    def cost(self) -> tuple[float, float]:
        """Smaller is cheaper: first what embeds a picture faster, by powers of two, then what learns faster."""
        return float(round(math.log2(max(self.milliseconds or 0.0, 0.1)))), self.seconds or 0.0


@dataclass(frozen=True)
class ShownPicture:
    """A picture of the data set: its name, its label, and its file with the part that it is.

    `path` is None if it was an array or bytes; `box` if it is the whole file.
    """

    name: str
    label: str
    path: str | None
    box: tuple[int, int, int, int] | None = None


@dataclass(frozen=True)
class Query:
    """A picture of the test folds, a number of `Comparison.pictures`, and its fold."""

    picture: int
    fold: int


@dataclass(frozen=True)
class DataFacts:
    """The data set and its division.

    Classes of the test folds and the selection classes are disjoint. In each fold the methods learn from the classes of
    the other folds, and from those with a single picture.
    """

    name: str
    pictures: int
    classes: int
    selection_classes: int
    fold_classes: tuple[int, ...]
    learned_classes: tuple[int, ...]  # in each fold
    skipped: int
    remarks: tuple[str, ...]


@dataclass(frozen=True)
class Round:
    """A round of successive halving: names of the methods that entered it, and of those that were cut after it."""

    number: int
    share: float  # of the classes of a fold, and of the minutes
    entered: tuple[str, ...]
    cut: tuple[str, ...]


@dataclass(frozen=True)
class Budget:
    """Time that was allowed (None: without limit) and used, and the rounds."""

    seconds: float | None
    used: float
    rounds: tuple[Round, ...] = ()


@dataclass(frozen=True)
class Recommendation:
    """The method to take, its command, and what the command does.

    `step` is "train": it trains the method; "train_best": it trains several and keeps the best; or "untrained": it uses
    a model as it is.
    """

    method: str
    command: str
    step: Step = "train"


@dataclass(frozen=True)
class Way:
    """One way to add classes: seconds, and right answers among the probes of the new classes and of the known ones."""

    name: str
    seconds: float
    new: Figure
    known: Figure


@dataclass(frozen=True)
class Premise:
    """New classes by retraining a classifier, or by enrolling their pictures with a model that stays as it is."""

    known_classes: int
    new_classes: int
    pictures: int  # of each new class, to learn from or to enroll, at most
    ways: tuple[Way, ...]

    def text(self, words: Words) -> str:
        """Both ways in two sentences."""
        retrain, enroll = (next(way for way in self.ways if way.name == name) for name in (RETRAIN, ENROLL))
        note = words.t("compare.premise_note", known=self.known_classes, n=self.new_classes, pictures=self.pictures)
        result = words.t(
            "compare.premise_result",
            retrain=words.duration(retrain.seconds),
            retrain_right=words.of_100(retrain.new.value),
            enroll=words.duration(enroll.seconds),
            enroll_right=words.of_100(enroll.new.value),
        )
        return f"{note} {result}"


@dataclass(frozen=True)
class Comparison:
    """Methods compared on one data set, in the same class-disjoint folds. `methods` are in the order of `ranking`."""

    data: DataFacts
    methods: tuple[MethodResult, ...]
    pictures: tuple[ShownPicture, ...]
    queries: tuple[Query, ...]
    budget: Budget
    recommendation: Recommendation | None
    premise: Premise | None
    fpir: float
    seed: int
    versions: dict[str, str]
    machine: str
    date: str
    format: int = FORMAT

    def __getitem__(self, name: str) -> MethodResult:
        return next(one for one in self.methods if one.name == name)

    def is_right(self, method: MethodResult, query: int) -> bool:
        """Whether the nearest picture of a query, by its number in `queries`, is of its class."""
        nearest = method.nearest[query]
        return bool(nearest) and self.pictures[nearest[0]].label == self.pictures[self.queries[query].picture].label

    def verdict(self, language: str | None = None) -> Verdict:
        """The recommendation in plain words, and what to do next; `str` of it is one paragraph.

        The language is "en" or "pt-BR"; None is that of the locale. Raises `UsageError` for another language.
        """
        chosen = None if self.recommendation is None else self[self.recommendation.method]
        rated = [(one.r_at_1.value, one) for one in self.methods if one.r_at_1 is not None]
        best_right, best = max(rated, key=lambda pair: pair[0], default=(0.0, None))
        right = None if chosen is None or chosen.r_at_1 is None else chosen.r_at_1
        facts = Facts(
            method=None if chosen is None else chosen.name,
            command="" if self.recommendation is None else self.recommendation.command,
            step="train" if self.recommendation is None else self.recommendation.step,
            right=None if right is None else (right.value, *_ends(right)),
            best=None if best is None else best.name,
            best_right=best_right,
            costs_more=best is not None and chosen is not None and best.cost > chosen.cost,
            p=None if chosen is None or chosen.difference is None else chosen.difference.p,
            cut=sum(one.state == "cut" for one in self.methods),
            not_installed=sum(one.state == "not installed" for one in self.methods),
            pictures=self.data.pictures,
            classes=self.data.classes,
            tested=sum(self.data.fold_classes),
            selection=self.data.selection_classes,
        )
        return judge(facts, words_in(language))

    def _repr_html_(self) -> str:
        """For notebooks: the verdict, the command, and the figures of the measured methods."""
        words = words_in(None)
        verdict = self.verdict(words.language)
        rows = [(words.t("compare.method"), "R@1", words.t("compare.seconds"), words.t("compare.embedding"))]
        for one in self.methods:
            if one.r_at_1 is not None:
                seconds = "" if one.seconds is None else words.duration(one.seconds)
                each = "" if one.milliseconds is None else words.duration(one.milliseconds / 1000)
                value, low, high = (None if end is None else words.rate(round(end, 3)) for end in one.r_at_1)
                interval = "" if low is None else f" ({low}–{high})"
                rows.append((one.name, f"{value}{interval}", seconds, each))
        lines = (verdict.result, *verdict.steps, verdict.command, verdict.basis)
        return notebook_html(self.data.name, lines, table=rows)

    def to_json(self) -> dict[str, Any]:
        """As numbers, strings, lists, dicts and None."""
        found: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return found

    @classmethod
    def from_json(cls, content: bytes | str, name: str = "the comparison") -> Comparison:
        """Read `to_json` as text, from outside. Raises `SemelhaError` if it is no comparison, or of a newer format."""
        value = parse_json(content, name, error=SemelhaError)
        if isinstance(number := value.get("format"), int) and number > FORMAT:
            raise SemelhaError(f"{name} was written by a newer semelha: update semelha to read it")
        try:
            found: Comparison = _adapter().validate_json(json.dumps(value), strict=True)
        except ValidationError as problem:
            first = problem.errors()[0]
            place = ".".join(map(str, first["loc"]))
            raise SemelhaError(f"{name} is no comparison: {place or 'it'}: {first['msg']}") from None
        if (fault := found.fault()) is not None:
            raise SemelhaError(f"{name} is damaged: {fault}")
        return found

    def fault(self) -> str | None:
        """What does not fit together; None if all does."""
        names = [one.name for one in self.methods]
        if len(set(names)) < len(names):
            return "two methods have the same name"
        if self.recommendation is not None and self.recommendation.method not in names:
            return "it recommends a method that it has not"
        if self.premise is not None and {way.name for way in self.premise.ways} != {RETRAIN, ENROLL}:
            return "its ways to add classes are not the two that there are"
        numbers = range(len(self.pictures))
        if any(query.picture not in numbers for query in self.queries):
            return "a query is no picture of it"
        for one in self.methods:
            if one.nearest and len(one.nearest) != len(self.queries):
                return f"{one.name} has not one answer for each query"
            if any(number not in numbers for nearest in one.nearest for number in nearest):
                return f"an answer of {one.name} is no picture of it"
        return None

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write the JSON. Raises `SemelhaError`."""
        write_file(Path(path), [json.dumps(self.to_json(), ensure_ascii=False, indent=1), "\n"])

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Comparison:
        """Read what `write` wrote. Raises `SemelhaError`, or `FileNotFoundError`."""
        return cls.from_json(read_bytes(Path(path), max_bytes=MAX_BYTES, error=SemelhaError), str(path))


def _ends(figure: Figure) -> tuple[float, float]:
    """The interval; without one the figure twice."""
    return (figure.value if figure.low is None else figure.low, figure.value if figure.high is None else figure.high)


def ranking(methods: list[MethodResult]) -> list[MethodResult]:
    """The best first: by R@1, and then MAP@R, on the test classes.

    After these what was cut, the latest first, by R@1 on selection classes.
    """

    def key(one: MethodResult) -> tuple[float, ...]:
        if one.r_at_1 is not None:
            return (0.0, -one.r_at_1.value, 0.0 if one.map_at_r is None else -one.map_at_r.value)
        if one.trials:
            return (1.0, -float(one.trials[-1].round), -one.trials[-1].r_at_1.value)
        return (2.0,)

    return sorted(methods, key=key)


@cache
def _adapter() -> TypeAdapter[Comparison]:
    return TypeAdapter(Comparison)
