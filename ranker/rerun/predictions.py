"""Whether predicted click chances are right: calibration, precision–recall and ROC."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from scipy.special import ndtri

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats: TypeAlias = NDArray[np.float64]

LEVEL = 0.95
NUM_BINS = 12
# Points of a drawn curve; more than a figure can show.
CURVE_POINTS = 200


@dataclass(frozen=True, slots=True, eq=False)
class Curves:
    """Precision by recall, and hits by false alarms, of predicted click chances."""

    recall: Floats
    precision: Floats
    false_alarms: Floats
    pr_auc: float
    roc_auc: float
    base_rate: float


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """Predicted and observed click rates of bins `(m,)`, with the observed rates' intervals."""

    predicted: Floats
    observed: Floats
    low: Floats
    high: Floats


def calibration(predicted: Floats, clicked: Floats) -> Calibration:
    """Returns bins of equal counts; observed rates with Wilson's interval.

    Source: Wilson (1927), "Probable inference, the law of succession, and statistical inference".
    """
    order = np.argsort(predicted, kind="stable")
    parts = np.array_split(order, NUM_BINS)
    n = np.array([len(part) for part in parts], np.float64)
    rate = np.array([clicked[part].mean() for part in parts])
    z = float(ndtri((1 + LEVEL) / 2))
    middle = (rate + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(rate * (1 - rate) / n + z**2 / (4 * n**2))
    return Calibration(np.array([predicted[p].mean() for p in parts]), rate, middle - half, middle + half)


def curves(predicted: Floats, clicked: Floats) -> Curves:
    """Returns precision–recall and ROC of predictions `(N,)` of clicks `(N,)`, ties taken together."""
    scores, index = np.unique(-predicted, return_inverse=True)
    hits = np.bincount(index, clicked, len(scores)).cumsum()
    shown = np.bincount(index, minlength=len(scores)).cumsum().astype(np.float64)
    recall, precision = hits / hits[-1], hits / shown
    false_alarms = (shown - hits) / (shown[-1] - hits[-1])
    gained = np.diff(recall, prepend=0.0)
    area = np.diff(false_alarms, prepend=0.0) * (recall + np.concatenate([[0.0], recall[:-1]])) / 2
    kept = np.unique(np.linspace(0, len(scores) - 1, CURVE_POINTS).astype(int))
    return Curves(
        recall[kept],
        precision[kept],
        false_alarms[kept],
        pr_auc=float(precision @ gained),
        roc_auc=float(area.sum()),
        base_rate=float(clicked.mean()),
    )
