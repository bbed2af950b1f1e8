"""Compilation before the first request."""

from __future__ import annotations

import numpy as np

from ranker.solver.problem import SlateProblem
from ranker.solver.solve import solve


def warm_up() -> None:
    """Compiles every kernel, or loads it from the cache of an earlier process: call it before serving."""
    solve(SlateProblem(np.array([2.0, 1.0]), np.array([[1.0, 0.0]]), np.array([0.5]), np.array([1.0])))
