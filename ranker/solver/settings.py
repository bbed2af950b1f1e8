"""Settings of the slate solver."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from ranker.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Callable


class Mode(Enum):
    """Says where the limits hold."""

    IN_EXPECTATION = "in_expectation"
    """Over the draws of the mixture: exact, K + 1 slates at most."""

    EVERY_SLATE = "every_slate"
    """On the one slate that is returned: an integer program, solved with a certified gap."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Says when the solver may stop and how it walks."""

    gap_tolerance: float = 1e-9
    """Stop when (upper bound − objective) ≤ this × |objective|."""

    max_num_steps: int = 100_000
    """Stop after so many slates have been priced."""

    smoothing: float = 0.6
    """Weight of the best dual so far in the next query, in [0, 1): 0 is Kelley's method."""

    steps_until_ellipsoid: int = 5000
    """After so many steps of a stage every other query is the center of an ellipsoid: see `ellipsoid`."""

    mode: Mode = Mode.IN_EXPECTATION
    """Where the limits hold."""

    def __post_init__(self) -> None:
        if not 0.0 <= self.gap_tolerance < 1.0:
            raise InvalidInputError("gap_tolerance", self.gap_tolerance, "must lie in [0, 1)")
        if not 0.0 <= self.smoothing < 1.0:
            raise InvalidInputError("smoothing", self.smoothing, "must lie in [0, 1)")
        for field, least in (("steps_until_ellipsoid", 0), ("max_num_steps", 1)):
            number = getattr(self, field)
            # Kernels are compiled for integers of 64 bits: for another type it would be done in a request.
            if type(number) is not int or not least <= number < 2**62:
                raise InvalidInputError(field, number, f"must be a whole number, {least} … 2⁶² − 1")
        if not isinstance(self.mode, Mode):
            raise InvalidInputError("mode", self.mode, "must be a ranker.solver.Mode")


class Deadline(NamedTuple):
    """Says when to stop, on a clock of the caller's choice."""

    clock: Callable[[], float]
    """Returns the time now, in seconds."""

    at: float
    """The time to stop at, in seconds."""

    def seconds_left(self) -> float:
        """Returns the time that is left, negative once it has passed."""
        return self.at - self.clock()
