"""Fits the parts of a world to logs: arrays in, parameters out."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from scipy.special import expit, logit

from ranker.errors import InvalidInputError
from ranker.simulation.parameters import Delays, Landscape

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats: TypeAlias = NDArray[np.float64]
    Ints: TypeAlias = NDArray[np.int64]

MAX_STEPS = 500
TOLERANCE = 1e-9
NUM_KNOTS = 41  # of a landscape's quantile function
_LEAST_SCALE = 0.05


def shrunk_logits(cell: Ints, clicks: Floats, num_cells: int) -> tuple[Floats, float]:
    """Returns each cell's difference from the base logit `(num_cells,)`, shrunk, and the scale between cells.

    With l_c the cell's logit and v_c = 1/(n_c p(1 − p)) its sampling variance,
    τ² = [Σ n_c((l_c − l)² − v_c) / Σ n_c]₊ and the answer is (l_c − l)·τ²/(τ² + v_c):
    the normal-normal model by moments. Half a click is added to clicks and to skips of each cell.
    Source: Morris (1983), "Parametric empirical Bayes inference", section 1.
    """
    count = np.bincount(cell, minlength=num_cells).astype(np.float64)
    rate = clicks.mean()
    found = (np.bincount(cell, clicks, num_cells) + 0.5) / (count + 1.0)
    difference = logit(found) - logit(rate)
    noise = 1.0 / ((count + 1.0) * rate * (1.0 - rate))
    between = max(float(count @ (difference**2 - noise) / count.sum()), 0.0)
    shrunk: Floats = difference * between / (between + noise) if between > 0 else np.zeros(num_cells)
    return shrunk, float(np.sqrt(between))


def group_logit_scale(group: Ints, residual: Floats, rate: float) -> float:
    """Returns the scale of a logit effect that the rows of a group share, free of sampling noise.

    Var = Σ_g [(Σ e)² − Σ e²] / Σ_g n_g(n_g − 1) over residuals e = click − expected click, whose products
    between two rows of a group only the shared effect makes positive; ÷ (p(1 − p))² to the logit's scale.
    """
    total, squares = np.bincount(group, residual), np.bincount(group, residual**2)
    count = np.bincount(group).astype(np.float64)
    pairs = float((count * (count - 1.0)).sum())
    if pairs == 0:
        raise InvalidInputError("group", int(group.size), "no two rows share a group")
    variance = float((total**2 - squares).sum()) / pairs
    return float(np.sqrt(max(variance, 0.0))) / (rate * (1.0 - rate))


def daily_drift_scale(group: Ints, day: Ints, clicks: Floats) -> float:
    """Returns the scale of the daily steps of a group's logit, as of a random walk.

    Σ w(Δl² − v_d − v_{d−1}) / Σ w over the steps of all groups, v = 1/(n p(1 − p)), w = 1/(v_d + v_{d−1}).
    Groups count on days on which they have 30 rows and at least 5 clicks and 5 skips.
    """
    num_days = int(day.max()) + 1
    cell = group * num_days + day
    size = (int(group.max()) + 1) * num_days
    count, clicked = np.bincount(cell, minlength=size), np.bincount(cell, clicks, size)
    usable = ((count >= 30) & (clicked >= 5) & (count - clicked >= 5)).reshape(-1, num_days)
    rate = np.where(usable.ravel(), clicked / np.maximum(count, 1), 0.5).reshape(-1, num_days)
    noise = 1.0 / np.maximum(count.reshape(-1, num_days) * rate * (1.0 - rate), 1e-9)
    both = usable[:, 1:] & usable[:, :-1]
    if not both.any():
        raise InvalidInputError("day", num_days, "no group has enough clicks on two days in a row")
    steps = np.diff(logit(rate), axis=1)[both]
    spread = (noise[:, 1:] + noise[:, :-1])[both]
    variance = float(((steps**2 - spread) / spread).sum() / (1.0 / spread).sum())
    return float(np.sqrt(max(variance, 0.0)))


def fit_landscape(name: str, prices: Ints, counts: Floats) -> Landscape:
    """Returns the quantiles of a histogram of prices, each spread over [price − ½, price + ½]."""
    cumulative = np.concatenate([[0.0], np.cumsum(counts)]) / counts.sum()
    edges = np.concatenate([[prices[0] - 0.5], prices + 0.5])
    probabilities = np.linspace(0.0, 1.0, NUM_KNOTS)
    first = int(np.argmax(cumulative > 0)) - 1
    quantiles = np.interp(probabilities, cumulative[first:], edges[first:])
    return Landscape(name, tuple(np.round(np.maximum(quantiles, 0.0), 3).tolist()))


def fit_delays(minutes: Floats, num_components: int = 2) -> Delays:
    """Returns the log-normal mixture of greatest likelihood that EM reaches, of minutes + 1.

    Scales are kept above 0.05: minutes are rounded, and a spike has no finite likelihood.
    """
    x = np.log1p(minutes)[:, None]
    means = np.quantile(x, (np.arange(num_components) + 0.5) / num_components)
    scales = np.full(num_components, max(float(x.std()), _LEAST_SCALE))
    weights = np.full(num_components, 1.0 / num_components)
    reached = -np.inf
    for _ in range(MAX_STEPS):
        log_density = np.log(weights) - np.log(scales) - 0.5 * ((x - means) / scales) ** 2
        peak = log_density.max(axis=1, keepdims=True)
        share = np.exp(log_density - peak)
        total = share.sum(axis=1, keepdims=True)
        value = float((peak + np.log(total)).mean())
        if value - reached < TOLERANCE:
            break
        reached, share = value, share / total
        mass = share.sum(axis=0)
        weights, means = mass / len(x), (share * x).sum(axis=0) / mass
        scales = np.maximum(np.sqrt((share * (x - means) ** 2).sum(axis=0) / mass), _LEAST_SCALE)
    return Delays(tuple(weights.tolist()), tuple(means.tolist()), tuple(scales.tolist()))


def expected_clicks(base_rate: float, logits: Floats) -> Floats:
    """Returns σ(logit base + difference) `(n,)`."""
    chances: Floats = expit(logit(base_rate) + logits)
    return chances
