"""The promotion gate: a policy goes live only once a confidence sequence says that it is better.

Each row gives the term dᵢ = (π(aᵢ|xᵢ) − πᵢₙ(aᵢ|xᵢ)) / π₀(aᵢ|xᵢ)·rᵢ, whose mean is the candidate's value minus
the incumbent's. The gate may be asked after every row, every day, or whenever somebody is impatient: the
chance that it ever promotes a policy that is no better stays below 1 − level.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from ranker.errors import InvalidInputError, StateError
from ranker.replay.confidence_sequence import BettingSequence, begin, watch

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from ranker.replay.intervals import Interval

    Floats: TypeAlias = NDArray[np.float64]

# A weight at its bound may exceed it by rounding.
_ROUNDING = 1 + 1e-9


class Decision(StrEnum):
    """What the gate says."""

    PROMOTE = "promote"
    WAIT = "wait"
    REJECT = "reject"  # the candidate is worse
    WRONG_WEIGHTS = "wrong_weights"  # the propensities cannot be those of the log


@dataclass(frozen=True, slots=True)
class GateSettings:
    """What is fixed before the first row is seen; a change begins a new test."""

    max_weight: float  # largest possible π(a|x) / π₀(a|x) of the candidate, not the largest seen
    max_incumbent_weight: float | None = None  # the same of the incumbent; None: the incumbent wrote the log
    max_reward: float = 1.0  # rewards lie in [0, max_reward]
    level: float = 0.95
    min_rows: int = 1000  # rows before which nothing is decided: an outage is no evidence

    def __post_init__(self) -> None:
        for name in ("max_weight", "max_reward"):
            if not (np.isfinite(getattr(self, name)) and getattr(self, name) > 0):
                raise InvalidInputError(name, getattr(self, name), "must be positive and finite")
        other = self.max_incumbent_weight
        if other is not None and not (np.isfinite(other) and other > 0):
            raise InvalidInputError("max_incumbent_weight", other, "must be positive and finite")
        if other is None and self.max_weight < 1:
            raise InvalidInputError(
                "max_weight", self.max_weight, "a mean of 1 needs a maximum of at least 1"
            )
        if not 0 < self.level < 1:
            raise InvalidInputError("level", self.level, "must lie in (0, 1)")
        if self.min_rows < 1:
            raise InvalidInputError("min_rows", self.min_rows, "must be at least 1")

    @property
    def bounds(self) -> tuple[float, float]:
        """Least and largest possible term."""
        if self.max_incumbent_weight is None:
            return -self.max_reward * _ROUNDING, max(self.max_weight - 1, 1e-9) * self.max_reward * _ROUNDING
        return (
            -self.max_incumbent_weight * self.max_reward * _ROUNDING,
            self.max_weight * self.max_reward * _ROUNDING,
        )


@dataclass(frozen=True, slots=True)
class GateRows:
    """Rows in the order in which their rewards became known."""

    rewards: Floats  # (n,)
    weights: Floats  # (n,), π(aᵢ|xᵢ) / π₀(aᵢ|xᵢ) of the candidate
    incumbent_weights: Floats  # (n,), of the incumbent; 1 where it wrote the log


@dataclass(frozen=True, slots=True)
class Gate:
    """The test so far."""

    settings: GateSettings
    sequence: BettingSequence
    num_rows: int = 0
    weight_sums: tuple[float, float] = (0.0, 0.0)  # Σw, Σw² of the candidate
    reward_sums: tuple[float, float] = (0.0, 0.0)  # Σ w·r of candidate and incumbent
    digest: str = ""  # of all rows so far

    @property
    def interval(self) -> Interval:
        """Where the difference of the values may lie, valid at every time at once."""
        return self.sequence.interval

    @property
    def decision(self) -> Decision:
        """What the rows say."""
        if self.num_rows < self.settings.min_rows:
            return Decision.WAIT
        if self._weights_are_wrong():
            return Decision.WRONG_WEIGHTS
        if self.interval.low > 0:
            return Decision.PROMOTE
        return Decision.REJECT if self.interval.high < 0 else Decision.WAIT

    def _weights_are_wrong(self) -> bool:
        """Four standard errors widened by the law of the iterated logarithm: it is looked at often."""
        n = self.num_rows
        mean, square = self.weight_sums[0] / n, self.weight_sums[1] / n
        error = np.sqrt(max(square - mean**2, 0.0) / n) * np.sqrt(1 + np.log1p(np.log(max(n, 3))))
        return bool(abs(mean - 1) > 4 * error + 1e-9)


def open_gate(settings: GateSettings) -> Gate:
    """Begin a test."""
    return Gate(settings, begin(*settings.bounds, focus=0.0, level=settings.level))


def look(gate: Gate, batches: Iterable[GateRows]) -> Gate:
    """Go on with the whole log: rows that were judged before must be the same, those after them are new.

    Raises `StateError` where the log no longer begins with the rows that were judged.
    """
    digest, known = hashlib.sha256(), gate.num_rows
    seen = 0
    for rows in batches:
        old = min(max(known - seen, 0), rows.rewards.size)
        _update(digest, rows, slice(0, old))
        seen += old
        if old and seen == known:
            _check_digest(digest.hexdigest(), gate)
        if old < rows.rewards.size:
            fresh = slice(old, None)
            _update(digest, rows, fresh)
            gate = _judge(gate, rows, fresh)
            seen = gate.num_rows
    if seen < known:
        raise StateError("log", f"{seen} rows", f"{known} rows were judged before: some are gone")
    return _with_digest(gate, digest.hexdigest())


def _judge(gate: Gate, rows: GateRows, part: slice) -> Gate:
    rewards, weights, incumbent = rows.rewards[part], rows.weights[part], rows.incumbent_weights[part]
    _check(rewards, weights, incumbent, gate)
    return Gate(
        gate.settings,
        watch(gate.sequence, (weights - incumbent) * rewards),
        gate.num_rows + rewards.size,
        (gate.weight_sums[0] + float(weights.sum()), gate.weight_sums[1] + float((weights**2).sum())),
        (
            gate.reward_sums[0] + float((weights * rewards).sum()),
            gate.reward_sums[1] + float((incumbent * rewards).sum()),
        ),
    )


def _check(rewards: Floats, weights: Floats, incumbent: Floats, gate: Gate) -> None:
    settings = gate.settings
    most = 1.0 if settings.max_incumbent_weight is None else settings.max_incumbent_weight
    for name, values, largest in (
        ("reward", rewards, settings.max_reward),
        ("weight", weights, settings.max_weight),
        ("incumbent_weight", incumbent, most),
    ):
        bad = ~((values >= 0) & (values <= largest * _ROUNDING))
        if bad.any():
            i = int(np.argmax(bad))
            raise InvalidInputError(
                f"{name} of row {gate.num_rows + i + 1}", float(values[i]), f"must lie in [0, {largest:g}]"
            )


def _update(digest: hashlib._Hash, rows: GateRows, part: slice) -> None:
    columns = (rows.rewards[part], rows.weights[part], rows.incumbent_weights[part])
    digest.update(np.ascontiguousarray(np.stack(columns, axis=1)).tobytes())


def _check_digest(found: str, gate: Gate) -> None:
    if found != gate.digest:
        raise StateError(
            "log", f"{gate.num_rows} rows", "the rows judged before have changed: begin a new test"
        )


def _with_digest(gate: Gate, digest: str) -> Gate:
    return Gate(gate.settings, gate.sequence, gate.num_rows, gate.weight_sums, gate.reward_sums, digest)
