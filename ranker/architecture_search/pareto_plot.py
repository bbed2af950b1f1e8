"""Quality against latency of what a search looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ranker.report.drawing import AMBER, BLUE, MUTED, RED, new_figure, style, svg, tidy

if TYPE_CHECKING:
    from nas.ctr.search import Found, Objective


def pareto_plot(found: Found, objective: Objective) -> str:
    """Returns an SVG: paths of the supernet as predicted, candidates as measured and trained alone."""
    inside = [point for point in found.points if not np.isnan(point.supernet_loss)]
    with style():
        figure = new_figure(3.6)
        left, right = figure.subplots(1, 2)
        left.scatter(
            [1e3 * point.predicted for point in inside],
            [point.supernet_loss for point in inside],
            s=8,
            color=MUTED,
        )
        left.set_title("paths of the supernet, latency as predicted")
        times = [1e3 * getattr(candidate.timing, objective.quantile) for candidate in found.candidates]
        losses = [candidate.loss for candidate in found.candidates]
        right.scatter(times, losses, s=24, color=BLUE)
        right.scatter(times[:1], losses[:1], s=90, facecolors="none", edgecolors=AMBER, label="exported")
        right.set_title("candidates trained alone, latency as measured")
        for axes in (left, right):
            tidy(axes, "both").axvline(1e3 * objective.slo_seconds, color=RED, linewidth=1, label="objective")
            axes.set_xlabel(f"{objective.quantile} of a batch of {found.calibration.key.batch}, ms")
            axes.set_ylabel("validation log loss")
        right.legend()
        return svg(figure, "pareto")
