"""Problems as plain arrays, checked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ranker.errors import InvalidInputError
from ranker.solver.arrays import Floats, Ints, floats, ints

if TYPE_CHECKING:
    from numpy.typing import NDArray

FREE = -1
"""Marks a position that no candidate is pinned to."""


class Request(NamedTuple):
    """Holds B problems, one a row of each array; an absent field has rows of length 0."""

    value: Floats
    weights: Floats
    limits: Floats
    attention: Floats
    violation_price: Floats
    lower_limits: Floats
    groups: Ints
    caps: Ints
    pinned: Ints
    known_slates: Ints
    known_dual: Floats


def make_request(given: dict[str, Any], num_axes: int) -> Request:
    """Returns the request for the arrays of one problem (num_axes = 0) or of many (num_axes = 1).

    Raises InvalidInputError, naming the field and its value, when it makes no sense.
    """
    arrays: dict[str, Any] = {}
    for field in ("value", "weights", "limits", "attention", "violation_price", "lower_limits"):
        if given[field] is not None:
            arrays[field] = floats(field, given[field])
    for field in ("groups", "caps", "pinned"):
        if given[field] is not None:
            arrays[field] = ints(field, given[field])
    for field, array in arrays.items():
        check_axes(field, array, num_axes + 1 + (field == "weights"))
        arrays[field] = array[None] if num_axes == 0 else array
    num_problems, num_limits = arrays["limits"].shape
    nothing = np.empty((num_problems, 0), np.int64)
    request = Request(
        arrays["value"],
        arrays["weights"],
        arrays["limits"],
        arrays["attention"],
        arrays.get("violation_price", np.full((num_problems, num_limits), np.inf)),
        arrays.get("lower_limits", np.full((num_problems, num_limits), -np.inf)),
        arrays.get("groups", nothing),
        arrays.get("caps", nothing),
        arrays.get("pinned", nothing),
        np.empty((num_problems, 0, arrays["attention"].shape[1]), np.int64),
        np.zeros((num_problems, num_limits)),
    )
    check_numbers(request)
    check_limits(request)
    if request.pinned.size:
        check_pins(request)
    if request.groups.size or request.caps.size:
        check_caps(request)
    return request


def check_numbers(request: Request) -> None:
    """Raises InvalidInputError unless value, weights and attention fit together."""
    num_problems, n = request.value.shape
    k = request.attention.shape[1]
    check_shape("weights", request.weights, (num_problems, request.limits.shape[1], n))
    check_shape("attention", request.attention, (num_problems, k))
    check_all("value", request.value, np.isfinite(request.value), "must be finite")
    check_all("weights", request.weights, np.isfinite(request.weights), "must be finite")
    attention = request.attention
    check_all("attention", attention, np.isfinite(attention), "must be finite")
    check_all("attention", attention, attention > 0.0, "must be positive")
    falling = attention[:, 1:] <= attention[:, :-1]
    check_all("attention", attention[:, 1:], falling, "must not increase with the position")
    if not 1 <= k <= n:
        raise InvalidInputError("attention", k, f"needs 1 to {n} positions, a candidate for each")


def check_limits(request: Request) -> None:
    """Raises InvalidInputError unless the limits and their prices can be meant."""
    shape = request.limits.shape
    check_shape("value", request.value, (shape[0], request.value.shape[1]))
    check_shape("violation_price", request.violation_price, shape)
    check_shape("lower_limits", request.lower_limits, shape)
    check_all("limits", request.limits, request.limits > -np.inf, "must be a number, or inf for none")
    check_all("violation_price", request.violation_price, request.violation_price > 0.0, "must be positive")
    lower = request.lower_limits
    check_all("lower_limits", lower, lower < np.inf, "must be a number, or -inf for none")
    check_all("lower_limits", lower, lower <= request.limits, "must not exceed its limit")


def check_pins(request: Request) -> None:
    """Raises InvalidInputError unless the pins name each candidate once."""
    num_problems, n = request.value.shape
    check_shape("pinned", request.pinned, (num_problems, request.attention.shape[1]))
    inside = (request.pinned >= FREE) & (request.pinned < n)
    check_all("pinned", request.pinned, inside, f"must be a candidate, 0..{n - 1}, or {FREE}")
    pins = np.sort(request.pinned, axis=1)
    twice = (pins[:, 1:] == pins[:, :-1]) & (pins[:, 1:] != FREE)
    check_all("pinned", pins[:, 1:], ~twice, "must not name a candidate twice")


def check_caps(request: Request) -> None:
    """Raises InvalidInputError unless the caps admit a slate with the pinned candidates."""
    groups, caps = request.groups, request.caps
    if not groups.size or not caps.size:
        raise InvalidInputError("caps", caps.tolist(), "needs groups, and groups need caps")
    num_problems, num_groups = caps.shape
    check_shape("groups", groups, request.value.shape)
    check_shape("caps", caps, (request.value.shape[0], num_groups))
    inside = (groups >= 0) & (groups < num_groups)
    check_all("groups", groups, inside, f"must be a group that has a cap, 0..{num_groups - 1}")
    check_all("caps", caps, caps >= 0, "must not be negative")
    rows = np.arange(num_problems)[:, None]
    room = np.minimum(count_groups(rows, groups, caps.shape), caps)
    k = request.attention.shape[1]
    check_all("caps", room.sum(axis=1), room.sum(axis=1) >= k, f"must admit {k} candidates")
    if request.pinned.size:
        where = np.nonzero(request.pinned != FREE)
        pinned_groups = groups[where[0], request.pinned[where]]
        fits = count_groups(where[0], pinned_groups, caps.shape) <= caps
        check_all("caps", caps, fits, "must admit the pinned candidates")


def count_groups(rows: Ints, groups: Ints, shape: tuple[int, ...]) -> Ints:
    """Returns how often each group occurs in each row."""
    flat = (rows * shape[1] + groups).ravel()
    return np.bincount(flat, minlength=shape[0] * shape[1]).reshape(shape)


def check_axes(field: str, array: NDArray[Any], num_axes: int) -> None:
    """Raises InvalidInputError unless the array has so many axes."""
    if array.ndim != num_axes:
        raise InvalidInputError(field, array.shape, f"must have {num_axes} axes")


def check_shape(field: str, array: NDArray[Any], shape: tuple[int, ...]) -> None:
    """Raises InvalidInputError unless the array has that shape."""
    if array.shape != shape:
        raise InvalidInputError(field, array.shape, f"must have the shape {shape}, problems first")


def check_all(field: str, array: NDArray[Any], good: NDArray[np.bool_], problem: str) -> None:
    """Raises InvalidInputError with the first entry that is not good."""
    if not good.all():
        where = tuple(np.argwhere(~good)[0].tolist())
        raise InvalidInputError(
            field, array[where].item(), f"{problem} (entry {where[1:]} of problem {where[0]})"
        )
