"""A ladder of models: of several that answer the same question, the slower are the better."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ranker.errors import InvalidInputError


@dataclass(frozen=True)
class Rung:
    """A model of a ladder, how good it is, and how long it takes."""

    model_version: str
    log_loss: float
    """Of rows that did not train it."""
    num_candidates: tuple[int, ...]
    """Rising; where the time was predicted."""
    upper_seconds: tuple[float, ...]
    """What scoring so many candidates at once is predicted to take at most."""

    def __post_init__(self) -> None:
        name = f"rungs[{self.model_version}]"
        if not math.isfinite(self.log_loss):
            raise InvalidInputError(f"{name}.log_loss", self.log_loss, "must be finite")
        counts = self.num_candidates
        if not counts or counts[0] < 1 or any(a >= b for a, b in pairwise(counts)):
            raise InvalidInputError(f"{name}.num_candidates", counts, "must be positive and rise")
        if len(self.upper_seconds) != len(counts):
            raise InvalidInputError(
                f"{name}.upper_seconds", self.upper_seconds, f"must be one a num_candidates ({len(counts)})"
            )
        for seconds in self.upper_seconds:
            if not 0.0 < seconds < math.inf:
                raise InvalidInputError(f"{name}.upper_seconds", seconds, "must be positive and finite")

    def upper(self, num_candidates: int) -> float:
        """Returns the seconds for any number: linear in between, in proportion beyond the largest.

        Below the smallest it is that of the smallest.
        """
        beyond = max(1.0, num_candidates / self.num_candidates[-1])
        return beyond * float(np.interp(num_candidates, self.num_candidates, self.upper_seconds))


@dataclass(frozen=True)
class Ladder:
    """Models of one schema, the best first."""

    schema_id: str
    rungs: tuple[Rung, ...]

    def __post_init__(self) -> None:
        if not self.rungs:
            raise InvalidInputError("rungs", self.rungs, "must be at least one")
        versions = [rung.model_version for rung in self.rungs]
        if len(set(versions)) < len(versions):
            raise InvalidInputError("rungs.model_version", versions, "must differ")
        for better, worse in pairwise(self.rungs):
            if better.log_loss > worse.log_loss:
                raise InvalidInputError(
                    f"rungs[{worse.model_version}].log_loss",
                    worse.log_loss,
                    "must not be below the one before",
                )
