"""What a posterior says of elements: how much each adds, how surely it is best, what goes together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bandit.fm import Parameters, logits

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bandit.features import IndexedSpace
    from bandit.fm import FloatArray
    from bandit.outcomes import Cells
    from bandit.posterior import Posterior


@dataclass(frozen=True)
class ElementInsight:
    """One element of a space. Effects are log odds against the mean of the slot's allowed elements."""

    slot: str
    element: str
    num_impressions: float
    num_clicks: float
    effect: float
    low: float
    """5 % quantile of the posterior effect."""
    high: float
    """95 % quantile."""
    best: float
    """Probability that it is the slot's best."""
    near_best: float
    """Probability that it is within `margin` of the slot's best."""


@dataclass(frozen=True)
class CalibrationBin:
    """Cells of similar prediction: mean predicted and observed click rate, weighted by impressions."""

    predicted: float
    observed: float
    num_impressions: float


def element_insights(
    draws: Parameters, space: IndexedSpace, cells: Cells, margin: float
) -> list[ElementInsight]:
    """Judges every allowed element of a space, in the company in which its slot was shown.

    In draw m, element a of slot s adds w_a + ⟨v_a, V_s⟩, where V_s is the mean over all impressions with an
    element in s of the factors of everything else, context included. Effects of rare pairs hardly count.

    Args:
        draws: M draws of the parameters.
        cells: outcomes by feature rows; of all spaces, since elements are shared.
        margin: log odds within which an element counts as near the best.
    """
    insights = []
    for s, start in enumerate(space.offsets[:-1].tolist()):
        places = slice(start, int(space.offsets[s + 1]))
        rows = space.rows[places]
        company = _company(draws, cells, rows)
        worth = draws.linear[:, rows] + np.einsum("mak,mk->ma", draws.factors[:, rows], company)
        contrast = worth - worth.mean(axis=1, keepdims=True)
        low, high = np.quantile(contrast, [0.05, 0.95], axis=0)
        lead = worth.max(axis=1, keepdims=True)
        for a, (slot, element) in enumerate(space.names[places]):
            shown = (cells.rows == rows[a]).any(axis=1)
            insights.append(
                ElementInsight(
                    slot,
                    element,
                    float(cells.num_impressions[shown].sum()),
                    float(cells.num_clicks[shown].sum()),
                    float(contrast[:, a].mean()),
                    float(low[a]),
                    float(high[a]),
                    float(np.mean(worth.argmax(axis=1) == a)),
                    float(np.mean(worth[:, a] >= lead[:, 0] - margin)),
                )
            )
    return insights


def interactions(posterior: Posterior, space: IndexedSpace, first: int, second: int) -> FloatArray:
    """Computes what pairs of elements of two slots add beyond their own effects: (n_first, n_second).

    ⟨E v_a, E v_b⟩, less the means of row and column: log odds that neither element brings alone.
    """
    own, other = (
        posterior.loc.factors[space.rows[space.offsets[s] : space.offsets[s + 1]]] for s in (first, second)
    )
    table = own @ other.T
    centred: FloatArray = table - table.mean(0) - table.mean(1)[:, None] + table.mean()
    return centred


def calibration(draws: Parameters, cells: Cells, num_bins: int = 10) -> list[CalibrationBin]:
    """Compares predicted with observed click rates, in bins of about equal impressions by prediction."""
    if not len(cells.rows):
        return []
    predicted = np.zeros(len(cells.rows))
    for bias, linear, factors in zip(draws.bias, draws.linear, draws.factors, strict=True):
        predicted += 1.0 / (1.0 + np.exp(-logits(Parameters(bias, linear, factors), cells.rows)))
    predicted /= len(draws.bias)
    order = np.argsort(predicted)
    weight = np.cumsum(cells.num_impressions[order])
    bins = np.minimum((num_bins * (weight - 0.5) / weight[-1]).astype(int), num_bins - 1)
    found = []
    for number in np.unique(bins):
        members = order[bins == number]
        n = cells.num_impressions[members]
        found.append(
            CalibrationBin(
                float(np.average(predicted[members], weights=n)),
                float(cells.num_clicks[members].sum() / n.sum()),
                float(n.sum()),
            )
        )
    return found


def _company(draws: Parameters, cells: Cells, rows: NDArray[np.int32]) -> FloatArray:
    """V_s: the mean factors (M, K) of what came along with the elements `rows` of one slot."""
    inside = np.isin(cells.rows, rows)
    shown = inside.any(axis=1)
    weights = np.zeros(draws.linear.shape[1])
    total = cells.num_impressions[shown].sum()
    if total:
        others = np.where(inside[shown], -1, cells.rows[shown])
        present = others >= 0
        impressions = np.broadcast_to(cells.num_impressions[shown][:, None], others.shape)
        np.add.at(weights, others[present], impressions[present] / total)
    company: FloatArray = np.einsum("e,mek->mk", weights[: draws.factors.shape[1]], draws.factors)
    return company
