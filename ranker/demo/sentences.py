"""The demo's findings, one sentence each: the head of the report and the end of the terminal's summary."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ranker.demo.calls import ROUND_TRIP
from ranker.replay.diagnostics import Verdict

if TYPE_CHECKING:
    from ranker.demo.evaluation import PolicyValue
    from ranker.demo.summary import DemoResult, StageTimes


@dataclass(frozen=True, slots=True)
class Finding:
    """A number worth remembering and the sentence that says what it is."""

    number: str
    title: str
    sentence: str
    good: bool | None  # None: the data does not say


def findings(result: DemoResult) -> tuple[Finding, ...]:
    """Say what the run showed."""
    return (_speed(result), _limits(result), _learning(result), _exactness(result), _value(result))


def round_trip(stages: tuple[StageTimes, ...]) -> StageTimes:
    """Return the times as the caller saw them."""
    return next(stage for stage in stages if stage.stage == ROUND_TRIP)


def about(number: float) -> str:
    """Write a large number as people say it."""
    digits = float(f"{number:.2g}")
    return f"{digits / 1e6:,.3g} million" if digits >= 1e6 else f"{digits:,.0f}"


def verdict_sentence(value: PolicyValue) -> str:
    """Say what the log decides about our policy against the one that wrote it."""
    low, high = 1000 * value.difference.betting.low, 1000 * value.difference.betting.high
    interval = f"between {low:+.1f} and {high:+.1f} clicks per 1,000 impressions"
    match value.verdict:
        case Verdict.BETTER:
            return f"Our slates earn more clicks than random ones: the difference lies {interval}."
        case Verdict.WORSE:
            return f"Our slates earn fewer clicks than random ones: the difference lies {interval}."
        case Verdict.WRONG_WEIGHTS:
            return "The weights do not average to 1: the logged propensities are not those of this log."
        case Verdict.NOT_ANSWERABLE:
            return f"This log cannot tell: the difference to random slates lies {interval}."


def _speed(result: DemoResult) -> Finding:
    slates = result.slates
    times = round_trip(slates.stages)
    total = slates.num_requests + result.creatives.num_requests
    return Finding(
        f"{slates.per_second:,.0f} slates/s",
        "Every request was answered",
        f"{total:,} requests over gRPC, none failed; half of the slates of 3 from 80 candidates came back "
        f"within {1000 * times.p50_seconds:.0f} ms and 99 % within {1000 * times.p99_seconds:.0f} ms, with "
        f"callers, server and learner sharing one machine of {result.machine.split(',')[0]}.",
        result.exit_status == 0,
    )


def _limits(result: DemoResult) -> Finding:
    slates = result.slates
    met = min(constraint.met_ratio for constraint in slates.constraints)
    cost = 1 - slates.expected_clicks / slates.unconstrained_clicks
    return Finding(
        f"{met:.0%} met",
        "The merchandiser's limits hold",
        f"All {len(slates.constraints)} limits were met in expectation in {met:.0%} of the requests, at the "
        f"least possible price: {cost:.1%} of the predicted clicks of slates without limits.",
        met == 1.0,
    )


def _learning(result: DemoResult) -> Finding:
    learned = result.creatives
    ahead = learned.last_reward > learned.last_majority
    return Finding(
        f"{learned.first_reward:.0%} → {learned.last_reward:.0%}",
        "Creatives are learned while traffic runs",
        f"The right creative was shown to {learned.first_reward:.0%} of the first people and to "
        f"{learned.last_reward:.0%} in the last quarter, {'above' if ahead else 'not above'} the "
        f"{learned.last_majority:.0%} of always showing the commoner one; {learned.num_versions} versions of "
        "the belief were served on the way, without a restart.",
        ahead or None,
    )


def _exactness(result: DemoResult) -> Finding:
    check = result.propensities
    expected = sum(part.logged * part.count for part in check.bins)
    observed = sum(part.observed * part.count for part in check.bins)
    # Independent draws: the variance of their sum, at the mean chance of each bin.
    deviation = math.sqrt(sum(part.logged * (1 - part.logged) * part.count for part in check.bins))
    inside = sum(policy.truth in policy.betting for policy in check.policies)
    return Finding(
        f"{observed:,.0f} of {expected:,.0f}",
        "Logged propensities are the true ones",
        f"By the chances in the log one of the two creatives should have been shown {expected:,.0f} "
        f"± {1.96 * deviation:,.0f} times, and it was shown {observed:,.0f} times. From it the value "
        f"of {len(check.policies)} policies that were never run is estimated; {inside} of "
        f"{len(check.policies)} truths lie in their 95 % intervals.",
        abs(observed - expected) <= 3 * deviation and inside == len(check.policies),
    )


def _value(result: DemoResult) -> Finding:
    value = result.evaluation.pooled
    ips = value.estimates[0]
    needed = value.rows_needed.get(0.25)
    more = f" To see a lift of 25 %, about {about(needed)} random impressions are needed." if needed else ""
    answered = value.verdict in (Verdict.BETTER, Verdict.WORSE)
    return Finding(
        f"{1000 * ips.value:.1f} ‰" if answered else "undecided",
        "What the slates are worth",
        f"{verdict_sentence(value)}{more if not answered else ''}",
        value.verdict is Verdict.BETTER if answered else None,
    )
