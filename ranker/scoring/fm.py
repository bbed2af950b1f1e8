"""Factorization machine with logistic loss; with no factors it is logistic regression.

Rendle, "Factorization Machines" (ICDM 2010), equations 1 and 5.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, logit

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_array

_INITIAL_SCALE = 0.1
_TINY = 1e-300
_MAX_ITERATIONS = 300
# Of the loss per row, whose differences between penalties are of the order 1e-4.
_LOSS_TOLERANCE = 1e-9


@dataclass(frozen=True)
class Penalty:
    """Strengths of the L2 terms: the precisions of the Gaussian priors on weights and factors."""

    weights: float
    factors: float


@dataclass(frozen=True)
class FactorizationMachine:
    """z(x) = b + Σⱼ wⱼ xⱼ + Σᵢ<ⱼ ⟨vᵢ, vⱼ⟩ xᵢ xⱼ with w `(D,)` and v `(D, k)`."""

    bias: float
    weights: NDArray[np.float64]
    factors: NDArray[np.float64]

    def logits(self, features: csr_array) -> NDArray[np.float64]:
        """Returns z (n,) of the rows (n, D)."""
        return self.logits_from(features, features @ self.factors)

    def logits_from(self, features: csr_array, sums: NDArray[np.float64]) -> NDArray[np.float64]:
        """Returns z (n,) from s = X v (n, k): the pairs' sum is ½ Σ_f [s_f² − Σⱼ vⱼ_f² xⱼ²]."""
        linear: NDArray[np.float64] = self.bias + features @ self.weights
        if self.factors.shape[1] == 0:
            return linear
        squares: NDArray[np.float64] = features.power(2) @ (self.factors**2).sum(axis=1)
        pairs: NDArray[np.float64] = 0.5 * ((sums**2).sum(axis=1) - squares)
        return linear + pairs


@dataclass(frozen=True)
class Fit:
    """A fitted machine and whether its optimiser met its tolerance."""

    machine: FactorizationMachine
    converged: bool
    num_iterations: int


def log_loss(
    logits: NDArray[np.float64], clicks: NDArray[np.float64], shares: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """Returns −log P(y) of each row (n,): log(1 + eᶻ) − y z, which neither overflows nor cancels.

    Where clicks may still come, and have come by now with chance F = `shares` (n,), a row without one has
    1 − p F in the place of 1 − p; the constant −log F of the others is left out.
    """
    losses: NDArray[np.float64] = np.logaddexp(0.0, logits) - clicks * logits
    if shares is not None:
        with np.errstate(divide="ignore"):  # −∞ where all have come
            log_pending = np.log1p(-shares)
        losses -= np.where(clicks > 0.0, 0.0, np.logaddexp(0.0, logits + log_pending))
    return losses


def slopes(
    logits: NDArray[np.float64], clicks: NDArray[np.float64], shares: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """Returns ∂ log loss / ∂z of each row (n,): p − y, or where a click may still come p(1 − p)F/(1 − pF)."""
    p = expit(logits)
    if shares is None:
        return np.asarray(p - clicks)
    rest = expit(-logits)
    return np.where(clicks > 0.0, -rest, p * shares * rest / (rest + p * (1.0 - shares) + _TINY))


def constant_machine(
    clicks: NDArray[np.float64], num_features: int, num_factors: int, seed: int
) -> FactorizationMachine:
    """Returns a machine that predicts the base rate (but for its small random factors): where a fit starts.

    Factors of exactly zero would be a stationary point.
    """
    rng = np.random.default_rng(seed)
    return FactorizationMachine(
        bias=float(logit(clicks.mean())),
        weights=np.zeros(num_features),
        factors=rng.normal(0.0, _INITIAL_SCALE, (num_features, num_factors)),
    )


def fit_machine(
    features: csr_array,
    clicks: NDArray[np.float64],
    penalty: Penalty,
    start: FactorizationMachine,
    shares: NDArray[np.float64] | None = None,
) -> Fit:
    """Minimises Σₙ log loss + ½ λ_w ‖w‖² + ½ λ_v ‖v‖² by L-BFGS from `start`; the bias is not penalised."""
    objective = Objective(features, clicks, penalty, start.factors.shape[1], shares)
    result = minimize(
        objective,
        pack(start),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": _MAX_ITERATIONS, "ftol": _LOSS_TOLERANCE, "gtol": 1e-7},
    )
    return Fit(objective.unpack(result.x), bool(result.success), int(result.nit))


class Objective:
    """The penalised loss per row and its gradient, with what does not change between evaluations at hand."""

    def __init__(
        self,
        features: csr_array,
        clicks: NDArray[np.float64],
        penalty: Penalty,
        num_factors: int,
        shares: NDArray[np.float64] | None = None,
    ) -> None:
        self._features = features
        self._transposed = features.T.tocsr()
        self._squared_transposed = features.power(2).T.tocsr()
        self._clicks = clicks
        self._shares = shares
        self._penalty = penalty
        self._num_factors = num_factors

    def __call__(self, parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        """Returns loss / n and its gradient at b, w and v in one vector.

        With g = `slopes`: ∂/∂w = Xᵀ g + λ_w w and ∂/∂v = Xᵀ (g ⊙ X v) − v ⊙ (X²)ᵀ g + λ_v v.
        """
        machine = self.unpack(parameters)
        weights, factors = machine.weights, machine.factors
        sums = self._features @ factors
        logits = machine.logits_from(self._features, sums)
        residuals = slopes(logits, self._clicks, self._shares)
        loss = log_loss(logits, self._clicks, self._shares).sum()
        loss += 0.5 * (
            self._penalty.weights * (weights**2).sum() + self._penalty.factors * (factors**2).sum()
        )
        by_weights = self._transposed @ residuals + self._penalty.weights * weights
        by_factors = np.zeros_like(factors)
        if self._num_factors:
            by_factors = self._transposed @ (residuals[:, None] * sums)
            by_factors += factors * (self._penalty.factors - (self._squared_transposed @ residuals)[:, None])
        gradient = np.concatenate([[residuals.sum()], by_weights, by_factors.ravel()])
        return float(loss) / len(logits), gradient / len(logits)

    def unpack(self, parameters: NDArray[np.float64]) -> FactorizationMachine:
        """Returns the machine whose `pack` is the vector."""
        num_features = self._features.shape[1]
        factors = parameters[1 + num_features :].reshape(num_features, self._num_factors)
        return FactorizationMachine(float(parameters[0]), parameters[1 : 1 + num_features], factors)


def pack(machine: FactorizationMachine) -> NDArray[np.float64]:
    """Returns b, w and v as one vector (1 + D + Dk,)."""
    return np.concatenate([[machine.bias], machine.weights, machine.factors.ravel()])
