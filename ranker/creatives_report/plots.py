"""Plots of the report on creatives."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ranker.report.drawing import AMBER, BLUE, MUTED, TEAL, new_figure, style, svg, tidy

if TYPE_CHECKING:
    from bandit.insight import CalibrationBin
    from ranker.creatives_report.findings import PairTable, SpaceFindings


def effects_plot(space: SpaceFindings, name: str) -> str:
    """Draw each element's effect with its 90 % interval beside its chance to be best and its traffic."""
    with style():
        elements = sorted(space.elements, key=lambda e: (e.slot, e.effect))
        figure = new_figure(0.27 * len(elements) + 0.9)
        left, middle, right = figure.subplots(1, 3, sharey=True, width_ratios=(3, 1, 1))
        heights = np.arange(len(elements))
        slots = sorted({e.slot for e in elements})
        colours = [(BLUE, TEAL, AMBER)[slots.index(e.slot) % 3] for e in elements]
        left.axvline(0.0, color=MUTED, linewidth=0.8)
        left.hlines(
            heights, [e.low for e in elements], [e.high for e in elements], colours, linewidth=3, alpha=0.4
        )
        left.scatter([e.effect for e in elements], heights, c=colours, s=22, zorder=3)
        left.set(xlabel="effect in log odds against the slot's mean, 90 % interval")
        left.set_yticks(heights, [f"{e.slot}: {e.element}" for e in elements])
        middle.barh(heights, [e.best for e in elements], color=colours, height=0.6)
        middle.set(xlabel="probability of best", xlim=(0.0, 1.0))
        right.barh(heights, [e.num_impressions for e in elements], color=colours, height=0.6)
        right.set(xlabel="impressions")
        for axes in (left, middle, right):
            tidy(axes).tick_params(axis="y", length=0)
        return svg(figure, name)


def pairs_plot(pairs: list[PairTable], name: str) -> str:
    """Draw the interactions of each pair of slots as a heat map."""
    with style():
        columns = min(3, len(pairs))
        rows = -(-len(pairs) // columns)
        figure = new_figure(2.7 * rows)
        grid = figure.subplots(rows, columns, squeeze=False)
        bound = max(0.05, *(float(np.abs(pair.table).max()) for pair in pairs))
        for axes in grid.flat[len(pairs) :]:
            axes.set_visible(False)
        for axes, pair in zip(grid.flat, pairs, strict=False):
            image = axes.imshow(pair.table, cmap="RdBu_r", vmin=-bound, vmax=bound, aspect="auto")
            axes.set_xticks(
                range(len(pair.elements[1])), pair.elements[1], rotation=35, ha="right", fontsize=7
            )
            axes.set_yticks(range(len(pair.elements[0])), pair.elements[0], fontsize=7)
            axes.set_title(f"{pair.slots[0]} with {pair.slots[1]}")
        figure.colorbar(image, ax=grid.ravel().tolist(), label="log odds", shrink=0.7)
        return svg(figure, name)


def calibration_plot(bins: list[CalibrationBin], name: str) -> str:
    """Draw observed against predicted click rates."""
    with style():
        figure = new_figure(3.2)
        axes = tidy(figure.add_subplot(), "both")
        predicted = np.array([b.predicted for b in bins])
        observed = np.array([b.observed for b in bins])
        spread = 1.645 * np.sqrt(predicted * (1.0 - predicted) / [b.num_impressions for b in bins])
        axes.axline((0.0, 0.0), slope=1.0, color=MUTED, linewidth=0.8)
        axes.errorbar(predicted, observed, spread, fmt="o", color=BLUE, ecolor="#a9c0ee", markersize=5)
        axes.set(xlabel="predicted click rate", ylabel="observed click rate")
        axes.set_xlim(0.8 * predicted.min(), 1.1 * predicted.max())
        axes.set_ylim(0.8 * min(predicted.min(), observed.min()), 1.15 * max(predicted.max(), observed.max()))
        return svg(figure, name)
