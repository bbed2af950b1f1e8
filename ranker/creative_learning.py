"""Feeds the creative bandit's learner with joined rewards: the learner process."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from bandit import snapshot as posterior_store
from bandit.learner import CreativeLearner, LearnerSettings
from bandit.outcomes import CreativeOutcome
from bandit.space import CreativeCatalogue
from bandit.streaming import absorb
from ranker.errors import NotFoundError
from ranker.events.lease import Lease, open_lease_rows
from ranker.events.reader import EventReader
from ranker.learning import LearningLoop
from ranker.pending_creatives import pending_creatives

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Sequence

    from ranker.events.records import JoinedReward
    from ranker.home import Home
    from ranker.learning import LearningSettings
    from ranker.pending_creatives import OpenWindows


logger = logging.getLogger(__name__)


class CreativeRewards:
    """A `RewardLearner` that learns from the positions that showed a creative.

    Of those without a reward so far `windows` tells, so that their silence is weighed by their age.
    """

    def __init__(
        self, learner: CreativeLearner, clock: Callable[[], float], windows: OpenWindows | None = None
    ) -> None:
        self._learner = learner
        self._clock = clock
        self._windows = windows
        # May run ahead of the posterior's own mark, where what followed showed no creative.
        self._sequence = learner.start(clock()).provenance.sequence

    @property
    def sequence(self) -> int:
        """The last joined reward that is learned or holds nothing to learn."""
        return self._sequence

    def learn(self, rewards: Sequence[JoinedReward]) -> str | None:
        """Learns and publishes; returns the new version, or None where no reward was of a creative."""
        shown = [outcome for reward in rewards if (outcome := _outcome(reward)) is not None]
        outcomes = [outcome for outcome in shown if self._learner.knows(outcome)]
        if len(outcomes) < len(shown):
            logger.warning("%d rewards of retired creatives are not learned", len(shown) - len(outcomes))
        version = self._learned(outcomes, rewards[-1].sequence) if outcomes else None
        self._sequence = rewards[-1].sequence
        return version

    def _learned(self, outcomes: Sequence[CreativeOutcome], sequence: int) -> str:
        now, pending = self._clock(), None
        if self._windows is not None:
            pending = pending_creatives(self._windows, self._learner.knows, now)
        return self._learner.learn(outcomes, sequence, now, pending)


def _outcome(joined: JoinedReward) -> CreativeOutcome | None:
    creative = joined.decision.shown[joined.position].creative
    if creative is None:
        return None
    return CreativeOutcome(creative.space_id, joined.decision.context, creative.elements, joined.reward)


class Inference(StrEnum):
    """How a posterior is fitted to what is remembered."""

    CLOSED_FORM = "closed_form"
    SVI = "svi"  # by Pyro: needs the extra `learn`


@dataclass(frozen=True)
class FitOptions:
    """How the learner fits, and how often it compares that with the reference."""

    inference: Inference = Inference.CLOSED_FORM
    check_every: int = 0
    """Versions between two comparisons with the SVI fit; 0 never compares."""
    weighs_pending: bool = True
    """Whether impressions whose click may still come count by age; posteriors then depend on the clock."""


def creative_learner(
    home: Home, inference: Inference = Inference.CLOSED_FORM, check_every: int = 0
) -> CreativeLearner:
    """Returns the learner of the home's catalogue, or raises NotFoundError where there is none.

    Every `check_every` versions it compares itself with the SVI fit (0: never).
    """
    if not home.catalogue.is_file():
        raise NotFoundError("catalogue", str(home.catalogue), "no such file")
    catalogue = CreativeCatalogue.from_json(home.catalogue.read_text())
    settings = LearnerSettings(check_every=check_every)
    if inference is Inference.CLOSED_FORM and not check_every:
        return CreativeLearner(catalogue, home.posteriors, settings)
    # Not above: serving publishes priors through here, and has neither torch nor pyro.
    from bandit.inference import refit

    serving = refit if inference is Inference.SVI else absorb
    return CreativeLearner(catalogue, home.posteriors, settings, serving, refit)


def learn_until(
    stop: threading.Event,
    home: Home,
    settings: LearningSettings,
    fit: FitOptions,
    told: Callable[[dict[str, object]], None],
) -> None:
    """Learns until stopped; tells when it begins to wait and to learn, and each new version.

    One learner a store: while another holds the lease this one waits, and takes over where the other dies.
    Raises StateError where the lease is lost; what it publishes then is below what its successor publishes.
    """
    home.check()
    if not (home.events_url or home.events.is_file()):
        raise NotFoundError("events", str(home.events), "no such database: start `adranker serve` first")
    with Lease(open_lease_rows(home.leases), "learner") as lease:
        told({"learner": "waits"})
        if not lease.acquire(stop, lambda: posterior_store.last_epoch(home.posteriors)):
            return
        told({"learner": "learns", "epoch": lease.epoch})
        learner = creative_learner(home, fit.inference, fit.check_every)
        learner.take_over(lease.epoch, time.time())
        with EventReader(home.event_location) as source:
            rewards = CreativeRewards(learner, time.time, source if fit.weighs_pending else None)
            loop = LearningLoop(source, rewards, settings, time.monotonic)
            while not stop.is_set():
                lease.check()
                version = loop.step()
                if version is not None:
                    told({"posterior": version, "sequence": rewards.sequence})
                else:
                    stop.wait(settings.poll_seconds)
