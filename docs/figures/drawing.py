"""How the figures of the documentation are drawn: SVG with text, in two languages, readable on light and dark pages."""

import io
import math
import re
from collections.abc import Callable
from pathlib import Path

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure

FOLDER = Path(__file__).parent
LANGUAGES = ("en", "pt-BR")
FIGURES = ("recognition", "features", "retraining", "distances", "deep", "search", "contrastive")
WIDTH = 5.2  # inches, so that text is readable on a phone

Words = dict[str, str]

INK, MUTED, FAINT, PAPER = "#1f2933", "#5f6b7a", "#c9d1d9", "#fefefe"
BLUE, ORANGE, GREEN, RED = "#1f66b0", "#b85c00", "#1b7f4b", "#c22f3d"
_DARK = {
    INK: "#e6eaf0",
    MUTED: "#a6b0bd",
    FAINT: "#46505e",
    PAPER: "#14171d",
    BLUE: "#74b3ff",
    ORANGE: "#ffab57",
    GREEN: "#6bd69b",
    RED: "#ff8590",
}
_NAMES = {color: f"--c{number}" for number, color in enumerate(_DARK)}
_SETTINGS = {
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 10.5,
    "font.size": 10,
    "legend.frameon": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "semelha",
    "text.color": INK,
    "text.parse_math": False,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
}


def svg(draw: Callable[[], Figure]) -> str:
    """The figure that `draw` makes, as SVG. Colors follow the page, or else the system."""
    file = io.StringIO()
    with rc_context(_SETTINGS):
        draw().savefig(file, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = re.sub(r"'DejaVu Sans'[^;\"]*", "system-ui, sans-serif", file.getvalue())
    for color, name in _NAMES.items():
        text = text.replace(color, f"var({name})")
    light = "".join(f"{name}:{color};" for color, name in _NAMES.items())
    dark = "".join(f"{name}:{_DARK[color]};" for color, name in _NAMES.items())
    rule = f"<style>:root{{{light}}}@media(prefers-color-scheme:dark){{:root{{{dark}}}}}</style>"
    text = re.sub(r"(<svg [^>]*>)", rf"\1\n {rule}", text, count=1)
    text = re.sub(r"(\.\d\d)\d+", r"\1", text)  # hundredths of a point
    return re.sub(r"[ \t]+$", "", text, flags=re.MULTILINE)


def file_of(name: str, language: str) -> Path:
    """The file of a figure, such as `distances.svg` and `distances.pt-BR.svg`."""
    return FOLDER / (f"{name}.svg" if language == "en" else f"{name}.{language}.svg")


def powers_of_ten(axis: Axis) -> None:
    """Label a logarithmic axis with 10⁰, 10¹, …"""
    raised = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
    axis.set_major_formatter(lambda value, _: "10" + str(round(math.log10(value))).translate(raised))


def without_axes(axes: Axes) -> Axes:
    """Remove ticks and lines of axes whose scale has no meaning."""
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    return axes
