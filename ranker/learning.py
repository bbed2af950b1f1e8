"""The learner's loop: joined rewards in, posterior versions out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from ranker.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ranker.events.records import JoinedReward


class RewardSource(Protocol):
    """Where joined rewards are read."""

    def joined_after(self, sequence: int, limit: int) -> list[JoinedReward]:
        """Returns the next rewards in order of sequence."""
        ...


class RewardLearner(Protocol):
    """Turns rewards into a new posterior."""

    @property
    def sequence(self) -> int:
        """The last joined reward that the newest posterior has learned from."""
        ...

    def learn(self, rewards: Sequence[JoinedReward]) -> str | None:
        """Learns rewards that follow `sequence`; returns the new posterior's version where there is one."""
        ...


@dataclass(frozen=True, slots=True)
class LearningSettings:
    """When a new posterior is due."""

    # Rewards that are worth a posterior at once.
    batch_size: int = 1000
    # Longest that a reward waits for its batch to fill.
    max_wait_seconds: float = 2.0
    # Most rewards that one posterior takes in; what is left makes the next.
    max_batch_size: int = 5_000
    # Pause before looking again.
    poll_seconds: float = 0.1

    def __post_init__(self) -> None:
        if not 1 <= self.batch_size <= self.max_batch_size:
            raise InvalidInputError("batch_size", self.batch_size, f"must lie in 1 … {self.max_batch_size}")
        for name in ("max_wait_seconds", "poll_seconds"):
            if not getattr(self, name) > 0:
                raise InvalidInputError(name, getattr(self, name), "must be positive")


class LearningLoop:
    """Decides at each step whether what has arrived makes a batch."""

    def __init__(
        self,
        source: RewardSource,
        learner: RewardLearner,
        settings: LearningSettings,
        clock: Callable[[], float],
    ) -> None:
        self._source = source
        self._learner = learner
        self._settings = settings
        self._clock = clock
        self._waiting_since: float | None = None

    def step(self) -> str | None:
        """Learns what is due; returns the new version, or None where nothing is due yet."""
        settings = self._settings
        rewards = self._source.joined_after(self._learner.sequence, settings.max_batch_size)
        if not rewards:
            self._waiting_since = None
            return None
        if self._waiting_since is None:
            self._waiting_since = self._clock()
        overdue = self._clock() - self._waiting_since >= settings.max_wait_seconds
        if len(rewards) < settings.batch_size and not overdue:
            return None
        self._waiting_since = None
        return self._learner.learn(rewards)
