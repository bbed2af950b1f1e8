"""Whether a policy's belief about click rates holds: coverage of its intervals, calibration error."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from bandit.errors import CreativeError
from bandit.fm import Parameters, logits
from benchmarks.creatives_in_memory import InMemory
from benchmarks.creatives_ours import Shipped
from benchmarks.creatives_rivals import OneHot

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmarks.creatives_tables import Policy, Table

NUM_DRAWS = 400
GROUPS = 20


def judged(policy: Policy, table: Table, rng: np.random.Generator) -> dict[str, float]:
    """Compares the untempered belief with the true click rates of the last day's feasible creatives.

    Returns: what `calibration` does; nothing where the policy has no posterior of click rates.
    """
    shown = table.feasible.copy()
    shown[: len(table.rows) // table.days * (table.days - 1)] = False
    if isinstance(policy, Shipped | InMemory):
        draws = policy.posterior.draws(NUM_DRAWS, rng)
        parts = zip(draws.bias, draws.linear, draws.factors, strict=True)
        # One draw at a time: all at once would take gigabytes.
        z = np.stack([logits(Parameters(*part), policy.rows[shown]).astype(np.float32) for part in parts])
    elif isinstance(policy, OneHot) and policy.logistic:
        weights = policy.fitted(NUM_DRAWS, 1.0).T
        z = np.stack([draw[policy.rows[shown]].sum(axis=-1).astype(np.float32) for draw in weights])
    else:
        return {}
    return calibration(1.0 / (1.0 + np.exp(-z)), table.ctr[shown])


def calibration(rates: NDArray[np.floating[Any]], truth: NDArray[np.float64]) -> dict[str, float]:
    """Compares drawn rates (M, cells) with the true ones (cells,).

    Returns: the share of rates inside their 90 % interval; the expected calibration error, the mean gap
    between prediction and truth over 20 groups of equal size, in order of the prediction; fewer than 20
    cells are a group each.

    Raises:
        CreativeError: there is no cell.
    """
    if not truth.size:
        raise CreativeError("truth", truth.shape, "must have a cell at least")
    low, high = np.quantile(rates, [0.05, 0.95], axis=0)
    predicted = rates.mean(axis=0, dtype=np.float64)
    groups = np.array_split(np.argsort(predicted), min(GROUPS, truth.size))
    gaps = [abs(predicted[group].mean() - truth[group].mean()) * group.size for group in groups]
    covered = np.mean((low <= truth) & (truth <= high))
    return {"coverage_90": float(covered), "calibration_error": float(sum(gaps) / truth.size)}
