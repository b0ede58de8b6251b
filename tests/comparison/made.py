"""A comparison as it could be, with every state of a method, and a tuning with every state of a trial."""

from dataclasses import replace

import numpy as np

from semelha.comparison.result import (
    Budget,
    Comparison,
    DataFacts,
    Difference,
    Figure,
    FoldFigures,
    MethodResult,
    Premise,
    Query,
    Recommendation,
    Round,
    ShownPicture,
    Trial,
    Way,
    ranking,
)
from semelha.comparison.spaces import Choice, Range
from semelha.comparison.tuned import MeasuredSettings, SettingsTrial, Tuning

CLASSES = ("Granny Smith", "Kiwi", "Oat milk", "Ångström <b>")
MODEL = "efficientnet-lite0"
DIM = Choice((64, 128, 256, 512, None), 256)


def comparison(pictures: list[ShownPicture] | None = None) -> Comparison:
    """Twelve pictures of four classes, or these, and six methods. A picture may have a path that exists."""
    shown = pictures or [ShownPicture(f"{label}/{n}.jpg", label, None) for label in CLASSES for n in range(3)]
    queries = tuple(Query(number, number % 2) for number in range(len(shown)))
    numbers = range(len(shown))
    right = tuple(tuple(other for other in numbers if other != n and other // 3 == n // 3) for n in numbers)
    some = tuple(tuple(reversed(of)) if n % 3 else ((n + 3) % len(shown), *of) for n, of in enumerate(right))
    few = tuple(((n + 3) % len(shown), *of) if n % 2 else of for n, of in enumerate(right))
    train = "semelha train photos --out model"
    whole = [
        measured("lda on the model", "learned distance", 0.91, 0.3, 21.0, 2_100_000, right, f"{train} --method lda"),
        measured(
            "model as it is", "model", 0.84, 0.0, 21.0, 13_600_000, some, f"semelha pretrained {MODEL} --out model"
        ),
        measured("raw pixels", "features", 0.41, 0.0, 0.2, 0, few, None),
    ]
    whole[1] = replace(whole[1], difference=Difference(-0.07, -0.12, -0.02, 0.012))
    whole[2] = replace(whole[2], difference=Difference(-0.5, -0.61, -0.38, 0.0002))
    trial = Trial(1, 8, Figure(0.32, 0.21, 0.44), 12.5)
    others = [
        MethodResult(
            "triplet network",
            "network",
            "A small network, trained from nothing by triplets.",
            f"{train} --loss triplet",
            "cut",
            "the better half of the networks went on",
            round=1,
            trials=(trial,),
        ),
        MethodResult("itml on hog", "learned distance", "ITML on HOG.", None, "failed", "all examples are the same"),
        MethodResult(
            "simclr", "network without labels", "SimCLR.", None, "not installed", 'pip install "semelha[train]"'
        ),
    ]
    ways = (
        Way("retrain a classifier", 41.0, Figure(0.78, 0.7, 0.86), Figure(0.88, 0.8, 0.93)),
        Way("enroll", 0.9, Figure(0.83, 0.75, 0.9), Figure(0.9, 0.84, 0.95)),
    )
    return Comparison(
        data=DataFacts("photos", 480, 40, 10, (10, 10, 10), (20, 20, 20), 2, ("used: 40 pictures are 12 bursts",)),
        methods=tuple(ranking([*whole, *others])),
        pictures=tuple(shown),
        queries=queries,
        budget=Budget(1800.0, 1720.5, (Round(1, 0.25, ("triplet network", "arcface network"), ("triplet network",)),)),
        recommendation=Recommendation(
            "lda on the model",
            f"{train} --method lda --on {MODEL}",
        ),
        premise=Premise(20, 10, 5, ways),
        fpir=0.1,
        seed=0,
        versions={"semelha": "0.1.0", "numpy": "2.3"},
        machine="a processor, 2 cores",
        date="2026-11-29",
    )


def measured(
    name: str,
    family: str,
    rate: float,
    seconds: float,
    milliseconds: float,
    size: int,
    nearest: tuple[tuple[int, ...], ...],
    command: str | None,
) -> MethodResult:
    """A method that was measured in two folds."""
    return MethodResult(
        name,
        family,
        f"{name.capitalize()}, in a sentence.",
        command,
        "measured",
        trials=(Trial(1, 20, Figure(rate, rate - 0.06, rate + 0.05), seconds),),
        selection=Figure(rate, rate - 0.06, rate + 0.05),
        folds=tuple(FoldFigures(n, 80, rate + 0.01 * n, rate - 0.2, None if n else 0.4, seconds) for n in (0, 1)),
        r_at_1=Figure(rate, rate - 0.05, rate + 0.04),
        map_at_r=Figure(rate - 0.2, rate - 0.26, rate - 0.15),
        fnir_at_fpir=Figure(1 - rate + 0.05, 1 - rate, 1.0) if rate > 0.5 else None,
        seconds=seconds,
        milliseconds=milliseconds,
        dim=128,
        size=size,
        nearest=nearest,
    )


def tuning(*, is_better: bool = True, trials: int = 12) -> Tuning:
    """A network tuned on 40 classes; without trials besides the defaults nothing else was measured."""
    random = np.random.default_rng(0)
    space = {"margin": Range(0.05, 0.8, 0.2), "learning_rate": Range(3e-4, 1e-2, 3e-3, is_log=True), "dim": DIM}
    tried = [SettingsTrial(1, {}, "measured", Figure(0.71, 0.62, 0.79), 61.0)]
    for number in range(2, trials + 1):
        settings = {
            "margin": round(float(random.uniform(0.05, 0.8)), 3),
            "learning_rate": float(f"{10 ** random.uniform(-3.5, -2):.3g}"),
            "dim": float(random.choice([64, 128, 512])),
        }
        rate = 0.74 - 0.3 * (settings["margin"] - 0.35) ** 2 + float(random.uniform(-0.03, 0.02))
        state = "failed" if number == 5 else "pruned" if number % 4 == 0 else "measured"
        figure = Figure(rate, rate - 0.08, rate + 0.07) if state == "measured" else None
        reason = "the loss became <nan>" if state == "failed" else ""
        tried.append(SettingsTrial(number, settings, state, figure, 60.0 if figure else 22.0, reason))
    best = max((one for one in tried if one.r_at_1), key=lambda one: one.r_at_1.value if one.r_at_1 else 0)
    train = "semelha train 'my <photos>' --out model --loss triplet"
    default = MeasuredSettings(1, {}, Figure(0.702, 0.66, 0.741), Figure(0.41, 0.37, 0.45), 61.0, train)
    found, difference = None, None
    if best.number > 1:
        command = " ".join([train, *(f"--set {name}={value:g}" for name, value in best.settings.items())])
        rate = 0.738 if is_better else 0.705
        ends = Figure(rate, rate - 0.04, rate + 0.04)
        found = MeasuredSettings(best.number, best.settings, ends, Figure(0.44, 0.4, 0.48), 60.2, command)
        difference = Difference(0.036, 0.012, 0.059, 0.0031) if is_better else Difference(0.003, -0.02, 0.025, 0.81)
    return Tuning(
        method="network, triplet",
        data=DataFacts("my <photos>", 480, 40, 10, (10, 10, 10), (20, 20, 20), 2, ("used: 40 pictures are 12 bursts",)),
        space=space,
        trials=tuple(tried),
        default=default,
        found=found,
        difference=difference,
        is_better=is_better and found is not None,
        ended="budget",
        command=found.command if found is not None and is_better else default.command,
        budget=1800.0,
        used=1720.5,
        minutes=1.0,
        seed=0,
        versions={"semelha": "0.1.0", "<u>": "{1}"},
        machine="a processor, 2 cores",
        date="2026-11-29",
    )
