"""Exact, certified solver of constrained ranking: see docs/solver.md."""

from ranker.solver.many import SlateBatch, Solutions, solve_many
from ranker.solver.positioned import PositionedProblem
from ranker.solver.problem import SlateProblem
from ranker.solver.request import FREE
from ranker.solver.settings import Deadline, Mode, Settings
from ranker.solver.solution import Solution, Status, draw_slate
from ranker.solver.solve import solve
from ranker.solver.solve_positioned import solve_positioned
from ranker.solver.warm_up import warm_up

__all__ = [
    "FREE",
    "Deadline",
    "Mode",
    "PositionedProblem",
    "Settings",
    "SlateBatch",
    "SlateProblem",
    "Solution",
    "Solutions",
    "Status",
    "draw_slate",
    "solve",
    "solve_many",
    "solve_positioned",
    "warm_up",
]
