"""The log as columns: what readers give and what policies and estimators take."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np

from ranker.errors import InvalidInputError
from ranker.replay.estimators.rows import check_column

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    Floats: TypeAlias = NDArray[np.float64]
    Integers: TypeAlias = NDArray[np.int64]


class Defect(StrEnum):
    """Why a row of a log cannot be used."""

    NO_ACTION = "no_action"
    NO_REWARD = "no_reward"
    REWARD_PENDING = "reward_pending"  # our export: the outcome is not joined yet; no mistake of the log
    NO_PROPENSITY = "no_propensity"
    PROPENSITY_OUT_OF_RANGE = "propensity_out_of_range"  # (0, 1]
    POSITION_OUT_OF_RANGE = "position_out_of_range"
    MALFORMED = "malformed"  # the row cannot be taken apart
    SAMPLED = "sampled"  # dsjson: the log kept only a share of such rows (pdrop)


@dataclass(frozen=True, slots=True)
class Rejection:
    """Rows of a file that cannot be used, for one reason, with the first of them."""

    defect: Defect
    count: int
    file: str
    row: int  # the first one; data rows count from 1, as do the lines of dsjson
    column: str
    value: str


@dataclass(frozen=True, slots=True)
class LoggedBatch:
    """Rows of a log: at a position of a request, an action was drawn with a propensity and earned a reward.

    Codes stay the same within a stream; a later batch may know more names.
    """

    actions: Integers  # (n,), index into `action_names`
    rewards: Floats  # (n,)
    propensities: Floats  # (n,), π₀(aᵢ | xᵢ) at its position, in (0, 1]
    positions: Integers  # (n,), from 0
    loggers: Integers  # (n,), index into `logger_names`: the policy or snapshot that drew the action
    requests: Integers  # (n,), rows of one request share a number; they are resampled together
    contexts: Mapping[str, NDArray[Any]]  # by column, (n,) each: numbers or strings
    action_names: tuple[str, ...]
    logger_names: tuple[str, ...] = ("",)
    rejected: tuple[Rejection, ...] = field(default=())  # met while these rows were read

    def __post_init__(self) -> None:
        shape = self.rewards.shape
        if len(shape) != 1:
            raise InvalidInputError("rewards.shape", shape, "must be (n,)")
        for name in ("rewards", "propensities"):
            check_column(name, getattr(self, name), shape)
        bad = (self.propensities <= 0) | (self.propensities > 1)
        if bad.any():
            i = int(np.argmax(bad))
            raise InvalidInputError(f"propensities[{i}]", float(self.propensities[i]), "must lie in (0, 1]")
        _check_codes("actions", self.actions, shape, len(self.action_names))
        _check_codes("loggers", self.loggers, shape, len(self.logger_names))
        _check_codes("positions", self.positions, shape, np.iinfo(np.int64).max)
        for name, column in {"requests": self.requests, **self.contexts}.items():
            if column.shape != shape:
                raise InvalidInputError(f"{name}.shape", column.shape, f"must be one a row: {shape}")

    @property
    def num_rows(self) -> int:
        """Number of rows."""
        return self.rewards.size


class Policy(Protocol):
    """What is judged: how likely it is to do what was logged."""

    @property
    def name(self) -> str:
        """Name in reports."""
        ...

    def propensities(self, batch: LoggedBatch) -> Floats:
        """Return π(aᵢ | xᵢ) at the logged position, `(n,)`."""
        ...


@dataclass(frozen=True, slots=True)
class WeightedRows:
    """What the estimators need of each row; baselines are 0 where there is no reward model."""

    rewards: Floats  # (n,)
    weights: Floats  # (n,), π(aᵢ|xᵢ) / π₀(aᵢ|xᵢ)
    baseline_logged: Floats  # (n,), q̂(xᵢ, aᵢ)
    baseline_target: Floats  # (n,), q̂(xᵢ, π)
    requests: Integers  # (n,), resampled together

    def __post_init__(self) -> None:
        shape = self.rewards.shape
        for name in ("rewards", "weights", "baseline_logged", "baseline_target"):
            check_column(name, getattr(self, name), shape)
        if self.requests.shape != shape:
            raise InvalidInputError("requests.shape", self.requests.shape, f"must be one a row: {shape}")
        if self.weights.size and self.weights.min() < 0:
            i = int(np.argmin(self.weights))
            raise InvalidInputError(f"weights[{i}]", float(self.weights[i]), "must not be negative")

    def take(self, rows: NDArray[np.bool_]) -> WeightedRows:
        """Return these rows."""
        return WeightedRows(
            self.rewards[rows],
            self.weights[rows],
            self.baseline_logged[rows],
            self.baseline_target[rows],
            self.requests[rows],
        )


def weighted_rows(batch: LoggedBatch, policy: Policy) -> WeightedRows:
    """Weigh each row by how much more often `policy` does what was logged; without a reward model."""
    zero = np.zeros(batch.num_rows)
    weights = policy.propensities(batch) / batch.propensities
    return WeightedRows(batch.rewards, weights, zero, zero, batch.requests)


def tally(rejections: Iterable[Rejection]) -> tuple[Rejection, ...]:
    """Add up rejections by file and reason, keeping the first example of each."""
    found: defaultdict[tuple[str, Defect], list[Rejection]] = defaultdict(list)
    for rejection in rejections:
        found[rejection.file, rejection.defect].append(rejection)
    return tuple(
        Rejection(
            defect,
            sum(r.count for r in group),
            file,
            (first := min(group, key=lambda r: r.row)).row,
            first.column,
            first.value,
        )
        for (file, defect), group in sorted(found.items())
    )


def _check_codes(name: str, codes: Integers, shape: tuple[int, ...], count: int) -> None:
    if codes.shape != shape:
        raise InvalidInputError(f"{name}.shape", codes.shape, f"must be one a row: {shape}")
    if codes.size and not (codes.min() >= 0 and codes.max() < count):
        wrong = int(codes.min()) if codes.min() < 0 else int(codes.max())
        raise InvalidInputError(name, wrong, f"must lie in 0 … {count - 1}")
