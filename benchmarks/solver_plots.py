"""The plots of the solver's benchmark."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import matplotlib as mpl
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from pathlib import Path

Row = dict[str, Any]

PLAIN: Any = {
    "svg.hashsalt": "solver",
    "svg.fonttype": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
}
FLOOR = 1e-12
LABELS = {
    "ours": "ours",
    "sort_at_our_dual": "sort at our λ",
    "subgradient": "subgradient, told |λ*|",
}


def plot_speed(rows: list[Row], path: Path) -> None:
    """Draws the time of `solve` over n for each K at k = 10, with GLOP and HiGHS at K = 5."""
    rows = [row for row in rows if row["cell"][2] == 10] or rows
    with mpl.rc_context(PLAIN):
        figure = Figure(figsize=(6.5, 4.0), layout="constrained")
        axes = figure.subplots()
        for num_limits in sorted({row["cell"][1] for row in rows}):
            here = [row for row in rows if row["cell"][1] == num_limits]
            sizes = [row["cell"][0] for row in here]
            line = axes.plot(
                sizes, [row["call_us"][0] for row in here], marker="o", label=f"K = {num_limits}"
            )
            worst = [row["call_us"][-1] for row in here]
            axes.fill_between(
                sizes, [row["call_us"][0] for row in here], worst, color=line[0].get_color(), alpha=0.15
            )
        for key, library, style in (("best_glop", "GLOP", "--"), ("best_highs", "HiGHS", ":")):
            here = [row for row in rows if row["cell"][1] == 5 and key in row.get("rivals", {})]
            if here:
                times = [row["rivals"][key]["median_us"] for row in here]
                label = f"{library}, best of its configurations, K = 5"
                axes.plot([row["cell"][0] for row in here], times, style, color="black", label=label)
        axes.set(xscale="log", yscale="log", xlabel="candidates n", ylabel="µs of CPU time (k = 10)")
        axes.legend(frameon=False, fontsize=8)
        figure.savefig(path, metadata={"Date": None})


def plot_deadlines(rows: list[Row], path: Path) -> None:
    """Draws loss and violation of each method over the deadline, in the middle one of the cells."""
    cells = sorted({tuple(row["cell"]) for row in rows})
    cell = cells[len(cells) // 2]
    rows = [row for row in rows if tuple(row["cell"]) == cell]
    deadlines = [row["deadline_us"] for row in rows]
    with mpl.rc_context(PLAIN):
        figure = Figure(figsize=(8.0, 3.6), layout="constrained")
        panels = figure.subplots(1, 2)
        for key, label in LABELS.items():
            losses = [max(abs(row[key]["loss"]), FLOOR) for row in rows]
            violations = [max(row[key]["violation"], FLOOR) for row in rows]
            panels[0].plot(deadlines, losses, marker="o", label=label)
            panels[1].plot(deadlines, violations, marker="o", label=label)
        for panel, title in zip(
            panels, ("|relative loss of value|", "worst violation of a limit"), strict=True
        ):
            panel.set(xscale="log", yscale="log", xlabel="deadline, µs", title=title)
        lines, labels = panels[0].get_legend_handles_labels()
        figure.legend(lines, labels, loc="outside lower center", ncols=len(labels), frameon=False)
        n, num_limits, k = cell
        figure.suptitle(f"n = {n}, K = {num_limits}, k = {k}: medians; {FLOOR:g} and below drawn there")
        figure.savefig(path, metadata={"Date": None})
