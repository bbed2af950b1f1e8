"""How the numerical functions of this package are compiled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, cast

from numba import njit

if TYPE_CHECKING:
    from collections.abc import Callable

F = TypeVar("F", bound="Callable[..., Any]")


def kernel(function: F) -> F:
    """Compiles `function` to machine code that neither allocates nor holds the GIL, and caches it on disk.

    Products and sums may fuse; nothing else of floating-point semantics is given up, so that the
    result does not depend on the batch or on the thread. Without allocation there is nothing to
    count references of: `_nrt=False` turns the counting off, which halves time and code.
    """
    compile_function = cast("Any", njit)
    options = {"cache": True, "nogil": True, "error_model": "numpy", "fastmath": {"contract"}}
    return cast("F", compile_function(_nrt=False, **options)(function))
