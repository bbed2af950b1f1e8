"""The problem whose values and weights depend on the position, in whatever way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.optimize import linear_sum_assignment

from ranker.errors import InvalidInputError
from ranker.solver.arrays import Floats, floats
from ranker.solver.problem import SlateProblem

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEAST_SIZE, GREATEST_SIZE = 1e-130, 1e130
"""Of the largest value, and of the largest weight of each limit, unless they are 0."""


@dataclass(frozen=True, eq=False)
class PositionedProblem:
    """Asks for the best mixture of slates r where each (candidate, position) has its own value and weights.

    max E[Σⱼ Vᵣ₍ⱼ₎ⱼ]   subject to   l_q ≤ E[Σⱼ W_q,ᵣ₍ⱼ₎ⱼ] ≤ b_q,   q = 1…K

    SlateProblem is the case V = c aᵀ, W_q = M_q aᵀ, and is solved far faster.
    Raises InvalidInputError, naming the field and its value, when the problem makes no sense.
    """

    value: Floats
    """V `(n, k)`: worth of each candidate at each position, attention included."""

    weights: Floats
    """W `(K, n, k)`: use that each candidate at each position makes of each limit."""

    limits: Floats
    """b `(K,)`: what the expected use may be at most; inf for no such limit."""

    violation_price: Floats | None = None
    """`(K,)`: cost of a unit of violation, inf where the limit is hard; None: all are hard."""

    lower_limits: Floats | None = None
    """l `(K,)`: what the expected use must be at least; -inf or None for no such limit."""

    allowed: NDArray[np.bool_] | None = None
    """`(n, k)`: whether each candidate may stand at each position; None: everywhere."""

    def __post_init__(self) -> None:
        for field, num_axes in (("value", 2), ("weights", 3), ("limits", 1)):
            array = floats(field, getattr(self, field))
            if array.ndim != num_axes:
                raise InvalidInputError(field, array.shape, f"must have {num_axes} axes")
            object.__setattr__(self, field, array)
        n, k = self.value.shape
        if not 1 <= k <= n:
            raise InvalidInputError("value", (n, k), f"needs 1 to {n} positions, a candidate for each")
        check_shape("weights", self.weights, (self.limits.size, n, k))
        check_finite("value", self.value)
        check_finite("weights", self.weights)
        check_limits(self)
        check_sizes(self)
        if self.allowed is not None:
            check_allowed(self)

    @property
    def num_candidates(self) -> int:
        """Returns n."""
        return int(self.value.shape[0])

    @property
    def num_constraints(self) -> int:
        """Returns K."""
        return self.limits.size

    @property
    def num_positions(self) -> int:
        """Returns k."""
        return int(self.value.shape[1])


def check_limits(problem: PositionedProblem) -> None:
    """Raises InvalidInputError unless limits and prices make sense, by the rules of SlateProblem."""
    num_limits = problem.limits.size
    sound = SlateProblem(
        np.zeros(1),
        np.zeros((num_limits, 1)),
        problem.limits,
        np.ones(1),
        problem.violation_price,
        problem.lower_limits,
    )
    for field in ("limits", "violation_price", "lower_limits"):
        object.__setattr__(problem, field, getattr(sound, field))


def check_sizes(problem: PositionedProblem) -> None:
    """Raises InvalidInputError where sums, products or ratios of the numbers could leave double precision."""
    rows = [("weights", row, LEAST_SIZE) for row in problem.weights]
    for field, array, least in [("value", problem.value, LEAST_SIZE), *rows, ("limits", problem.limits, 0.0)]:
        size = float(np.abs(array[np.isfinite(array)]).max(initial=0.0))
        if size > 0.0 and not least <= size <= GREATEST_SIZE:
            limits = f"{LEAST_SIZE:g} … {GREATEST_SIZE:g}"
            raise InvalidInputError(field, size, f"must be of a size within {limits}: choose other units")


def check_allowed(problem: PositionedProblem) -> None:
    """Raises InvalidInputError unless some slate is allowed."""
    allowed = np.asarray(problem.allowed)
    if allowed.dtype != np.bool_:
        raise InvalidInputError("allowed", problem.allowed, "must be an array of booleans")
    check_shape("allowed", allowed, problem.value.shape)
    object.__setattr__(problem, "allowed", allowed)
    num_filled = int(allowed[linear_sum_assignment(allowed, maximize=True)].sum())
    if num_filled < problem.num_positions:
        raise InvalidInputError("allowed", num_filled, f"must admit {problem.num_positions} positions")


def check_shape(field: str, array: NDArray[Any], shape: tuple[int, ...]) -> None:
    """Raises InvalidInputError unless the array has that shape."""
    if array.shape != shape:
        raise InvalidInputError(field, array.shape, f"must have the shape {shape}")


def check_finite(field: str, array: Floats) -> None:
    """Raises InvalidInputError with the first entry that is not finite."""
    finite = np.isfinite(array)
    if not finite.all():
        where = tuple(np.argwhere(~finite)[0].tolist())
        raise InvalidInputError(field, float(array[where]), f"must be finite (entry {where})")
