"""Plots of the traffic: times, limits, learning."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ranker.report.drawing import AMBER, BLUE, GRID, MUTED, RED, TEAL, new_figure, style, svg, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ranker.demo.summary import ConstraintSummary, CreativeSummary, SlateSummary, StageTimes

TITLES = {
    "new_brands": "New brands, share of attention",
    "large_category": "Large category, share of attention",
    "average_price": "Average price, standardised",
}


def latency_plot(slates: SlateSummary, creatives: CreativeSummary) -> str:
    """Draw the times of each stage on one logarithmic axis, a ridge a stage."""
    with style():
        figure = new_figure(0.62 * len(slates.stages) + 1.1)
        axes = tidy(figure.add_subplot())
        bins = np.geomspace(2e-3, 500, 110)  # milliseconds
        others = {stage.stage: stage for stage in creatives.stages}
        names = [stage.stage for stage in slates.stages][::-1]
        for height, stage in enumerate(reversed(slates.stages)):
            _ridge(axes, stage, height, bins, BLUE, "slates")
            _ridge(axes, others[stage.stage], height, bins, AMBER, "creatives")
        axes.set(xscale="log", xlim=(bins[0], bins[-1]), xlabel="milliseconds (logarithmic)")
        axes.set_yticks(range(len(names)), names)
        axes.set_ylim(-0.15, len(names) + 0.05)
        axes.tick_params(axis="y", length=0)
        handles, labels = axes.get_legend_handles_labels()
        unique = dict(zip(labels, handles, strict=True))
        axes.legend(unique.values(), unique.keys(), loc="upper left", ncols=2)
        return svg(figure, "latency")


def _ridge(
    axes: Axes,
    stage: StageTimes,
    height: int,
    bins: np.ndarray[tuple[int], np.dtype[np.float64]],
    color: str,
    label: str,
) -> None:
    times = np.clip(1000 * np.array(stage.seconds), bins[0], bins[-1])
    counts, _ = np.histogram(times, bins)
    top = counts.max() / 0.8
    middles = np.sqrt(bins[:-1] * bins[1:])
    axes.fill_between(
        middles, height, height + counts / top, color=color, alpha=0.35, linewidth=0, label=label
    )
    axes.plot(middles, height + counts / top, color=color, linewidth=0.9)
    axes.plot([1000 * stage.p99_seconds] * 2, [height, height + 0.22], color=color, linewidth=1.6)


def constraints_plot(slates: SlateSummary) -> str:
    """Draw the use of each limit by our slates, by those worth most without limits and by random ones."""
    with style():
        figure = new_figure(3.7)
        panels = figure.subplots(len(slates.constraints), 1, gridspec_kw={"hspace": 0.25})
        for axes, item in zip(panels, slates.constraints, strict=True):
            _constraint(axes, item)
        panels[0].legend(loc="lower center", bbox_to_anchor=(0.5, 1.5), ncols=4)
        return svg(figure, "constraints")


def _constraint(axes: Axes, item: ConstraintSummary) -> None:
    tidy(axes, "x")
    uses = (item.expected_use, item.unlimited_use, item.random_use, item.limit)
    room = 0.12 * (max(uses) - min(uses))
    left, right = min(uses) - room, max(uses) + room
    forbidden = (item.limit, right) if item.relation == "at_most" else (left, item.limit)
    axes.axvspan(*forbidden, color=RED, alpha=0.09, linewidth=0, label="beyond the limit")
    axes.axvline(item.limit, color=RED, linewidth=1.6)
    axes.plot(
        item.random_use, 0, "o", color=MUTED, markersize=9, fillstyle="none", mew=1.6, label="random slates"
    )
    axes.plot(item.unlimited_use, 0, "o", color=AMBER, markersize=9, label="best without limits")
    axes.plot(item.expected_use, 0, "D", color=BLUE, markersize=9, label="ours, expected")
    sign = "≤" if item.relation == "at_most" else "≥"
    price = (
        f"a point costs {10 * item.dual:.2g} clicks per 1,000 slates" if item.dual > 0 else "costs nothing"
    )
    axes.set_title(f"{TITLES[item.name]} {sign} {_number(item, item.limit)}")
    axes.set_title(price, loc="right", color=MUTED, fontweight="normal", fontsize=9)
    axes.set(xlim=(left, right), ylim=(-1, 1), yticks=[])
    axes.xaxis.set_major_formatter(lambda value, _: _number(item, value))
    axes.spines["left"].set_visible(False)


def _number(item: ConstraintSummary, value: float) -> str:
    return f"{value:.2f}" if item.name == "average_price" else f"{value:.0%}"


def learning_plot(creatives: CreativeSummary) -> str:
    """Draw the share of right creatives over time beside what needs no learning."""
    with style():
        figure = new_figure(3.5)
        axes = tidy(figure.add_subplot(), "y")
        middles = [(batch.first + batch.last) / 2 for batch in creatives.batches]
        rewards = np.array([batch.reward for batch in creatives.batches])
        counts = np.array([batch.last - batch.first for batch in creatives.batches])
        errors = 1.96 * np.sqrt(rewards * (1 - rewards) / counts)
        for start in creatives.version_starts:
            axes.axvline(start, color=GRID, linewidth=1.2, zorder=0)
        axes.axhline(0.5, color=MUTED, linewidth=1.2, linestyle="--")
        axes.plot(middles, [batch.majority for batch in creatives.batches], color=AMBER, linewidth=1.4)
        axes.errorbar(
            middles, rewards, errors, color=TEAL, marker="o", markersize=4.5, linewidth=1.8, capsize=2
        )
        end = creatives.num_requests * 1.012
        axes.text(end, 0.5, "at random", color=MUTED, va="center")
        axes.text(end, creatives.batches[-1].majority - 0.025, "always the\ncommoner", color=AMBER, va="top")
        axes.text(end, rewards[-1] + 0.01, "served", color=TEAL, va="bottom", fontweight="bold")
        axes.set(
            xlim=(0, creatives.num_requests),
            ylim=(0.4, 0.92),
            xlabel="requests",
            ylabel="share of right creatives",
        )
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        return svg(figure, "learning")
