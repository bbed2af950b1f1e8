"""The figures of the report."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ranker.report.drawing import AMBER, BLUE, INK, MUTED, RED, TEAL, new_figure, style, svg, tidy

if TYPE_CHECKING:
    from ranker.simulation.results import SegmentChange
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
            axes.locator_params(axis="x", nbins=5)
        return svg(figure, "values")


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
        figure = new_figure(3.4)
        left, right = figure.subplots(1, 2, width_ratios=(1.4, 1))
        for (name, values), color in zip(study.value_by_day.items(), COLOURS * 9, strict=False):
            left.plot(np.arange(1, len(values) + 1), values, "o-", color=color, markersize=4, label=name)
        tidy(left, "y")
        figure.legend(loc="outside lower left", ncols=4, fontsize=8.5)
        left.set(xlabel="day", ylabel="value per request", title="Value by day")
        for axes in (left, right):
            axes.xaxis.get_major_locator().set_params(integer=True)
        ratio = study.promised_by_day
        tidy(right, "y").axhline(1, color=MUTED, linewidth=1, linestyle=":")
        right.plot(np.arange(1, len(ratio) + 1), ratio, "o-", color=TEAL, markersize=4)
        right.set(xlabel="day", title="Clicks observed over predicted")
        return svg(figure, "days")


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
