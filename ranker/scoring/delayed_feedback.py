"""Conversion rates from logs in which some conversions are still to come.

A row is an impression or click of age e; a conversion has been seen, after delay d ≤ e, or not yet. Taking
"not yet" for "never" learns too low a rate. Symbols: n rows, m features, the first of them 1; p(x) = σ(w·x).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import minimize
from scipy.sparse import issparse
from scipy.special import expit, log_expit, logit

from ranker.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from scipy.sparse import csr_array

    Floats = NDArray[np.float64]

# Rows so young that fewer than this share of their conversions can have been seen are left out: their weights
# would be all that is learned from. By age alone, so that nothing is biased.
MIN_COMPLETION = 0.25
NUM_ROUNDS = 100
# Where nothing holds a hazard, as where all conversions are seen at once, it would grow for ever.
MAX_LOG_HAZARD = 30.0
TINY = 1e-300
# Of time, each with its own hazard.
NUM_PIECES = 24
TOLERANCE = 1e-7


@dataclass(frozen=True, slots=True, eq=False)
class DelayedLog:
    """Rows of a log at one moment."""

    features: Floats | csr_array  # (n, m), the first column ones
    ages: Floats  # (n,), since the row, any unit
    delays: Floats  # (n,), of conversions that were seen; infinity for the others
    window: float = np.inf  # conversions later than that do not count

    def __post_init__(self) -> None:
        n = self.features.shape[0]
        for name in ("ages", "delays"):
            if getattr(self, name).shape != (n,):
                raise InvalidInputError(f"{name}.shape", getattr(self, name).shape, f"must be ({n},)")
        if not np.isfinite(self.features.data if issparse(self.features) else self.features).all():
            raise InvalidInputError("features", "not finite", "must be finite numbers")
        if not (self.features[:, [0]].sum() == n and self.features[:, [0]].min() == 1.0):
            raise InvalidInputError("features[:, 0]", "not all 1", "must be ones: the intercept")
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
        if not self.window > 0.0:
            raise InvalidInputError("window", self.window, "must be positive")
        late = np.isfinite(self.delays) & (self.delays > self.window)
        if late.any():
            i = int(np.argmax(late))
            raise InvalidInputError(f"delays[{i}]", float(self.delays[i]), f"window ends at {self.window:g}")

    @property
    def seen(self) -> NDArray[np.bool_]:
        """Which conversions have been seen, (n,)."""
        return np.isfinite(self.delays)


def fit_naive(log: DelayedLog, l2: float = 1e-6) -> Floats:
    """Returns w (m,) of a logistic regression that takes "not yet" for "never": the rival."""
    return _logistic(log.features, log.seen.astype(np.float64), np.ones(len(log.ages)), l2)


@dataclass(frozen=True, slots=True, eq=False)
class DelayFit:
    """Rates of conversion, and how fast they come: their hazard is exp(v·x + θ_b) in piece b of time."""

    weights: Floats  # w (m,) of p(x) = σ(w·x), the rate of conversions within the window
    speed_weights: Floats  # v (m,)
    starts: Floats  # (B,), where the pieces of time begin, 0 the first; the last has no end
    log_hazards: Floats  # θ (B,), 0 the first
    window: float

    def completion(self, features: Floats | csr_array, ages: Floats) -> Floats:
        """Returns F(e, x)/F(W, x), the share of the conversions that have come at a row's age: (n,)."""
        speeds, hazards = np.exp(_clipped(features @ self.speed_weights)), np.exp(self.log_hazards)
        times = np.minimum(ages, self.window)
        come = -np.expm1(-speeds * (_time_in_pieces(self.starts, times) @ hazards))
        whole = _time_in_pieces(self.starts, np.array([self.window])) @ hazards
        return np.asarray(come / -np.expm1(-speeds * whole))


def fit_delay(log: DelayedLog, num_pieces: int = NUM_PIECES, l2: float = 1e-6) -> DelayFit:
    """Fits the rates together with delays whose hazard is constant in each piece of time.

    The pieces hold equally many of the seen delays; features make all of them faster or slower; see
    `_DelayLoss` for what is minimised. One piece and no window make the delays exponential.

    Raises:
        InvalidInputError: num_pieces is less than 1.
    """
    if num_pieces < 1:
        raise InvalidInputError("num_pieces", num_pieces, "must be at least 1")
    seen, m = log.seen, log.features.shape[1]
    unit = max(float(log.delays[seen].mean()), 1e-12) if seen.any() else 1.0  # hazards near 1: well scaled
    quantiles = np.arange(1, num_pieces) / num_pieces
    starts = np.unique(np.r_[0.0, np.quantile(log.delays[seen], quantiles) if seen.any() else []]) / unit
    loss = _DelayLoss(log, starts, unit, l2)
    first = np.zeros(2 * m + len(starts) - 1)
    first[0] = logit(seen.mean()) if 0 < seen.sum() < len(seen) else 0.0
    found = minimize(loss, first, jac=True, method="L-BFGS-B", options={"maxiter": 1000, "gtol": 1e-7}).x
    found[m] -= np.log(unit)  # back to the log's unit of time
    theta = _clipped(np.r_[0.0, found[2 * m :]])
    return DelayFit(found[:m], found[m : 2 * m], starts * unit, theta, log.window)


class _DelayLoss:
    """Mean loss and its gradient at w, v and θ (but its first, 0) in one vector.

    With c = exp(v·x), H(t) = Σ_b exp(θ_b)·(time up to t spent in piece b), F(t) = 1 − exp(−c·H(t)), b(d) the
    piece of delay d, W the window and r = F(e)/F(W), the loss is −1/n of

        Σ_seen [log p + v·x + θ_b(d) − c·H(d) − log F(W)] + Σ_unseen log(1 − p·r)

    plus l2·(|w|² + |v|²)/2, both without the intercepts. θ has no penalty: each piece has conversions.

    Source: Chapelle (2014), Modeling delayed feedback in display advertising, equations 13 and 14; the pieces
    in the place of the exponential: Friedman (1982), Piecewise exponential models for survival data with
    covariates, section 2; W, because what comes later than any row is old cannot be learned.
    """

    def __init__(self, log: DelayedLog, starts: Floats, unit: float, l2: float) -> None:
        self._features, self._seen = log.features, log.seen
        self._transposed = log.features.T.tocsr() if issparse(log.features) else log.features.T
        until = np.where(self._seen, log.delays, np.minimum(log.ages, log.window)) / unit
        self._spent = _time_in_pieces(starts, until)
        # A window without end is one that all of a conversion's time lies in.
        end = log.window / unit if np.isfinite(log.window) else 1e15
        self._spent_in_window = _time_in_pieces(starts, np.array([end]))[0]
        self._piece = np.searchsorted(starts, until, side="right") - 1
        self._num_seen = np.bincount(self._piece[self._seen], minlength=len(starts)).astype(np.float64)
        m = log.features.shape[1]
        self._penalty = np.zeros(2 * m + len(starts) - 1)
        self._penalty[1:m] = self._penalty[m + 1 : 2 * m] = l2

    def __call__(self, parameters: Floats) -> tuple[float, Floats]:
        m, n, seen = self._features.shape[1], len(self._seen), self._seen
        theta = np.r_[0.0, parameters[2 * m :]]
        hazards = np.exp(_clipped(theta))
        logits, log_speeds = self._features @ parameters[:m], _clipped(self._features @ parameters[m : 2 * m])
        p, speeds = expit(logits), np.exp(log_speeds)
        passed, whole = speeds * (self._spent @ hazards), speeds * (self._spent_in_window @ hazards)
        waits, rest, in_window = np.exp(-passed), np.exp(-whole), -np.expm1(-whole)
        r = (1.0 - waits) / in_window
        unseen = 1.0 - p * r + TINY
        values = log_expit(logits) + log_speeds + theta[self._piece] - passed - np.log(in_window)
        value = float(-np.where(seen, values, np.log(unseen)).mean())
        by_logit = np.where(seen, p - 1.0, p * (1.0 - p) * r / unseen)
        by_passed = np.where(seen, 1.0, p * waits / (in_window * unseen))
        by_whole = np.where(seen, 1.0, -p * r / unseen) * rest / in_window
        by_speed = by_passed * passed + by_whole * np.where(rest > 0.0, whole, 0.0) - seen
        by_hazard = self._spent.T @ (by_passed * speeds)
        if rest.any():
            by_hazard += self._spent_in_window * (by_whole @ speeds)
        gradient = np.concatenate(
            [
                self._transposed @ by_logit,
                self._transposed @ by_speed,
                (hazards * by_hazard - self._num_seen)[1:],
            ]
        )
        pull = self._penalty * parameters
        return value + float(0.5 * pull @ parameters), gradient / n + pull


def _clipped(log_hazards: Floats) -> Floats:
    return np.clip(log_hazards, -MAX_LOG_HAZARD, MAX_LOG_HAZARD)


def _time_in_pieces(starts: Floats, times: Floats) -> Floats:
    """Returns how much of the time up to each of `times` (n,) lies in each piece, (n, B)."""
    ends = np.append(starts[1:], np.inf)
    return np.clip(times[:, None] - starts, 0.0, ends - starts)


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
    features: Floats | csr_array, labels: Floats, weights: Floats, l2: float, start: Floats | None = None
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
