"""Limits in the words of the product, stacked into the rows of a SlateProblem or a PositionedProblem."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ranker.errors import InvalidInputError
from ranker.solver.arrays import floats

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike

    from ranker.solver.arrays import Floats


class Limit(NamedTuple):
    """Holds lower ≤ E[Σⱼ aⱼ weights_r(j)] ≤ upper, or E[Σⱼ weights_r(j),j] for weights by position."""

    weights: Floats
    """`(n,)`, or `(n, k)` where they depend on the position in another way than by attention."""

    lower: float
    """The least expected use, -inf for none."""

    upper: float
    """The greatest expected use, inf for none."""


class Limits(NamedTuple):
    """Holds what a problem takes: `SlateProblem(value, attention=a, **limits._asdict())`."""

    weights: Floats
    """`(K, n)`, or `(K, n, k)` for a PositionedProblem."""

    limits: Floats
    """`(K,)`."""

    lower_limits: Floats
    """`(K,)`."""


def stack(limits: Sequence[Limit], num_candidates: int) -> Limits:
    """Returns the rows of some limits, in their order, for a SlateProblem."""
    for limit in limits:
        if limit.weights.shape != (num_candidates,):
            raise InvalidInputError(
                "weights", limit.weights.shape, f"must be ({num_candidates},); stack_positioned takes (n, k)"
            )
    return _stacked(limits, [limit.weights for limit in limits], (num_candidates,))


def stack_positioned(limits: Sequence[Limit], num_candidates: int, attention: ArrayLike) -> Limits:
    """Returns the rows of some limits, in their order, for a PositionedProblem of value `np.outer(c, a)`.

    Weights `(n,)` become weights × attention.
    """
    curve = floats("attention", attention)
    shape = (num_candidates, curve.size)
    weights = []
    for limit in limits:
        if limit.weights.shape not in ((num_candidates,), shape):
            raise InvalidInputError("weights", limit.weights.shape, f"must be ({num_candidates},) or {shape}")
        weights.append(np.outer(limit.weights, curve) if limit.weights.ndim == 1 else limit.weights)
    return _stacked(limits, weights, shape)


def _stacked(limits: Sequence[Limit], weights: list[Floats], shape: tuple[int, ...]) -> Limits:
    uppers, lowers = [limit.upper for limit in limits], [limit.lower for limit in limits]
    rows = np.array(weights).reshape(len(limits), *shape)
    return Limits(rows, np.array(uppers, np.float64), np.array(lowers, np.float64))


def attention_share(
    members: ArrayLike, attention: ArrayLike, *, at_least: float = 0.0, at_most: float = 1.0
) -> Limit:
    """Limits the share of all attention that the members `(n,)` of a group get: Σ_members x / Σa."""
    if not 0.0 <= at_least <= at_most <= 1.0:
        raise InvalidInputError("at_least, at_most", (at_least, at_most), "must be shares in order")
    total = float(floats("attention", attention).sum())
    lower = at_least * total if at_least > 0.0 else -np.inf
    return Limit(indicator(members), lower, at_most * total if at_most < 1.0 else np.inf)


def average(
    attribute: ArrayLike,
    attention: ArrayLike,
    *,
    at_least: float = -np.inf,
    at_most: float = np.inf,
) -> Limit:
    """Limits the mean of an attribute `(n,)` over attended impressions: xᵀattribute / Σa."""
    check_order(at_least, at_most)
    total = float(floats("attention", attention).sum())
    return Limit(floats("attribute", attribute), at_least * total, at_most * total)


def exposure(members: ArrayLike, *, at_least: float = -np.inf, at_most: float = np.inf) -> Limit:
    """Limits the attended impressions a slate gives the members `(n,)`, as an advertiser is sold them."""
    check_order(at_least, at_most)
    return Limit(indicator(members), at_least, at_most)


def count_in_top(
    members: ArrayLike,
    num_top: int,
    num_positions: int,
    *,
    at_least: float = -np.inf,
    at_most: float = np.inf,
) -> Limit:
    """Limits how many of the members `(n,)` stand among the first `num_top` positions, on average.

    A count is no share of attention, so its weights depend on the position: it takes a PositionedProblem.
    """
    check_order(at_least, at_most)
    if num_top not in range(1, num_positions + 1):
        raise InvalidInputError("num_top", num_top, f"must be one of 1 … {num_positions}")
    top = (np.arange(num_positions) < num_top).astype(np.float64)
    return Limit(np.outer(indicator(members), top), at_least, at_most)


def check_order(at_least: float, at_most: float) -> None:
    """Raises InvalidInputError unless something lies between the two, which NaN does not."""
    if not at_least <= at_most:
        raise InvalidInputError("at_least, at_most", (at_least, at_most), "must be numbers in order")


def indicator(members: ArrayLike) -> Floats:
    """Returns 1 for the members and 0 for the others, `(n,)`."""
    array = np.asarray(members)
    if array.dtype != np.bool_ or array.ndim != 1:
        raise InvalidInputError("members", members, "must be an array of booleans, one a candidate")
    return array.astype(np.float64)
