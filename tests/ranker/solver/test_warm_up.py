from __future__ import annotations

from typing import Any

import pytest
from numba.core import config

from ranker.solver import warm_up
from ranker.solver.batch import solve_range
from ranker.solver.careful import solve_carefully
from ranker.solver.every_slate import search_slates
from ranker.solver.request import find_first_fault


@pytest.mark.skipif(bool(config.DISABLE_JIT), reason="nothing is compiled")
@pytest.mark.timeout(900)  # Where the cache is cold, this compiles everything, one kernel after the other.
def test_nothing_is_left_to_compile_once_warm() -> None:
    warm_up()
    kernels: list[Any] = [find_first_fault, solve_range, solve_carefully, search_slates]
    for kernel in kernels:
        assert len(kernel.signatures) == 1, kernel
