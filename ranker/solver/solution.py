"""The answer: a mixture of slates, what it uses, and how far it can be from the best."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ranker.errors import InvalidInputError

if TYPE_CHECKING:
    from ranker.solver.arrays import Floats, Ints
    from ranker.solver.workspace import Answers, Sheet


class Status(IntEnum):
    """Says what the solver can promise about a solution."""

    OPTIMAL = 0
    """The gap is within the tolerance."""

    STOPPED = 1
    """Deadline, step limit or rounding: the best mixture so far, with a true bound."""

    INFEASIBLE = 2
    """The hard limits cannot hold together: the mixture that breaks them least."""


class Solution(NamedTuple):
    """Holds the mixture to draw from and its certificate: a tuple, as a frozen dataclass takes 3 µs to fill.

    With (·)₊ for the positive part, π for `violation_price` and x for the expected attention `(n,)`:
    objective = cᵀx − Σ π_q violation_q over the finite π_q, and whatever is returned,
    objective ≤ best ≤ upper_bound, where the hard limits of "best" are widened by `violation`.
    """

    status: Status
    objective: float
    upper_bound: float
    dual: Floats
    """λ `(K,)`: worth of a unit of each limit; negative where a lower limit binds."""

    slates: Ints
    """`(m, k)`: candidates by position, m ≤ K + 1."""

    probabilities: Floats
    """`(m,)`: chance of each slate; they sum to 1."""

    slate_value: Floats
    """`(m,)`: Σⱼ aⱼ c of each slate."""

    slate_use: Floats
    """`(m, K)`: Σⱼ aⱼ M of each slate."""

    use: Floats
    """`(K,)`: expected use, Mx."""

    slack: Floats
    """`(K,)`: room to the nearer of the two limits, 0 where one is tight or broken."""

    violation: Floats
    """`(K,)`: (Mx − b)₊ + (l − Mx)₊."""

    infeasibility_proof: Floats | None
    """d `(K,)`, only when INFEASIBLE: every slate has dᵀ(use) > d₊ᵀb − d₋ᵀl, so no mixture fits."""

    num_steps: int
    """Slates that were priced."""

    @property
    def gap(self) -> float:
        """Returns upper_bound − objective, in units of value."""
        return self.upper_bound - self.objective

    @property
    def slate_gap(self) -> Floats:
        """Returns `(m,)`: what serving only that slate could lose at most, in units of value."""
        return self.upper_bound - self.slate_value


def draw_slate(solution: Solution, u: float) -> int:
    """Returns the index of the slate that u, uniform in [0, 1), picks: min{i : u < Σ_{h≤i} p_h}."""
    if not 0.0 <= u < 1.0:
        raise InvalidInputError("u", u, "must lie in [0, 1)")
    index = int(np.searchsorted(np.cumsum(solution.probabilities), u, side="right"))
    return min(index, solution.probabilities.size - 1)


STATUSES = tuple(Status)


def only_solution(sheet: Sheet) -> Solution:
    """Returns the answer to a batch of one: `solution_at(answers_in(sheet), 0)` in half the time."""
    (_, num_slates, num_limits, k), floats, ints = sheet
    use, slack, violation, dual, proof = floats[: 5 * num_limits].reshape(5, num_limits)
    chance, value = 5 * num_limits, 5 * num_limits + num_slates
    end = value + num_slates
    status, m, num_steps = ints[:3].tolist()
    return Solution(
        status=STATUSES[status],
        objective=floats.item(end),
        upper_bound=floats.item(end + 1),
        dual=dual,
        slates=ints[3 : 3 + m * k].reshape(m, k),
        probabilities=floats[chance : chance + m],
        slate_value=floats[value : value + m],
        slate_use=floats[end + 2 : end + 2 + m * num_limits].reshape(m, num_limits),
        use=use,
        slack=slack,
        violation=violation,
        infeasibility_proof=proof if status == Status.INFEASIBLE else None,
        num_steps=num_steps,
    )


def solution_at(answers: Answers, b: int) -> Solution:
    """Returns the answer to problem b."""
    m = int(answers.num_slates[b])
    status = STATUSES[answers.status[b]]
    return Solution(
        status=status,
        objective=float(answers.objective[b]),
        upper_bound=float(answers.upper_bound[b]),
        dual=answers.dual[b],
        slates=answers.slates[b, :m],
        probabilities=answers.probabilities[b, :m],
        slate_value=answers.slate_value[b, :m],
        slate_use=answers.slate_use[b, :m],
        use=answers.use[b],
        slack=answers.slack[b],
        violation=answers.violation[b],
        infeasibility_proof=answers.proof[b] if status is Status.INFEASIBLE else None,
        num_steps=int(answers.num_steps[b]),
    )
