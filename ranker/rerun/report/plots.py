"""The figures of the report."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ranker.report.drawing import AMBER, BLUE, INK, MUTED, RED, TEAL, new_figure, style, svg, tidy

if TYPE_CHECKING:
    from ranker.rerun.chunk import Totals

CAUSE_COLOURS = {
    "code": RED,
    "exploration": INK,
    "score": BLUE,
    "dual_price": AMBER,
    "constraint": TEAL,
    "displaced": MUTED,
}
NUM_MOVERS = 8


def causes_plot(totals: dict[str, Totals]) -> str:
    """Draws how much attention each cause moved, a bar a policy."""
    with style():
        figure = new_figure(0.5 * len(totals) + 1.2)
        axes = tidy(figure.add_subplot())
        for row, (_, each) in enumerate(reversed(totals.items())):
            left = 0.0
            for cause, color in CAUSE_COLOURS.items():
                width = each.causes.get(cause, [0.0, 0.0])[1] / max(each.reruns, 1)
                label = cause.replace("_", " ") if row == 0 else None
                axes.barh(row, width, left=left, color=color, height=0.55, label=label)
                left += width
        axes.set_yticks(range(len(totals)), list(reversed(totals)))
        axes.set(xlabel="attention moved per request")
        axes.tick_params(axis="y", length=0)
        figure.legend(loc="outside upper center", ncols=len(CAUSE_COLOURS), fontsize=8.5)
        return svg(figure, "causes")


def movers_plot(name: str, totals: Totals) -> str:
    """Draws the candidates that gain and lose most attention, by cause."""
    net = {ad: sum(causes.values()) / max(totals.reruns, 1) for ad, causes in totals.candidates.items()}
    order = sorted(net, key=lambda ad: net[ad])
    chosen = order if len(order) <= 2 * NUM_MOVERS else order[:NUM_MOVERS] + order[-NUM_MOVERS:]
    with style():
        figure = new_figure(0.26 * len(chosen) + 1.0)
        axes = tidy(figure.add_subplot())
        for row, ad in enumerate(chosen):
            ends = np.zeros(2)  # of what is stacked to the left and to the right
            for cause, amount in sorted(totals.candidates[ad].items()):
                side = int(amount > 0)
                width = amount / max(totals.reruns, 1)
                axes.barh(row, width, left=ends[side], color=CAUSE_COLOURS[cause], height=0.62)
                ends[side] += width
        axes.axvline(0, color=INK, linewidth=0.8)
        axes.set_yticks(range(len(chosen)), chosen)
        axes.set(xlabel="change of attention per request", title=name)
        axes.tick_params(axis="y", length=0)
        return svg(figure, f"movers {name}")
