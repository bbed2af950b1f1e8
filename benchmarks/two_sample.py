"""Two-sample tests: do two sets of rows come from one distribution, and how far are they apart?

Every distance lies in [0, 1], 0 for equal distributions, so that figures of different kinds can be read side
by side.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from scipy.stats import chi2_contingency, ks_2samp, mannwhitneyu
from sklearn.ensemble import HistGradientBoostingClassifier
from threadpoolctl import threadpool_limits

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats: TypeAlias = NDArray[np.float64]
    Ints: TypeAlias = NDArray[np.int64]

LEAST_EXPECTED = 5.0  # rows of a cell, for the chi-square approximation
MAX_PAIRS = 1_500  # rows of each sample of the energy distance: its memory grows with their square
PERMUTATIONS = 999


@dataclass(frozen=True, slots=True)
class Answer:
    """How far two samples are apart, and the chance of that or more under one distribution."""

    method: str
    distance: float
    p_value: float


def kolmogorov_smirnov(a: Floats, b: Floats) -> Answer:
    """Returns sup |F_a − F_b|; with ties the p-value is too large, so that less is told apart."""
    found = ks_2samp(a, b)
    return Answer("KS", float(found.statistic), float(found.pvalue))


def total_variation(a: Ints, b: Ints) -> Answer:
    """Returns ½ Σ |share_a − share_b| of codes, with the p-value of Pearson's chi-square.

    Codes of which less than five are expected in either sample are one cell.
    """
    size = int(max(a.max(), b.max())) + 1
    counts = np.array([np.bincount(a, minlength=size), np.bincount(b, minlength=size)])
    expected = counts.sum(axis=0) * counts.sum(axis=1)[:, None] / counts.sum()
    rare = expected.min(axis=0) < LEAST_EXPECTED
    pooled = np.column_stack([counts[:, ~rare], counts[:, rare].sum(axis=1)])
    pooled = pooled[:, pooled.sum(axis=0) > 0]
    distance = np.abs(pooled[0] / len(a) - pooled[1] / len(b)).sum() / 2
    p_value = chi2_contingency(pooled, correction=False).pvalue if pooled.shape[1] > 1 else 1.0
    return Answer("total variation", float(distance), float(p_value))


def energy(a: Floats, b: Floats, rng: np.random.Generator) -> Answer:
    """Returns √H, H = (2 E|A − B| − E|A − A′| − E|B − B′|) / 2 E|A − B|, with a permutation p-value.

    Source: Székely and Rizzo (2013), "Energy statistics: a class of statistics based on distances",
    section 2 (coefficient of inhomogeneity). Of longer samples 1,500 rows each are drawn.
    """
    a, b = (rng.permutation(each)[:MAX_PAIRS] for each in (a, b))
    both = np.concatenate([a, b])
    apart = np.abs(both[:, None] - both)
    member = np.zeros((PERMUTATIONS + 1, len(both)))
    member[0, : len(a)] = 1.0
    for row in member[1:]:
        row[rng.permutation(len(both))[: len(a)]] = 1.0
    other = 1.0 - member
    sums = member @ apart
    within_a, cross = (sums * member).sum(axis=1), (sums * other).sum(axis=1)
    within_b = apart.sum() - within_a - 2 * cross
    cross = 2 * cross / (len(a) * len(b))
    found = cross - within_a / len(a) ** 2 - within_b / len(b) ** 2
    coefficient = found[0] / cross[0] if cross[0] > 0 else 0.0
    # Sums in another order differ in their last digits.
    p_value = float((found >= found[0] - 1e-12 * abs(cross[0])).mean())
    return Answer("energy", float(np.sqrt(max(coefficient, 0.0))), p_value)


def classifier(a: Floats, b: Floats, rng: np.random.Generator) -> Answer:
    """Returns |2·AUC − 1| of boosted trees that tell rows `(n, d)` of a from those of b, on unseen halves.

    The trees learn on one half, and on the other half ranks its rows' scores (Mann–Whitney): whatever the
    trees learned, the p-value is valid.
    Source: Lopez-Paz and Oquab (2017), "Revisiting classifier two-sample tests", section 3.
    """
    x, label = np.concatenate([a, b]), np.repeat([0, 1], [len(a), len(b)])
    learns = rng.permutation(len(x)) < len(x) // 2
    trees = HistGradientBoostingClassifier(
        max_iter=60, max_leaf_nodes=8, early_stopping=False, random_state=0
    )
    with threadpool_limits(limits=1):  # on a busy machine its threads wait for one another
        scores = trees.fit(x[learns], label[learns]).predict_proba(x[~learns])[:, 1]
    ones, zeros = scores[label[~learns] == 1], scores[label[~learns] == 0]
    test = mannwhitneyu(ones, zeros, alternative="greater", method="asymptotic")
    auc = float(test.statistic) / (len(ones) * len(zeros))
    return Answer("classifier", max(2 * auc - 1, 0.0), float(test.pvalue))
