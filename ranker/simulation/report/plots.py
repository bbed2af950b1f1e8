"""The figures of the report."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ranker.report.drawing import AMBER, BLUE, GRID, INK, MUTED, RED, TEAL, new_figure, style, svg, tidy

if TYPE_CHECKING:
    from ranker.simulation.frontier import Frontier, Sensitivity
    from ranker.simulation.results import Calibration, Curves, SegmentChange
    from ranker.simulation.study import Study

COLOURS = (BLUE, AMBER, TEAL, RED, INK, MUTED)


def values_plot(study: Study) -> str:
    """Draws every policy's value and the change to the first, with 95 % intervals."""
    with style():
        figure = new_figure(0.55 * len(study.policies) + 1.1)
        left, right = figure.subplots(1, 2, sharey=True)
        for height, (policy, color) in enumerate(zip(study.policies, COLOURS * 9, strict=False)):
            row = len(study.policies) - 1 - height
            for axes, mean in ((left, policy.value), (right, policy.change)):
                if mean is None:
                    axes.plot(0, row, "o", color=color, markersize=7)
                    continue
                axes.plot([mean.low, mean.high], [row, row], color=color, linewidth=4.5, alpha=0.45)
                axes.plot(mean.value, row, "o", color=color, markersize=7)
        right.axvline(0, color=MUTED, linewidth=1, linestyle=":")
        left.set_yticks(range(len(study.policies)), [p.name for p in reversed(study.policies)])
        left.set(xlabel="value per request", title="Value", ylim=(-0.6, len(study.policies) - 0.4))
        right.set(xlabel="change per request", title=f"Change to “{study.policies[0].name}”, paired")
        for axes in (left, right):
            tidy(axes).tick_params(axis="y", length=0)
        return svg(figure, "values")


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
            axes.set(title=f"{each.name}: {relation} …", xlabel="limit, share of attention")
            axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
        panels[0].set_ylabel("expected value per request")
        return svg(figure, "frontier")


def segments_plot(segments: dict[str, tuple[SegmentChange, ...]]) -> str:
    """Draws the change of each segment under each policy."""
    with style():
        longest = max(len(changes) for changes in segments.values())
        figure = new_figure(0.32 * longest + 1.1)
        panels = figure.subplots(1, len(segments), squeeze=False, sharey=True)[0]
        names = [each.segment for each in next(iter(segments.values()))]
        for axes, (policy, changes) in zip(panels, segments.items(), strict=True):
            tidy(axes)
            by_name = {each.segment: each for each in changes}
            for row, name in enumerate(reversed(names)):
                mean = by_name[name].change
                color = MUTED if mean.low <= 0 <= mean.high else TEAL if mean.value > 0 else RED
                axes.plot([mean.low, mean.high], [row, row], color=color, linewidth=4, alpha=0.5)
                axes.plot(mean.value, row, "o", color=color, markersize=6)
            axes.axvline(0, color=MUTED, linewidth=1, linestyle=":")
            axes.set(title=policy, xlabel="change of value per request")
            axes.tick_params(axis="y", length=0)
        sizes = {each.segment: each.num_requests for each in next(iter(segments.values()))}
        panels[0].set_yticks(range(len(names)), [f"{n} ({sizes[n]:,})" for n in reversed(names)])
        return svg(figure, "segments")


def days_plot(study: Study) -> str:
    """Draws value by day of every policy, and what the first one's model promised."""
    with style():
        figure = new_figure(3.1)
        left, right = figure.subplots(1, 2, width_ratios=(1.4, 1))
        for (name, values), color in zip(study.value_by_day.items(), COLOURS * 9, strict=False):
            left.plot(np.arange(1, len(values) + 1), values, "o-", color=color, markersize=4, label=name)
        tidy(left, "y").legend(fontsize=8.5)
        left.set(xlabel="day", ylabel="value per request", title="Value by day")
        for axes in (left, right):
            axes.xaxis.get_major_locator().set_params(integer=True)
        ratio = study.promised_by_day
        tidy(right, "y").axhline(1, color=MUTED, linewidth=1, linestyle=":")
        right.plot(np.arange(1, len(ratio) + 1), ratio, "o-", color=TEAL, markersize=4)
        right.set(xlabel="day", title="Clicks observed over predicted")
        return svg(figure, "days")


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


def conversions_plot(minutes: np.ndarray, known: np.ndarray) -> str:
    """Draws which share of the conversions is known how long after the click."""
    with style():
        figure = new_figure(2.4)
        axes = tidy(figure.add_subplot(), "y")
        places = np.arange(len(minutes))
        axes.bar(places, known, width=0.62, color=TEAL, alpha=0.8)
        for place, share in zip(places, known, strict=True):
            axes.text(float(place), share + 0.02, f"{share:.0%}", ha="center", color=INK, fontsize=9)
        names = [
            f"{m:.0f} min" if m < 60 else f"{m / 60:.0f} h" if m < 1440 else f"{m / 1440:.0f} d"
            for m in minutes
        ]
        axes.set_xticks(places, names)
        axes.set(xlabel="after the click", ylim=(0, 1.12), ylabel="conversions known")
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
        return svg(figure, "conversions")
