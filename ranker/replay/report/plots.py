"""The figures that reports of replayed rows and of rerun requests share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from matplotlib.ticker import MaxNLocator

from ranker.report.drawing import AMBER, BLUE, MUTED, RED, TEAL, new_figure, style, svg, tidy

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ranker.replay.evaluation import Estimate
    from ranker.replay.intervals import Interval
    from ranker.replay.row_study import Change, PolicyValue


class Judged(Protocol):
    """A policy with its estimates and its changes by segment."""

    @property
    def name(self) -> str:
        """Name in reports."""
        ...

    @property
    def estimates(self) -> Mapping[str, Estimate]:
        """By the estimator's name."""
        ...

    @property
    def segments(self) -> Sequence[Change]:
        """Best first."""
        ...


def values_plot(
    policies: Sequence[Judged], logged: tuple[float, Interval], shown: Sequence[str], unit: str
) -> str:
    """Draws every policy's value by some estimators, the first as the headline, beside the log's own."""
    value, interval = logged
    with style():
        num_rows = len(policies) * (len(shown) + 0.6)
        figure = new_figure(0.24 * num_rows + 1.0)
        axes = tidy(figure.add_subplot())
        axes.axvspan(interval.low, interval.high, color=AMBER, alpha=0.14)
        axes.axvline(value, color=AMBER, linewidth=1.2)
        places, names = [], []
        row = num_rows
        for each in policies:
            for name in shown:
                row -= 1
                found = each.estimates[name]
                color = BLUE if name == shown[0] else MUTED
                low, high = found.interval.low, found.interval.high
                axes.plot([low, high], [row, row], color=color, linewidth=4, alpha=0.5)
                axes.plot(found.value, row, "o", color=color, markersize=5.5)
                places.append(row)
                names.append(f"{each.name}: {name}")
            row -= 0.6
        axes.set_yticks(places, names)
        axes.set(xlabel=f"value per {unit}; the band is what was logged")
        axes.tick_params(axis="y", length=0, labelsize=8.5)
        return svg(figure, "values")


def segments_plot(policies: Sequence[Judged], unit: str) -> str:
    """Draws the change of every segment under each policy."""
    with style():
        names = [each.name for each in policies[0].segments]
        figure = new_figure(0.32 * len(names) + 1.2)
        panels = figure.subplots(1, len(policies), squeeze=False, sharey=True)[0]
        for axes, policy in zip(panels, policies, strict=True):
            tidy(axes)
            by_name = {each.name: each for each in policy.segments}
            for row, name in enumerate(reversed(names)):
                low, high = by_name[name].interval.low, by_name[name].interval.high
                color = MUTED if low <= 0 <= high else TEAL if low > 0 else RED
                axes.plot([low, high], [row, row], color=color, linewidth=4, alpha=0.5)
                axes.plot(by_name[name].value, row, "o", color=color, markersize=6)
            axes.axvline(0, color=MUTED, linewidth=1, linestyle=":")
            axes.set(title=policy.name, xlabel=f"change of value per {unit}")
            axes.tick_params(axis="y", length=0)
        sizes = {each.name: each.num_requests for each in policies[0].segments}
        panels[0].set_yticks(range(len(names)), [f"{n} ({sizes[n]:,})" for n in reversed(names)])
        return svg(figure, "segments")


def stretches_plot(policies: Sequence[PolicyValue]) -> str:
    """Draws each policy's value along the log."""
    with style():
        figure = new_figure(2.8)
        axes = tidy(figure.add_subplot(), "y")
        for number, (policy, color) in enumerate(zip(policies, (BLUE, TEAL, RED, MUTED) * 9, strict=False)):
            places = [int(each.name) + 0.08 * number for each in policy.stretches]
            values = [each.value for each in policy.stretches]
            for place, each in zip(places, policy.stretches, strict=True):
                ends = [each.interval.low, each.interval.high]
                axes.plot([place, place], ends, color=color, linewidth=2, alpha=0.4)
            axes.plot(places, values, "o-", color=color, markersize=4, label=policy.name)
        axes.legend(fontsize=8.5)
        axes.set(xlabel="stretch of the log, in its order", ylabel="value per row")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        return svg(figure, "stretches")
