"""Plots of the judgements: what policies are worth, what was learned, whether propensities are true."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ranker.report.drawing import AMBER, BLUE, GRID, INK, MUTED, TEAL, new_figure, style, svg, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ranker.demo.evaluation import Estimate, Evaluation
    from ranker.demo.preferences import Preference
    from ranker.demo.propensities import PropensityCheck
    from ranker.replay.intervals import Interval


def values_plot(evaluation: Evaluation) -> str:
    """Draw every estimate with its two intervals, in clicks per 1,000 impressions."""
    rows: list[tuple[str, Estimate, str]] = [("random slates, as logged", evaluation.logging, AMBER)]
    for value, color in ((evaluation.by_position, MUTED), (evaluation.pooled, BLUE)):
        place = "same position" if value is evaluation.by_position else "any position"
        rows += [(f"ours, {place}: {estimate.name}", estimate, color) for estimate in value.estimates]
    with style():
        figure = new_figure(0.36 * len(rows) + 0.9)
        axes = tidy(figure.add_subplot())
        right = 1150 * max(estimate.betting.high for estimate in evaluation.pooled.estimates)
        left = 1100 * min(0.0, *(estimate.bootstrap.low for _, estimate, _ in rows))
        for height, (_, estimate, color) in enumerate(reversed(rows)):
            _two_intervals(axes, height, estimate.betting, estimate.bootstrap, color, scale=1000)
            axes.plot(1000 * estimate.value, height, "o", color=color, markersize=6)
            if 1000 * estimate.betting.high > right:
                label = f"to {1000 * estimate.betting.high:.0f} →"
                axes.text(right, height + 0.3, label, color=color, ha="right", va="center", fontsize=8.5)
        axes.axvline(1000 * evaluation.logging.value, color=AMBER, linewidth=1, linestyle=":")
        axes.axvline(1000 * evaluation.predicted, color=TEAL, linewidth=1.2, linestyle="--")
        belief = " our model's own belief"
        axes.text(1000 * evaluation.predicted, len(rows) - 0.4, belief, color=TEAL, fontsize=8.5, va="center")
        axes.set_yticks(range(len(rows)), [name for name, _, _ in reversed(rows)])
        axes.set(xlabel="clicks per 1,000 impressions", xlim=(left, right), ylim=(-0.6, len(rows) - 0.1))
        axes.tick_params(axis="y", length=0)
        return svg(figure, "values")


def preferences_plot(preferences: tuple[Preference, ...]) -> str:
    """Draw belief against truth by group, a panel a field."""
    fields = sorted({item.field for item in preferences})
    with style():
        longest = max(sum(item.field == name for item in preferences) for name in fields)
        figure = new_figure(0.27 * longest + 1.0)
        panels = figure.subplots(1, len(fields), squeeze=False)[0]
        for axes, name in zip(panels, fields, strict=True):
            groups = [item for item in preferences if item.field == name]
            _preference_panel(axes, name, groups)
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=3)
        return svg(figure, "preferences")


def _preference_panel(axes: Axes, name: str, groups: list[Preference]) -> None:
    tidy(axes)
    for height, item in enumerate(groups):
        _line(axes, height, item.interval, TEAL, 3.2, 1)
    heights = range(len(groups))
    axes.plot(
        [item.believed for item in groups], heights, "o", color=TEAL, markersize=6, label="believed, 95 %"
    )
    axes.plot(
        [item.truth for item in groups],
        heights,
        "D",
        color=INK,
        markersize=5,
        fillstyle="none",
        label="truth",
    )
    axes.plot(
        [item.served for item in groups],
        heights,
        "|",
        color=AMBER,
        markersize=11,
        mew=2,
        label="served at last",
    )
    axes.set_yticks(list(heights), [f"{item.group} ({item.num_people:,})" for item in groups])
    axes.set(xlim=(-0.02, 1.0), title=name.replace("_", " "), xlabel="share for whom “>50K” is right")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axes.tick_params(axis="y", length=0)


def propensity_plot(check: PropensityCheck) -> str:
    """Draw logged against observed chances, and estimates from the log against the truth."""
    with style():
        figure = new_figure(3.5)
        left, right = figure.subplots(1, 2, width_ratios=(1, 1.25))
        _propensity_calibration(left, check)
        tidy(right)
        for height, policy in enumerate(reversed(check.policies)):
            _two_intervals(right, height, policy.betting, policy.bootstrap, BLUE, scale=1)
            right.plot(
                policy.estimate,
                height,
                "o",
                color=BLUE,
                markersize=7,
                label="from the log" if not height else None,
            )
            right.plot(
                policy.truth,
                height,
                "D",
                color=INK,
                markersize=7,
                fillstyle="none",
                label="truth" if not height else None,
            )
        right.set_yticks(range(len(check.policies)), [policy.name for policy in reversed(check.policies)])
        right.set(
            ylim=(-0.6, len(check.policies) - 0.3),
            xlabel="share of right creatives",
            title="Policies that were never run",
        )
        right.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
        right.tick_params(axis="y", length=0)
        right.legend(loc="lower left", fontsize=8.5)
        return svg(figure, "propensities")


def _propensity_calibration(axes: Axes, check: PropensityCheck) -> None:
    tidy(axes, "both")
    axes.plot([0, 1], [0, 1], color=GRID, linewidth=1.5, zorder=0)
    for item in check.bins:
        axes.plot([item.logged] * 2, [item.interval.low, item.interval.high], color=BLUE, linewidth=1.6)
    axes.plot(
        [item.logged for item in check.bins],
        [item.observed for item in check.bins],
        "o",
        color=BLUE,
        markersize=4.5,
    )
    axes.set(
        xlim=(0, 1), ylim=(0, 1), title="“>50K” shown", xlabel="logged propensity", ylabel="observed share"
    )


def _two_intervals(
    axes: Axes, height: int, wide: Interval, narrow: Interval, color: str, *, scale: float
) -> None:
    _line(axes, height, wide, color, 1.4, scale)
    _line(axes, height, narrow, color, 4.5, scale, alpha=0.45)


def _line(
    axes: Axes, height: int, interval: Interval, color: str, width: float, scale: float, alpha: float = 1.0
) -> None:
    ends = scale * np.array([interval.low, interval.high])
    axes.plot(ends, [height] * 2, color=color, linewidth=width, alpha=alpha, solid_capstyle="butt")
