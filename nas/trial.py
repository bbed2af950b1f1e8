"""What a strategy is told: an architecture, how good it was and how long it took."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite, nan
from typing import TYPE_CHECKING, Protocol

from nas.errors import SearchError

if TYPE_CHECKING:
    from nas.space import Architecture


@dataclass(frozen=True)
class Trial:
    """An architecture that was evaluated once."""

    architecture: Architecture
    quality: float
    """The higher the better: an accuracy, or minus a log loss."""
    latency: float = nan
    """Any positive unit; nan where it was not measured."""

    def __post_init__(self) -> None:
        if not isfinite(self.quality):
            raise SearchError("trial.quality", self.quality, "must be finite")
        if self.latency <= 0.0:
            raise SearchError("trial.latency", self.latency, "must be positive")


class Strategy(Protocol):
    """Proposes architectures and learns from their trials.

    Several may be asked before the first is told, so that they can be evaluated side by side, and trials of
    architectures that were never asked for are welcome too.
    """

    def ask(self) -> Architecture:
        """Proposes the next architecture."""
        ...

    def tell(self, trial: Trial) -> None:
        """Takes a result."""
        ...
