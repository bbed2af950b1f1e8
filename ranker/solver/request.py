"""Problems as plain arrays, checked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ranker.errors import InvalidInputError
from ranker.solver.arrays import Floats, Ints, floats, ints
from ranker.solver.kernel import entry, kernel

if TYPE_CHECKING:
    from numpy.typing import NDArray

INTEGERS = ("groups", "caps", "pinned")

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
    for field, array in given.items():
        if array is not None:
            array = ints(field, array) if field in INTEGERS else floats(field, array)
            check_axes(field, array, num_axes + 1 + (field == "weights"))
            arrays[field] = array[None] if num_axes == 0 else array
    num_problems = arrays["limits"].shape[0]
    k = arrays["attention"].shape[1]
    nothing = np.empty((num_problems, 0))
    nobody = np.empty((num_problems, 0), np.int64)
    request = Request(
        arrays["value"],
        arrays["weights"],
        arrays["limits"],
        arrays["attention"],
        arrays.get("violation_price", nothing),
        arrays.get("lower_limits", nothing),
        arrays.get("groups", nobody),
        arrays.get("caps", nobody),
        arrays.get("pinned", nobody),
        np.empty((num_problems, 0, k), np.int64),
        nothing,
    )
    check_shapes(request)
    check_numbers(request)
    if "pinned" in arrays:
        check_pins(request)
    if "groups" in arrays or "caps" in arrays:
        check_caps(request)
    return request


def check_shapes(request: Request) -> None:
    """Raises InvalidInputError unless the arrays fit together."""
    num_problems, num_limits = request.limits.shape
    n, k = request.value.shape[1], request.attention.shape[1]
    check_shape("value", request.value, (num_problems, n))
    check_shape("weights", request.weights, (num_problems, num_limits, n))
    check_shape("attention", request.attention, (num_problems, k))
    if request.violation_price.shape[1]:
        check_shape("violation_price", request.violation_price, request.limits.shape)
    if request.lower_limits.shape[1]:
        check_shape("lower_limits", request.lower_limits, request.limits.shape)
    if not 1 <= k <= n:
        raise InvalidInputError("attention", k, f"needs 1 to {n} positions, a candidate for each")


def check_numbers(request: Request) -> None:
    """Raises InvalidInputError with the first number that cannot be meant."""
    b, fault, number = find_first_fault(request)
    if fault != SOUND:
        field, problem = FAULTS[fault]
        raise InvalidInputError(field, number, f"{problem} (problem {b} of the batch)")


SOUND = 0
FAULTS = (
    ("", ""),
    ("value", "must be finite"),
    ("weights", "must be finite"),
    ("attention", "must be finite and positive"),
    ("attention", "must not increase with the position"),
    ("limits", "must be a number, or inf for none"),
    ("violation_price", "must be positive"),
    ("lower_limits", "must be a number, or -inf for none"),
    ("lower_limits", "must not exceed its limit"),
)


@entry
def find_first_fault(request: Request) -> tuple[int, int, float]:
    """Returns the first problem at fault, the place in FAULTS and the number, or a last SOUND."""
    fault, number = SOUND, 0.0
    for b in range(request.limits.shape[0]):
        fault, number = find_fault(request, b)
        if fault != SOUND:
            return b, fault, number
    return 0, fault, number


@kernel
def find_fault(request: Request, b: int) -> tuple[int, float]:
    """Returns the place in FAULTS, and the number at fault, of problem b, or SOUND."""
    for c in request.value[b]:
        if not np.isfinite(c):
            return 1, c
    for row in request.weights[b]:
        for weight in row:
            if not np.isfinite(weight):
                return 2, weight
    last = np.inf
    for a in request.attention[b]:
        if not 0.0 < a < np.inf:
            return 3, a
        if a > last:
            return 4, a
        last = a
    return find_fault_of_limits(request, b)


@kernel
def find_fault_of_limits(request: Request, b: int) -> tuple[int, float]:
    """Returns the place in FAULTS, and the number at fault, of the limits of problem b, or SOUND."""
    for limit in request.limits[b]:
        if not limit > -np.inf:
            return 5, limit
    for price in request.violation_price[b]:
        if not price > 0.0:
            return 6, price
    for q in range(request.lower_limits.shape[1]):
        lower = request.lower_limits[b, q]
        if not lower < np.inf:
            return 7, lower
        if lower > request.limits[b, q]:
            return 8, lower
    return SOUND, 0.0


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


@kernel
def request_at(batch: Request, b: int) -> Request:
    """Returns problem b of the batch."""
    return Request(
        value=batch.value[b],
        weights=batch.weights[b],
        limits=batch.limits[b],
        attention=batch.attention[b],
        violation_price=batch.violation_price[b],
        lower_limits=batch.lower_limits[b],
        groups=batch.groups[b],
        caps=batch.caps[b],
        pinned=batch.pinned[b],
        known_slates=batch.known_slates[b],
        known_dual=batch.known_dual[b],
    )
