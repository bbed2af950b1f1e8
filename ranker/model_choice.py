"""Which model of a ladder answers a request: the best one that does not make the answer late.

The ladder predicts how long each model takes. How far this server is from the prediction (another load,
another processor), and what it takes beside the scoring, is learned from its answers. A model makes an answer
late that the fastest one would have given in time; of an answer that stalls until long after its deadline, no
model is the cause.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

from ranker.rolling_bound import WINDOW, RollingBound

if TYPE_CHECKING:
    from collections.abc import Callable

    from ranker.scoring.ladder import Ladder, Rung
    from ranker.slate import RankRequest
    from ranker.snapshot import Snapshot

# Measured over predicted seconds, of a model that takes as long as predicted.
AS_PREDICTED = 1.0
# A model is chosen where it would have made at most this share of the recent answers late.
LATE_BY_CHOICE = 0.01
# The fastest model answers where even it would have been late with more than this share of them.
HOPELESS = 0.5


class ModelChoice:
    """Chooses, and learns from what was chosen; threads share it.

    `too_slow` is called for each request that no model fits; it gets the fastest. `spared` is told the
    seconds that the fastest model would have spared a request: taken because there was time for them.
    """

    def __init__(
        self,
        too_slow: Callable[[], object] = lambda: None,
        spared: Callable[[float], None] | None = None,
    ) -> None:
        self._too_slow = too_slow
        self._spared = spared
        self._lock = threading.Lock()
        # By version and size of the request: measured over predicted. A new model is taken at its word.
        self._ratios: dict[tuple[str, int], RollingBound] = defaultdict(
            lambda: RollingBound([AS_PREDICTED] * WINDOW)
        )
        # By size of the request: seconds of all but the scoring.
        self._rests: dict[int, RollingBound] = defaultdict(lambda: RollingBound([0.0]))

    def pinned(self, request: RankRequest, snapshot: Snapshot, seconds_left: float | None) -> RankRequest:
        """Returns the request with its model pinned, where that is left to a ladder."""
        ladder = snapshot.ladders.get(request.schema_id)
        if ladder is None or request.model_version or request.candidates.ctr is not None:
            return request
        rung = self._rung(ladder, len(request.candidates.ids), seconds_left)
        return replace(request, model_version=rung.model_version)

    def _rung(self, ladder: Ladder, num_candidates: int, seconds_left: float | None) -> Rung:
        if seconds_left is None:
            return ladder.rungs[0]
        with self._lock:
            rests = self._rests[_size(num_candidates)]
            fastest = min(ladder.rungs, key=lambda each: self._needed(each, num_candidates))
            spare = seconds_left - self._needed(fastest, num_candidates)
            hopeless = rests.share(above=spare) > HOPELESS
            for rung in () if hopeless else ladder.rungs:
                if rests.share(seconds_left - self._needed(rung, num_candidates), spare) <= LATE_BY_CHOICE:
                    return rung
                if rests.share(seconds_left - rung.upper(num_candidates), spare) <= LATE_BY_CHOICE:
                    # It was slow here, and what is not chosen is not measured: it is tried again once its
                    # window is full of these.
                    self._ratio(rung, num_candidates).add(AS_PREDICTED)
        self._too_slow()
        return fastest

    def scored(self, request: RankRequest, snapshot: Snapshot, seconds: float) -> None:
        """Learns what scoring a request took."""
        ladder = snapshot.ladders.get(request.schema_id)
        rungs = () if ladder is None else ladder.rungs
        num_candidates = len(request.candidates.ids)
        for rung in rungs:
            if rung.model_version == request.model_version:
                with self._lock:
                    self._ratio(rung, num_candidates).add(seconds / rung.upper(num_candidates))
                    fastest = min(self._needed(each, num_candidates) for each in rungs)
                if self._spared is not None:
                    self._spared(max(seconds - fastest, 0.0))

    def answered(self, num_candidates: int, rest_seconds: float) -> None:
        """Learns what an answer took beside the scoring, until it had left."""
        with self._lock:
            self._rests[_size(num_candidates)].add(rest_seconds)

    def _needed(self, rung: Rung, num_candidates: int) -> float:
        return self._ratio(rung, num_candidates).bound * rung.upper(num_candidates)

    def _ratio(self, rung: Rung, num_candidates: int) -> RollingBound:
        return self._ratios[rung.model_version, _size(num_candidates)]


def _size(num_candidates: int) -> int:
    """Returns the class of requests that take about as long."""
    return num_candidates.bit_length()
