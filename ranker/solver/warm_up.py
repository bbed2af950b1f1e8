"""Compilation before the first request."""

from __future__ import annotations

import numpy as np

from ranker.solver.problem import SlateProblem
from ranker.solver.settings import Mode, Settings
from ranker.solver.solve import solve

SHORT_BY_A_HAIR = 1e-10
"""The limit can be kept only so nearly: the first pass lets that pass, its check does not."""


def warm_up() -> None:
    """Compiles every kernel, or loads it from the cache of an earlier process: call it before serving.

    That is the search for a mixture, its second pass, and the search for a slate.
    """
    limits = np.array([1.0 - SHORT_BY_A_HAIR])
    problem = SlateProblem(np.array([2.0, 1.0]), np.ones((1, 2)), limits, np.array([1.0]))
    solve(problem, Settings(mode=Mode.EVERY_SLATE))
