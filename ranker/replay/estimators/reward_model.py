"""A reward model for the direct and the doubly robust methods, never asked about rows that it was fitted on.

q̂(x, a, j) = σ(β₀ + βᵀx + αₐ + γⱼ), fitted by penalised maximum likelihood.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

from ranker.errors import InvalidInputError
from ranker.replay.estimators.rows import check_column

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats: TypeAlias = NDArray[np.float64]
    Integers: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class ModelRows:
    """What the reward model learns from."""

    rewards: Floats  # (n,), in [0, 1]
    actions: Integers  # (n,), in 0 … A−1
    positions: Integers  # (n,), in 0 … k−1
    contexts: Floats  # (n, d), of comparable scale

    def __post_init__(self) -> None:
        shape = self.rewards.shape
        check_column("rewards", self.rewards, shape)
        outside = (self.rewards < 0) | (self.rewards > 1)
        if outside.any():
            i = int(np.argmax(outside))
            raise InvalidInputError(f"rewards[{i}]", float(self.rewards[i]), "must lie in [0, 1]: scale them")
        check_column("contexts", self.contexts, (*shape, *self.contexts.shape[1:]))
        for name in ("actions", "positions"):
            if getattr(self, name).shape != shape:
                raise InvalidInputError(f"{name}.shape", getattr(self, name).shape, f"must be {shape}")

    def take(self, rows: NDArray[np.bool_]) -> ModelRows:
        """Return these rows."""
        return ModelRows(self.rewards[rows], self.actions[rows], self.positions[rows], self.contexts[rows])


@dataclass(frozen=True, slots=True)
class RewardModel:
    """The fitted effects."""

    context_effects: Floats  # (d,)
    action_effects: Floats  # (A,)
    position_effects: Floats  # (k,)
    intercept: float

    def predict(self, contexts: Floats, positions: Integers) -> Floats:
        """Return q̂ of every action, `(n, A)`."""
        shared = self.intercept + contexts @ self.context_effects + self.position_effects[positions]
        found: Floats = expit(shared[:, None] + self.action_effects)
        return found


def fit_reward_model(
    rows: ModelRows, num_actions: int, sample_weights: Floats | None = None, *, penalty: float = 1.0
) -> RewardModel:
    """Minimise Σ sᵢ·[log(1 + e^zᵢ) − rᵢzᵢ] + penalty/2·(‖β‖² + ‖α‖² + ‖γ‖²), sample weights s of mean 1.

    With `mrdr_sample_weights` this is MRDR.
    Source: McCullagh and Nelder (1989), "Generalized linear models", section 4.4, with a ridge penalty.
    """
    weights = np.ones(rows.rewards.size) if sample_weights is None else sample_weights
    check_column("sample_weights", weights, rows.rewards.shape)
    if weights.min(initial=0.0) < 0 or weights.sum() <= 0:
        raise InvalidInputError("sample_weights", float(weights.sum()), "must be ≥ 0, some of them positive")
    weights = weights / weights.mean()
    d, k = rows.contexts.shape[1], int(rows.positions.max()) + 1
    cuts = (d, d + num_actions, d + num_actions + k)

    def loss(effects: Floats) -> tuple[float, Floats]:
        beta, alpha, gamma, rest = np.split(effects, cuts)
        z = rest[0] + rows.contexts @ beta + alpha[rows.actions] + gamma[rows.positions]
        wrong = weights * (expit(z) - rows.rewards)
        slope = np.concatenate(
            (
                rows.contexts.T @ wrong,
                np.bincount(rows.actions, wrong, num_actions),
                np.bincount(rows.positions, wrong, k),
                [wrong.sum()],
            )
        )
        held = effects.copy()
        held[-1] = 0.0
        value = float(weights @ (np.logaddexp(0.0, z) - rows.rewards * z)) + penalty / 2 * float(held @ held)
        return value, slope + penalty * held

    start = np.zeros(cuts[-1] + 1)
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 500, "ftol": 1e-12})
    beta, alpha, gamma, rest = np.split(found.x, cuts)
    return RewardModel(beta, alpha, gamma, float(rest[0]))


def cross_fitted_baselines(
    rows: ModelRows,
    target: Floats,
    folds: Integers,
    sample_weights: Floats | None = None,
    *,
    penalty: float = 1.0,
) -> tuple[Floats, Floats]:
    """Return q̂(xᵢ, aᵢ) and q̂(xᵢ, π), `(n,)` each, by models fitted on the other folds.

    `target` `(n, A)` is π(a|xᵢ) at the row's position; rows of one request must share a fold `(n,)`.
    Source: Chernozhukov et al. (2018), "Double/debiased machine learning", definition 3.1.
    """
    n, num_actions = target.shape
    check_column("target", target, (rows.rewards.size, num_actions))
    present = np.unique(folds)
    if present.size < 2:
        raise InvalidInputError("folds", present.tolist(), "must be at least two")
    logged, expected = np.empty(n), np.empty(n)
    for fold in present:
        held_out = folds == fold
        weights = None if sample_weights is None else sample_weights[~held_out]
        model = fit_reward_model(rows.take(~held_out), num_actions, weights, penalty=penalty)
        own = rows.take(held_out)
        if own.positions.max() >= model.position_effects.size:
            raise InvalidInputError("positions", int(own.positions.max()), "occurs in one fold only")
        predicted = model.predict(own.contexts, own.positions)
        logged[held_out] = predicted[np.arange(len(predicted)), own.actions]
        expected[held_out] = (predicted * target[held_out]).sum(axis=1)
    return logged, expected
