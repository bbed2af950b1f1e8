"""Figures as inline SVG in the report's own style."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK, MUTED, GRID = "#1f2933", "#7b8794", "#e4e7eb"
BLUE, AMBER, TEAL, RED = "#2458c5", "#c9730a", "#0b8577", "#c62f2f"
WIDTH = 9.2  # inches: the text's width on the page

_STYLE: dict[Any, Any] = {
    "svg.fonttype": "path",  # letters as outlines: they look and measure the same in every browser
    "font.size": 9.5,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.8,
    "axes.titlelocation": "left",
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlecolor": INK,
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "axes.axisbelow": True,
}


def style() -> Any:
    """Return the context in which every figure is drawn."""
    return mpl.rc_context(_STYLE)


def new_figure(height: float) -> Figure:
    """Return an empty figure of the page's width; pyplot would keep it in a global list."""
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    FigureCanvasSVG(figure)
    return figure


def tidy(axes: Axes, grid: str = "x") -> Axes:
    """Take away the frame, leave light lines along one axis or none."""
    axes.spines[["top", "right"]].set_visible(False)
    if grid:
        axes.grid(axis=grid, color=GRID, linewidth=0.8)  # type: ignore[arg-type]
    return axes


def svg(figure: Figure, name: str) -> str:
    """Return the figure as an SVG element; `name` keeps its ids apart from those of other figures."""
    content = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": name}):
        figure.savefig(content, format="svg", metadata={"Date": None, "Creator": None}, transparent=True)
    text = content.getvalue()
    return text[text.index("<svg") :]
