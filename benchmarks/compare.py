"""`semelha compare` on five sets within a budget; and without one, to see whether the budget changes the order.

    python benchmarks/compare.py DATA [--only glyphs grocery] [--budget 15] [--full]

Glyphs (the four test scripts) within 10 minutes; omniglot, grocery, emoji and orl_faces of DATA within 60 each.
Pictures of one visit to the shops, and of one style of emoji, are a group and never match. With `--full`, glyphs and
grocery are compared without a budget too, each training of a network in `--minutes`, and the order of all methods is
compared with that of the budgeted run (Kendall's τ). What is measured is kept in `--folder`, goes on if it was
interrupted, and is not measured again. `--reports` writes reports beside this script, with pictures for glyphs alone.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from scipy.stats import kendalltau

import _sets
import semelha
from _results import table, write_section
from semelha.comparison import RESULT, Comparison
from semelha.comparison.result import Figure
from semelha.images import TEST_SCRIPTS, Dataset
from semelha.language import words_in

MINUTES = {"glyphs": 10.0, "omniglot": 60.0, "grocery": 60.0, "emoji": 60.0, "orl_faces": 60.0}
FULL = ("glyphs", "grocery")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="?", default=os.environ.get("SEMELHA_DATA"))
    parser.add_argument("--only", nargs="+", default=list(MINUTES), choices=list(MINUTES))
    parser.add_argument("--budget", type=float, help="minutes for each set, instead of those above")
    parser.add_argument("--full", action="store_true", help="without a budget too, where τ is measured")
    parser.add_argument("--minutes", type=float, default=4.0, help="of a network without a budget")
    parser.add_argument("--folder", type=Path, default=Path("build/compare"))
    parser.add_argument("--reports", action="store_true")
    arguments = parser.parse_args()
    if arguments.data is None and arguments.only != ["glyphs"]:
        parser.error("name the folder that holds the sets, or set SEMELHA_DATA")
    for name in arguments.only:
        data = pictures(name, Path(arguments.data or "."))
        found = compared(data, arguments.folder / name, budget=arguments.budget or MINUTES[name])
        body = f"{facts(found)}\n\n{table(*rows(found))}\n\n{ending(found)}"
        if arguments.full and name in FULL:
            full = compared(data, arguments.folder / f"{name}-full", minutes=arguments.minutes)
            body += f"\n\n{without_budget(found, full, arguments.minutes)}\n\n{table(*rows(full))}"
        write_section(f"Methods compared: {name}", body)
        if arguments.reports:
            from semelha.comparison.report import write_comparison_report

            if name != "glyphs":
                found = without_pictures(found)
            write_comparison_report(found, Path(__file__).with_name(f"compare-{name}.html"), dataset=data)


def pictures(name: str, data: Path) -> Dataset:
    """All pictures of a set, with the groups of the other benchmarks."""
    if name == "glyphs":
        return Dataset(name, semelha.glyphs(TEST_SCRIPTS).pictures)
    sets: dict[str, Callable[[Path], _sets.Case]] = {**_sets.CASES, "orl_faces": _sets.orl_faces}
    case = sets[name](data)
    return Dataset(name, (*case.learned, *(one for part in case.measured for one in part)))


def compared(data: Dataset, folder: Path, **limits: float) -> Comparison:
    """The comparison in a folder; interrupted ones go on."""

    def report(text: str, seconds: float) -> None:
        if not text.startswith("embedding"):
            print(f"{folder.name} {seconds / 60:6.1f} min  {text}", flush=True)

    if (result := folder / RESULT).exists():
        return Comparison.read(result)
    return semelha.compare(data, folder=folder, resume=True, callback=report, **limits)


def without_pictures(found: Comparison) -> Comparison:
    """The comparison without neighbors of pictures, whose licenses do not let them be published here."""
    methods = tuple(replace(method, nearest=()) for method in found.methods)
    return replace(found, methods=methods, pictures=(), queries=())


def agreement(one: Comparison, full: Comparison) -> float:
    """Kendall's τ (τ-b, for ties) of the methods that both measured, some of them in a round only.

    In the order of the first, all are compared on the same pictures, its selection classes: what was cut by what is
    expected of it. In the order of the full run, all are compared on all test classes.
    """
    expected = {method.name: method.expected for method in one.methods if method.expected is not None}
    measured = {method.name: method.r_at_1.value for method in full.methods if method.r_at_1 is not None}
    both = [name for name in expected if name in measured]
    return float(kendalltau(*[[rates[name] for name in both] for rates in (expected, measured)]).statistic)


def without_budget(found: Comparison, full: Comparison, minutes: float) -> str:
    """The agreement of both orders, in words."""
    return (
        f"Without a budget it takes {full.budget.used / 60:.0f} minutes with {full.machine.split(', ')[-1]}, at most "
        f"{minutes:g} for each training of a network. Kendall's τ of the order of all methods, with the budget and "
        f"without: {agreement(found, full):.3f}."
    )


def facts(found: Comparison) -> str:
    """One line on the data and the time."""
    data, budget = found.data, found.budget
    limit = "" if budget.seconds is None else f" of {budget.seconds / 60:.0f}"
    return (
        f"{data.pictures:,} pictures of {data.classes:,} classes: {data.selection_classes} for selection, "
        f"{' + '.join(map(str, data.fold_classes))} in test folds. {budget.used / 60:.1f}{limit} minutes, "
        f"with {found.machine.split(', ')[-1]}."
    )


def rows(found: Comparison) -> tuple[list[str], list[list[object]]]:
    """A row for each method, the best first."""
    columns = ["method", "R@1", "95%", "MAP@R", f"FNIR at FPIR={found.fpir:g}", "less than the best", "p (Holm)"]
    columns += ["seconds to learn", "ms a picture", "MB", "expected on selection classes", "or cut"]
    lines: list[list[object]] = []
    for one in found.methods:
        less = one.difference
        lines.append(
            [
                one.name,
                None if one.r_at_1 is None else one.r_at_1.value,
                _ends(one.r_at_1),
                None if one.map_at_r is None else one.map_at_r.value,
                None if one.fnir_at_fpir is None else one.fnir_at_fpir.value,
                None if less is None else less.value,
                None if less is None else f"{less.p:.4f}",
                None if one.seconds is None else f"{one.seconds:.1f}",
                None if one.milliseconds is None else f"{one.milliseconds:.1f}",
                None if one.size is None else f"{one.size / 1e6:.1f}",
                one.expected,
                "" if one.state == "measured" else f"{one.state}{f' in round {one.round}' if one.round else ''}",
            ]
        )
    return columns, lines


def ending(found: Comparison) -> str:
    """The recommendation, whether it is within the interval of the best on the test classes, and the premise."""
    chosen = found.recommendation
    text = "No recommendation."
    if chosen is not None:
        less = found[chosen.method].difference
        is_within = less is None or less.high is None or less.high >= 0
        text = f"Recommended: {chosen.method} (`{chosen.command}`). On the test classes, which took no part in the "
        text += f"choice, it is {'' if is_within else 'NOT '}within the interval of the best"
        text += "." if less is None else f": {less.value:+.3f}, 95% {less.low:+.3f} to {less.high:+.3f}, "
        text += "" if less is None else f"p = {less.p:.2f} (Holm, of all methods)."
    return text if found.premise is None else f"{text}\n\n{found.premise.text(words_in('en'))}"


def _ends(figure: Figure | None) -> str | None:
    return None if figure is None or figure.low is None else f"{figure.low:.3f}–{figure.high:.3f}"


if __name__ == "__main__":
    main()
