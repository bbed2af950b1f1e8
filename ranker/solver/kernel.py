"""How the numerical functions of this package are compiled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, cast

from numba import njit

if TYPE_CHECKING:
    from collections.abc import Callable

F = TypeVar("F", bound="Callable[..., Any]")


OPTIONS: dict[str, Any] = {
    "cache": True,
    "nogil": True,
    "error_model": "numpy",
    "fastmath": {"contract"},
    "_nrt": False,
    "no_cfunc_wrapper": True,
}
"""Products and sums may fuse; nothing else of floating-point semantics is given up, so that the result
depends neither on the batch nor on the thread. What allocates nothing has no references to count:
`_nrt=False` turns the counting off, which halves time and code."""


def entry(function: F) -> F:
    """Compiles `function`, which Python calls, to machine code that neither allocates nor holds the GIL."""
    return cast("F", cast("Any", njit)(**OPTIONS)(function))


def kernel(function: F) -> F:
    """Compiles `function`, which only kernels call: without the code to be called by Python."""
    return cast("F", cast("Any", njit)(no_cpython_wrapper=True, **OPTIONS)(function))
