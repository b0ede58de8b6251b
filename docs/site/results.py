"""The page of benchmark results: `benchmarks/RESULTS.md` with some of its figures as plots, drawn from its tables."""

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from docs.figures.drawing import BLUE, FAINT, GREEN, INK, MUTED, ORANGE, RED, WIDTH, powers_of_ten, svg

ROOT = Path(__file__).parents[2]
COLORS = (MUTED, BLUE, GREEN, ORANGE, RED)
INTRODUCTION = (
    "Each section says the date, the machine and the command that measured it. The plots are drawn from the tables "
    "when this site is built. Figures without an interval are single runs; do not compare those of different machines."
)

Table = list[list[str]]


def pages() -> dict[str, str]:
    """The page `benchmarks.md` and its plots."""
    text = (ROOT / "benchmarks" / "RESULTS.md").read_text(encoding="utf-8")
    found = {}
    text = text.replace("# Results\n", f"# Benchmarks\n\n{INTRODUCTION}\n", 1)
    for heading, (draw, caption) in PLOTS.items():
        name = f"plots/{heading.lower().replace(' ', '-')}.svg"
        found[name] = svg(partial(plot, draw, tables(text, heading)[0]))
        text = text.replace(f"\n## {heading}\n", f"\n## {heading}\n\n![{caption}]({name})\n", 1)
    return found | {"benchmarks.md": text}


def tables(text: str, heading: str) -> list[Table]:
    """Tables of the section `heading`, each a list of rows of cells, the first with the names of the columns."""
    section = re.search(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", text, flags=re.MULTILINE | re.DOTALL)
    if section is None:
        raise ValueError(f"RESULTS.md has no section {heading!r}")
    found = re.findall(r"(?:^\|.*\|\n?)+", section[1], flags=re.MULTILINE)
    rows = [
        [[cell.strip() for cell in line.strip("|\n ").split(" | ")] for line in each.splitlines()] for each in found
    ]
    return [[table[0], *table[2:]] for table in rows]


def plot(draw: Callable[[Axes, Table], None], table: Table) -> Figure:
    """What `draw` draws of a table."""
    figure = Figure(figsize=(WIDTH, 3.2), layout="constrained")
    draw(figure.subplots(), table)
    return figure


def photographs(axes: Axes, table: Table) -> None:
    """R@1 of raw pixels, of the ready model, and of what was learned on it, with 95% intervals over classes."""
    shown = ("raw pixels", "as it is", "the choice among these")
    sets = list(dict.fromkeys(row[0] for row in table[1:]))
    for number, embedder in enumerate(shown):
        rows = {row[0]: row for row in table[1:] if row[1] == embedder}
        for place, name in enumerate(sets):
            low, high = (float(end) for end in rows[name][3].split("–"))
            value = float(rows[name][2])
            axes.barh(
                place + 0.27 * (1 - number), value, 0.25, color=COLORS[number], label=embedder if place == 0 else None
            )
            axes.plot([low, high], [place + 0.27 * (1 - number)] * 2, color=INK, linewidth=1.2)
    axes.set_yticks(range(len(sets)), sets)
    axes.invert_yaxis()
    axes.set_xlabel("R@1 of classes not learned from")
    axes.legend(loc="upper right", bbox_to_anchor=(1.05, 1.16), ncols=3)


def unknown(axes: Axes, table: Table) -> None:
    """The rate of false positives that was achieved at each rate asked for."""
    column = table[0].index("achieved FPIR")
    target = table[0].index("target")
    rows = [row for row in table[1:] if row[target] != "refused" and row[column] not in ("refused", "–")]
    for number, name in enumerate(dict.fromkeys(row[0] for row in rows)):
        mine = [row for row in rows if row[0] == name]
        wanted = [float(row[target].rstrip("%")) / 100 for row in mine]
        axes.plot(wanted, [float(row[column]) for row in mine], "o", color=COLORS[number % 5], label=name, alpha=0.8)
    axes.plot([0, 0.11], [0, 0.11], color=MUTED, linewidth=1, linestyle=":")
    axes.set_xlabel("false-positive identification rate asked for")
    axes.set_ylabel("measured on strangers")
    axes.legend()


def without_labels(axes: Axes, table: Table) -> None:
    """R@1 of networks that learned without labels, beside the one that had them."""
    for place, row in enumerate(table[1:]):
        low, high = (float(end) for end in row[2].split("–"))
        axes.barh(place, float(row[1]), 0.7, color=COLORS[1 if row[3] != "–" else 0])
        axes.plot([low, high], [place, place], color=INK, linewidth=1.2)
    axes.set_yticks(range(len(table) - 1), [row[0] for row in table[1:]])
    axes.invert_yaxis()
    axes.set_xlabel("R@1 of classes not learned from")


def search(axes: Axes, table: Table) -> None:
    """Microseconds a query by the number of vectors."""
    for number, kind in enumerate(dict.fromkeys(row[0] for row in table[1:])):
        rows = [[cell.replace(",", "") for cell in row] for row in table[1:] if row[0] == kind]
        vectors = [int(row[1]) for row in rows]
        axes.plot(vectors, [int(row[4]) for row in rows], "o-", color=COLORS[number], label=kind, markersize=3)
        axes.plot(vectors, [int(row[5]) for row in rows], "o:", color=COLORS[number], markersize=3)
    axes.set(xscale="log", yscale="log", xlabel="vectors", ylabel="µs a query")
    powers_of_ten(axes.xaxis)
    powers_of_ten(axes.yaxis)
    axes.grid(color=FAINT)
    axes.legend()


def load(axes: Axes, table: Table) -> None:
    """Answers a second by the number of clients."""
    for number, examples in enumerate(dict.fromkeys(row[1] for row in table[1:])):
        rows = [row for row in table[1:] if row[0] == "semelha" and row[1] == examples]
        clients, rate = [int(row[2]) for row in rows], [float(row[3]) for row in rows]
        axes.plot(clients, rate, "o-", color=COLORS[number + 1], label=f"{examples} examples")
    axes.set_xscale("log")
    axes.set_xticks(clients, [str(each) for each in clients])
    axes.minorticks_off()
    axes.set_xlabel("clients at one time")
    axes.set_ylabel("identified pictures a second")
    axes.set_ylim(bottom=0)
    axes.legend()


PLOTS: dict[str, tuple[Callable[[Axes, Table], None], str]] = {
    "Photographs": (photographs, "R@1 by set of pictures: raw pixels, the ready model, and what was learned on it"),
    "Saying unknown": (unknown, "achieved rate of false positives beside the rate asked for"),
    "Learning without labels: grocery": (without_labels, "R@1 of SimCLR and MoCo beside raw pixels and labels"),
    "Search from a thousand vectors to millions": (search, "time of a query by number of vectors; dotted: in a batch"),
    "The server under load": (load, "answers a second by number of clients"),
}
"""What is drawn of the first table of a section, and its description."""
