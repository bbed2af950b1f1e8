"""Draws what the metrics sum up: reliability, and precision against recall."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from sklearn.metrics import precision_recall_curve

from ranker.scoring.metrics import calibration_bins

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from ranker.scoring.metrics import Estimate

_Z = 1.959964


def reliability_plot(
    clicks: NDArray[np.float64], before: NDArray[np.float64], after: NDArray[np.float64], error: Estimate
) -> bytes:
    """Returns a PNG of observed against predicted ctr in deciles, before and after calibration.

    Bars are Wilson's 95 % intervals (1927) of the observed share after calibration.
    """
    figure, axes = _figure("predicted ctr", "share of rows that were clicked")
    ones = np.ones(len(clicks))
    raw, bins = calibration_bins(clicks, before, ones), calibration_bins(clicks, after, ones)
    low, high = _wilson(bins.observed, bins.weight)
    bars = np.maximum(0.0, [bins.observed - low, high - bins.observed])
    top = 1.05 * max(high.max(), bins.predicted.max(), raw.observed.max(), raw.predicted.max())
    axes.plot([0, top], [0, top], color="0.6", linewidth=1, linestyle="--", label="exact")
    axes.plot(raw.predicted, raw.observed, "o", color="0.6", fillstyle="none", label="before calibration")
    axes.errorbar(
        bins.predicted, bins.observed, bars, fmt="o", color="C0", capsize=3, label="after calibration"
    )
    axes.set(xlim=(0, top), ylim=(0, top))
    axes.set_title(f"Calibration error {error.value:.4f} [{error.low:.4f}, {error.high:.4f}]")
    axes.legend(loc="upper left", frameon=False)
    return _png(figure)


def precision_recall_plot(clicks: NDArray[np.float64], ctr: NDArray[np.float64], area: Estimate) -> bytes:
    """Returns a PNG of precision against recall with the base rate, what random predictions get."""
    figure, axes = _figure("recall", "precision")
    precision, recall, _ = precision_recall_curve(clicks, ctr)
    base_rate = clicks.mean()
    # The curve begins with the one best row, whose precision is 0 or 1 and would set the scale.
    shown = recall >= min(0.02, recall.max())
    axes.plot(recall[shown], precision[shown], color="C0", drawstyle="steps-post", label="model")
    axes.axhline(base_rate, color="0.6", linewidth=1, linestyle="--", label=f"base rate {base_rate:.4f}")
    axes.set(xlim=(0, 1), ylim=(0, 1.05 * precision[shown].max()))
    axes.set_title(f"Area {area.value:.4f} [{area.low:.4f}, {area.high:.4f}]")
    axes.legend(loc="upper right", frameon=False)
    return _png(figure)


def _wilson(
    share: NDArray[np.float64], count: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    spread = _Z * np.sqrt(share * (1.0 - share) / count + _Z**2 / (4.0 * count**2))
    middle, norm = share + _Z**2 / (2.0 * count), 1.0 + _Z**2 / count
    return (middle - spread) / norm, (middle + spread) / norm


def _figure(x_label: str, y_label: str) -> tuple[Figure, Axes]:
    # A figure with its own canvas: pyplot would keep it in a global list and choose a display.
    figure = Figure(figsize=(5.0, 4.2), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot(xlabel=x_label, ylabel=y_label)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _png(figure: Figure) -> bytes:
    content = io.BytesIO()
    figure.savefig(content, format="png")
    return content.getvalue()
