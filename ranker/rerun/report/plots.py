"""The figures of the report."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ranker.report.drawing import AMBER, BLUE, INK, MUTED, RED, TEAL, new_figure, style, svg, tidy
from ranker.rerun.judgement import HEADLINE

if TYPE_CHECKING:
    from ranker.rerun.chunk import Totals
    from ranker.rerun.judgement import Judgement

CAUSE_COLOURS = {"code": RED, "score": BLUE, "dual_price": AMBER, "constraint": TEAL, "displaced": MUTED}
NUM_MOVERS = 8
SHOWN = ("IPS", "SNIPS", "DR", "Switch-DR", "DRos")


def values_plot(judgement: Judgement) -> str:
    """Draws every policy's value by some estimators, beside the log's own."""
    with style():
        num_rows = len(judgement.policies) * (len(SHOWN) + 0.6)
        figure = new_figure(0.24 * num_rows + 1.0)
        axes = tidy(figure.add_subplot())
        axes.axvspan(judgement.logged_interval.low, judgement.logged_interval.high, color=AMBER, alpha=0.14)
        axes.axvline(judgement.logged_value, color=AMBER, linewidth=1.2)
        places, names = [], []
        row = num_rows
        for each in judgement.policies:
            for name in SHOWN:
                row -= 1
                found = each.estimates[name]
                color = BLUE if name == HEADLINE else MUTED
                axes.plot(
                    [found.interval.low, found.interval.high], [row, row], color=color, linewidth=4, alpha=0.5
                )
                axes.plot(found.value, row, "o", color=color, markersize=5.5)
                places.append(row)
                names.append(f"{each.name}: {name}")
            row -= 0.6
        axes.set_yticks(places, names)
        axes.set(xlabel="value per request; the band is what was logged")
        axes.tick_params(axis="y", length=0, labelsize=8.5)
        return svg(figure, "values")


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


def segments_plot(judgement: Judgement) -> str:
    """Draws the change of every segment under every policy but the logged one."""
    policies = [each for each in judgement.policies if each.segments][1:] or judgement.policies[:1]
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
            axes.set(title=policy.name, xlabel="change of value per request")
            axes.tick_params(axis="y", length=0)
        panels[0].set_yticks(range(len(names)), list(reversed(names)))
        return svg(figure, "segments")
