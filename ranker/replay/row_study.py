"""From one pass over a row log to what each policy is worth: estimates, verdicts, segments, drift."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from ranker.errors import InvalidInputError
from ranker.replay import moments as m
from ranker.replay.diagnostics import Answerability, answerable
from ranker.replay.evaluation import (
    WEIGHTING,
    Estimate,
    diagnostics_of,
    difference,
    evaluate,
    logged_value,
)
from ranker.replay.multiple import simultaneous_intervals

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ranker.replay.intervals import Interval
    from ranker.replay.logged_batch import Rejection
    from ranker.replay.moments import Moments
    from ranker.replay.running import PassResult

    Floats: TypeAlias = NDArray[np.float64]

SEED = 2021
HEADLINE = "SNIPS"
# Stretches of the log with fewer rows tell nothing.
MIN_ROWS = 100


@dataclass(frozen=True, slots=True)
class Change:
    """A difference with its interval; `num_requests` or rows stand behind it."""

    name: str
    num_requests: int
    value: float
    interval: Interval


@dataclass(frozen=True, slots=True)
class PolicyValue:
    """What the log says of one policy, in reward per row."""

    name: str
    estimates: dict[str, Estimate]
    simultaneous: Interval  # of the headline: all policies' cover together
    difference: Change  # to the log, by IPS, paired
    segments: tuple[Change, ...]  # the same by segment that can be answered, best first
    stretches: tuple[Change, ...]  # the value itself along the log, by the headline


@dataclass(frozen=True, slots=True)
class RowStudy:
    """What the log says of all policies."""

    num_rows: int
    logged_value: float
    logged_interval: Interval
    policies: tuple[PolicyValue, ...]
    rejected: tuple[Rejection, ...]
    digest: str


def study_rows(found: PassResult, names: tuple[str, ...], *, level: float = 0.95) -> RowStudy:
    """Returns the study of the sums of a log; every bootstrap draws the same blocks for all policies.

    Raises InvalidInputError where no row is usable.
    """
    if found.num_rows == 0:
        raise InvalidInputError("log", 0, "holds no usable row")
    value, interval = logged_value(found.moments[0], _rng(), level=level)
    together = _together(found.moments, level)
    policies = tuple(_policy(found, i, names[i], (together[i], level)) for i in range(len(names)))
    return RowStudy(found.num_rows, value, interval, policies, found.rejected, found.digest)


def _policy(found: PassResult, i: int, name: str, more: tuple[Interval, float]) -> PolicyValue:
    simultaneous, level = more
    segments = [
        _change(segment, each[i], level)
        for segment, each in found.segments.items()
        if answerable(diagnostics_of(each[i]))[0] is Answerability.ANSWERED
    ]
    stretches = [
        _stretch(str(at), each[i], level)
        for at, each in enumerate(found.stretches, start=1)
        if each[i].num_rows >= MIN_ROWS
    ]
    return PolicyValue(
        name,
        evaluate(found.moments[i], _rng(), level=level, with_model=False),
        simultaneous,
        _change("all", found.moments[i], level),
        tuple(sorted(segments, key=lambda each: -each.value)),
        tuple(stretches) if len(stretches) > 1 else (),
    )


def _together(moments: tuple[Moments, ...], level: float) -> tuple[Interval, ...]:
    """Returns simultaneous intervals of the headline; one without a finite value has none that is useful."""
    of = WEIGHTING[HEADLINE]
    with np.errstate(invalid="ignore", divide="ignore"):
        values = np.array([float(of(each.total)) for each in moments])
        drawn = np.stack([of(m.resampled(each, _rng())) for each in moments], axis=1)
    values, drawn = np.nan_to_num(values), np.nan_to_num(drawn)
    return simultaneous_intervals(values, drawn, level)


def _change(name: str, sums: Moments, level: float) -> Change:
    return Change(name, sums.num_rows, *difference(sums, _rng(), level=level))


def _stretch(name: str, sums: Moments, level: float) -> Change:
    found = evaluate(sums, _rng(), level=level, with_model=False)[HEADLINE]
    return Change(name, sums.num_rows, found.value, found.interval)


def _rng() -> np.random.Generator:
    return np.random.default_rng(SEED)
