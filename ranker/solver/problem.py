"""The problem: which slate, or mixture of slates, is worth most within the limits."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from ranker.errors import InvalidInputError
from ranker.solver.request import INTEGERS, Request, make_request

if TYPE_CHECKING:
    from ranker.solver.arrays import Floats, Ints
    from ranker.solver.many import SlateBatch

REQUIRED = ("value", "weights", "limits", "attention")


@dataclass(frozen=True, eq=False)
class SlateProblem:
    """Asks for the best mixture of slates r of k out of n candidates within K limits.

    max E[Σⱼ aⱼ cᵣ₍ⱼ₎]   subject to   l_q ≤ E[Σⱼ aⱼ M_q,ᵣ₍ⱼ₎] ≤ b_q,   q = 1…K

    Raises InvalidInputError, naming the field and its value, when the problem makes no sense.
    """

    value: Floats
    """c `(n,)`: worth of an attended impression of each candidate."""

    weights: Floats
    """M `(K, n)`: use that an attended impression of each candidate makes of each limit."""

    limits: Floats
    """b `(K,)`: what the expected use may be at most; inf for no such limit."""

    attention: Floats
    """a `(k,)`: chance that each position is looked at, positive and not increasing."""

    violation_price: Floats | None = None
    """`(K,)`: cost of a unit of violation, inf where the limit is hard; None: all are hard."""

    lower_limits: Floats | None = None
    """l `(K,)`: what the expected use must be at least; -inf or None for no such limit."""

    groups: Ints | None = None
    """`(n,)`: group of each candidate, for `caps`."""

    caps: Ints | None = None
    """`(num_groups,)`: how many candidates of each group any slate may hold."""

    pinned: Ints | None = None
    """`(k,)`: the candidate that every slate shows at each position, FREE where none is."""

    request: Request = field(init=False, repr=False)
    """The problem as the kernels read it."""

    def __post_init__(self) -> None:
        given = given_fields(self)
        request = make_request(given, num_axes=0)
        object.__setattr__(self, "request", request)
        for name in given:
            if getattr(self, name) is not None:
                object.__setattr__(self, name, getattr(request, name)[0])

    @property
    def num_candidates(self) -> int:
        """Returns n."""
        return self.value.size

    @property
    def num_constraints(self) -> int:
        """Returns K."""
        return self.limits.size

    @property
    def num_positions(self) -> int:
        """Returns k."""
        return self.attention.size


def given_fields(asked: SlateProblem | SlateBatch) -> dict[str, Any]:
    """Returns the fields as they were given, or raises InvalidInputError for one that is missing.

    Groups, caps and pins are copied: kernels index by them, and what is checked must stay so.
    """
    given = {each.name: getattr(asked, each.name) for each in fields(asked) if each.init}
    for name in REQUIRED:
        if given[name] is None:
            raise InvalidInputError(name, None, "must be given")
    for name in INTEGERS:
        if given[name] is not None:
            given[name] = np.array(given[name])
    return given
