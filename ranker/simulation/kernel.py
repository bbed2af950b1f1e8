"""How the loops of this package are compiled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, cast

from numba import njit

if TYPE_CHECKING:
    from collections.abc import Callable

F = TypeVar("F", bound="Callable[..., Any]")


def kernel(function: F) -> F:
    """Compiles `function` to machine code that does not hold the GIL; the code is kept on disk."""
    return cast("F", cast("Any", njit)(cache=True, nogil=True, error_model="numpy")(function))
