"""The array types that the kernels are compiled for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ranker.errors import InvalidInputError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Numbers = Floats | Singles
Ints = NDArray[np.int64]
Records = NDArray[Any]
"""Arrays of records, whose fields are read as `array[i].field`."""


def floats(field: str, value: ArrayLike) -> Floats:
    """Returns `value` as a contiguous, aligned and writeable array, or says why it is none."""
    try:
        array = np.ascontiguousarray(value, np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidInputError(field, value, "must be an array of numbers") from error
    return array if array.flags.carray else array.copy()


def ints(field: str, value: ArrayLike) -> Ints:
    """Returns `value` as a contiguous, aligned and writeable array, or says why it is none."""
    array = np.asarray(value)
    if array.dtype.kind not in "iu":
        raise InvalidInputError(field, value, "must be an array of integers")
    array = np.ascontiguousarray(array, np.int64)
    return array if array.flags.carray else array.copy()
