"""The figures on limits, predictions and attention, which the reports of reruns and of simulations share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ranker.report.drawing import AMBER, BLUE, GRID, INK, MUTED, TEAL, new_figure, style, svg, tidy

if TYPE_CHECKING:
    from ranker.rerun.frontier import Frontier, Sensitivity
    from ranker.rerun.predictions import Calibration, Curves
    from ranker.rerun.probe import Drift


def frontier_plot(frontiers: tuple[Frontier, ...]) -> str:
    """Draws value against each limit, with the duals as slopes."""
    with style():
        figure = new_figure(3.4)
        panels = figure.subplots(1, len(frontiers), squeeze=False, sharey=True)[0]
        for axes, each in zip(panels, frontiers, strict=True):
            tidy(axes, "both")
            axes.plot(each.limits, each.objective, color=BLUE, linewidth=1.6, zorder=2)
            reach = 0.35 * np.diff(each.limits).mean()
            for limit, value, slope in zip(each.limits, each.objective, each.slope, strict=True):
                ends = np.array([-reach, reach])
                axes.plot(limit + ends, value + slope * ends, color=AMBER, linewidth=2.4, zorder=3)
            at = int(np.argmin(np.abs(each.limits - each.present)))
            axes.plot(each.present, each.objective[at], "o", color=INK, markersize=7, zorder=4)
            axes.annotate(
                "present limit", (each.present, each.objective[at]), (6, -14), textcoords="offset points",
                color=INK, fontsize=8.5,
            )  # fmt: skip
            relation = "at least" if each.relation == "at_least" else "at most"
            axes.set(
                title=f"{each.name}: {relation} …",
                xlabel="limit, share of attention" if each.is_share else "limit",
            )
            if each.is_share:
                axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
        panels[0].set_ylabel("expected value per request")
        return svg(figure, "frontier")


def predictions_plot(calibration: Calibration, curves: Curves) -> str:
    """Draws calibration, precision–recall and ROC side by side."""
    with style():
        figure = new_figure(3.2)
        first, second, third = figure.subplots(1, 3)
        tidy(first, "both")
        top = 1.08 * float(max(calibration.high.max(), calibration.predicted.max()))
        first.plot([0, top], [0, top], color=GRID, linewidth=1.5, zorder=0)
        for x, low, high in zip(calibration.predicted, calibration.low, calibration.high, strict=True):
            first.plot([x, x], [low, high], color=BLUE, linewidth=1.6)
        first.plot(calibration.predicted, calibration.observed, "o", color=BLUE, markersize=4.5)
        first.set(
            title="Calibration",
            xlabel="predicted click rate",
            ylabel="observed",
            xlim=(0, top),
            ylim=(0, top),
        )
        tidy(second, "both").plot(curves.recall, curves.precision, color=TEAL, linewidth=1.8)
        second.axhline(curves.base_rate, color=MUTED, linewidth=1, linestyle=":")
        second.text(0.98, curves.base_rate, "at random", color=MUTED, fontsize=8.5, ha="right", va="bottom")
        second.set(
            title=f"Precision–recall, area {curves.pr_auc:.3f}", xlabel="recall", ylabel="precision",
            xlim=(0, 1), ylim=(0, min(1.0, 1.15 * float(curves.precision[curves.recall > 0.01].max()))),
        )  # fmt: skip
        tidy(third, "both").plot(curves.false_alarms, curves.recall, color=AMBER, linewidth=1.8)
        third.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle=":")
        third.set(
            title=f"ROC, area {curves.roc_auc:.3f}", xlabel="share of the unclicked shown as hits",
            ylabel="recall", xlim=(0, 1), ylim=(0, 1),
        )  # fmt: skip
        return svg(figure, "predictions")


def drift_plot(drift: Drift) -> str:
    """Draws value along the log, as logged and under each policy, and what the scores promised."""
    with style():
        figure = new_figure(3.1)
        left, right = figure.subplots(1, 2, width_ratios=(1.4, 1))
        places = np.arange(1, len(drift.logged) + 1)
        left.plot(places, drift.logged, "o-", color=AMBER, markersize=4, label="logged")
        for (name, values), color in zip(drift.by_policy.items(), (MUTED, BLUE, TEAL, INK) * 9, strict=False):
            left.plot(places, values, "o-", color=color, markersize=4, label=name)
        tidy(left, "y").legend(fontsize=8.5)
        left.set(xlabel="stretch of the log", ylabel="value per request", title="Value along the log")
        tidy(right, "y").axhline(1, color=MUTED, linewidth=1, linestyle=":")
        right.plot(places, drift.promised, "o-", color=TEAL, markersize=4)
        right.set(xlabel="stretch of the log", title="Rewards over predicted")
        return svg(figure, "drift")


def sensitivity_plot(sensitivity: Sensitivity) -> str:
    """Draws the attention curve with its interval, and what each draw within it would be worth."""
    with style():
        figure = new_figure(3.0)
        left, right = figure.subplots(1, 2)
        places = np.arange(1, len(sensitivity.curve) + 1)
        tidy(left, "y").fill_between(places, sensitivity.low, sensitivity.high, color=BLUE, alpha=0.18)
        for draw in sensitivity.draws:
            left.plot(places, draw, color=MUTED, linewidth=0.6, alpha=0.6)
        left.plot(places, sensitivity.curve, "o-", color=BLUE, linewidth=2, markersize=5)
        left.set(title="Attention with its 95 % interval", xlabel="position", ylim=(0, 1.05), xticks=places)
        relative = sensitivity.value_if / sensitivity.objective - 1
        tidy(right, "both").plot(100 * relative, 100 * sensitivity.loss_if, "o", color=AMBER, markersize=5)
        right.axvline(0, color=MUTED, linewidth=1, linestyle=":")
        right.set(
            title="If a draw were the truth", xlabel="change of our slates' value, %",
            ylabel="lost by not knowing it, %",
        )  # fmt: skip
        return svg(figure, "sensitivity")
