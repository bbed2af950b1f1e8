"""The factorization machine: a pairwise model whose interactions have rank K."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from bandit.errors import CreativeError

if TYPE_CHECKING:
    from bandit.features import RowArray

FloatArray: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True)
class Parameters:
    """Weights of the machine, or one number for each of them (a mean, a standard deviation).

    bias (…), linear (…, D), factors (…, E, K): D rows of features, K factors, leading axes for several draws.
    Only the first E rows have factors: the others meet nothing.
    """

    bias: FloatArray
    linear: FloatArray
    factors: FloatArray

    def __post_init__(self) -> None:
        if self.linear.shape[:-1] != self.bias.shape:
            raise CreativeError("linear", self.linear.shape, f"must be {self.bias.shape} and one axis more")
        *axes, num_rows, _ = self.factors.shape
        if tuple(axes) != self.bias.shape or num_rows > self.linear.shape[-1]:
            problem = f"must be {self.linear.shape} at most and one axis more"
            raise CreativeError("factors", self.factors.shape, problem)

    def with_factors(self, rows: RowArray) -> RowArray:
        """Keeps those of the rows that have factors."""
        kept: RowArray = rows[rows < self.factors.shape[-2]]
        return kept

    def taken(self, rows: RowArray) -> Parameters:
        """Keeps the bias and some of the rows, in ascending order."""
        return Parameters(self.bias, self.linear[..., rows], self.factors[..., self.with_factors(rows), :])

    def replaced(
        self, rows: RowArray, bias: FloatArray, linear: FloatArray, factors: FloatArray
    ) -> Parameters:
        """Replaces the bias and the weights of some rows, in ascending order."""
        new_linear, new_factors = self.linear.copy(), self.factors.copy()
        new_linear[..., rows], new_factors[..., self.with_factors(rows), :] = linear, factors
        return Parameters(np.asarray(bias), new_linear, new_factors)


def logits(parameters: Parameters, rows: RowArray) -> FloatArray:
    """Computes the log odds of a click on each creative in its context.

    z = b + Σ_f w_f + Σ_{f<g} ⟨v_f, v_g⟩ = b + Σ_f w_f + ½(‖Σ_f v_f‖² − Σ_f ‖v_f‖²)

    Args:
        parameters: bias (…), linear (…, D), factors (…, E, K).
        rows: (N, A), a negative row where a field is absent.

    Returns: (…, N).
    Source: Rendle (2010), Factorization Machines, equation 1 and lemma 3.1.
    """
    meets = (rows >= 0) & (rows < parameters.factors.shape[-2])
    linear = parameters.linear[..., rows] * (rows >= 0)
    factors = parameters.factors[..., np.where(meets, rows, 0), :] * meets[..., None]
    pairs = 0.5 * (np.square(factors.sum(axis=-2)) - np.square(factors).sum(axis=-2)).sum(axis=-1)
    return np.asarray(parameters.bias[..., None] + linear.sum(axis=-1) + pairs)
