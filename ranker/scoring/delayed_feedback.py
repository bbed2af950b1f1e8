"""Conversion rates from logs in which some conversions are still to come.

A row is an impression or click of age e; a conversion has been seen, after delay d ≤ e, or not yet. Taking
"not yet" for "never" learns too low a rate. Symbols: n rows, m features; p(x) = σ(w·x).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, log_expit

from ranker.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

# Rows so young that fewer than this share of their conversions can have been seen are left out: their weights
# would be all that is learned from. By age alone, so that nothing is biased.
MIN_COMPLETION = 0.25
NUM_ROUNDS = 100
TOLERANCE = 1e-7


@dataclass(frozen=True, slots=True, eq=False)
class DelayedLog:
    """Rows of a log at one moment."""

    features: Floats  # (n, m), a column of ones for the intercept among them
    ages: Floats  # (n,), since the row, any unit
    delays: Floats  # (n,), of conversions that were seen; infinity for the others

    def __post_init__(self) -> None:
        n = len(self.features)
        for name in ("ages", "delays"):
            if getattr(self, name).shape != (n,):
                raise InvalidInputError(f"{name}.shape", getattr(self, name).shape, f"must be ({n},)")
        if not np.isfinite(self.features).all():
            raise InvalidInputError("features", "not finite", "must be finite numbers")
        wrong = ~((self.ages >= 0.0) & np.isfinite(self.ages))
        if wrong.any():
            i = int(np.argmax(wrong))
            raise InvalidInputError(f"ages[{i}]", float(self.ages[i]), "must be finite and not negative")
        wrong = ~((self.delays >= 0.0) & ((self.delays <= self.ages) | np.isposinf(self.delays)))
        if wrong.any():
            i = int(np.argmax(wrong))
            raise InvalidInputError(
                f"delays[{i}]", float(self.delays[i]), "must lie in 0 … age, or be infinite"
            )

    @property
    def seen(self) -> NDArray[np.bool_]:
        """Which conversions have been seen, (n,)."""
        return np.isfinite(self.delays)


def fit_naive(log: DelayedLog, l2: float = 1e-6) -> Floats:
    """Returns w (m,) of a logistic regression that takes "not yet" for "never": the rival."""
    return _logistic(log.features, log.seen.astype(np.float64), np.ones(len(log.ages)), l2)


def fit_exponential_delay(log: DelayedLog, l2: float = 1e-6) -> tuple[Floats, Floats]:
    """Returns w (m,) of p and v (m,) of the delay's rate λ(x) = exp(v·x), fitted together.

    Maximises Σ_seen [log p + log λ − λ·d] + Σ_unseen log(1 − p + p·exp(−λ·e)) less l2·(|w|² + |v|²)·n/2.

    Source: Chapelle (2014), Modeling delayed feedback in display advertising, equations 13 and 14.
    """
    m, n, seen = log.features.shape[1], len(log.ages), log.seen
    delays = np.where(seen, log.delays, 0.0)
    unit = max(float(delays[seen].mean()), 1e-12) if seen.any() else 1.0  # λ near 1: well scaled
    delays, ages = delays / unit, log.ages / unit

    def loss(parameters: Floats) -> tuple[float, Floats]:
        w, v = parameters[:m], parameters[m:]
        logits, log_rates = log.features @ w, np.clip(log.features @ v, -30.0, 30.0)
        p, rates = expit(logits), np.exp(log_rates)
        waits = np.exp(-rates * ages)
        unseen = 1.0 - p + p * waits
        values = np.where(seen, log_expit(logits) + log_rates - rates * delays, np.log(unseen))
        by_logit = np.where(seen, p - 1.0, p * (1.0 - p) * (1.0 - waits) / unseen)
        by_rate = np.where(seen, rates * delays - 1.0, p * waits * rates * ages / unseen)
        gradient = np.concatenate([log.features.T @ by_logit, log.features.T @ by_rate]) / n
        return float(-values.mean() + 0.5 * l2 * parameters @ parameters), gradient + l2 * parameters

    found = minimize(
        loss, np.zeros(2 * m), jac=True, method="L-BFGS-B", options={"maxiter": 1000, "gtol": 1e-8}
    )
    # The intercept's unit: a column of ones takes it; without one the rates stay in this unit.
    shift = np.linalg.lstsq(log.features, np.full(n, -np.log(unit)), rcond=None)[0]
    return found.x[:m], found.x[m:] + shift


def fit_importance_weighted(
    log: DelayedLog, completion: Callable[[Floats], Floats], l2: float = 1e-6
) -> Floats:
    """Returns w (m,) of a logistic regression whose rows count by what they stand for; any law of delays.

    With F(e) = `completion`, the share of conversions that come within age e, a seen conversion counts 1/F(e)
    and a row without one (1 − p)/(1 − p·F(e)): the chance that it never converts. p is that of the round
    before, until it no longer changes.

    Source: Yasui, Morishita, Fujita and Shibata (2020), A feedback shift correction in predicting conversion
    rates under delayed feedback, section 4: importance weights P(C)/P(Y); here solved by alternation.
    """
    share = np.clip(completion(log.ages), 0.0, 1.0)
    kept = share >= MIN_COMPLETION
    features, share = log.features[kept], share[kept]
    seen = log.seen[kept]
    w = np.zeros(features.shape[1])
    for _ in range(NUM_ROUNDS):
        p = expit(features @ w)
        weights = np.where(seen, 1.0 / share, (1.0 - p) / (1.0 - p * share))
        after = _logistic(features, seen.astype(np.float64), weights, l2, w)
        if np.abs(after - w).max() < TOLERANCE:
            return after
        w = after
    return w


def _logistic(
    features: Floats, labels: Floats, weights: Floats, l2: float, start: Floats | None = None
) -> Floats:
    total = float(weights.sum())

    def loss(w: Floats) -> tuple[float, Floats]:
        logits = features @ w
        value = weights @ (labels * log_expit(logits) + (1.0 - labels) * log_expit(-logits))
        gradient = features.T @ (weights * (expit(logits) - labels))
        return float(-value / total + 0.5 * l2 * w @ w), gradient / total + l2 * w

    first = np.zeros(features.shape[1]) if start is None else start
    found = minimize(loss, first, jac=True, method="L-BFGS-B", options={"maxiter": 1000, "gtol": 1e-9})
    return np.asarray(found.x, np.float64)
