"""Do intervals hold what they say, do sequences hold when watched at every row, does the gate hold daily?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.stats import norm

from benchmarks.replay_world import draw_log, make_world
from ranker.replay.confidence_sequence import empirical_bernstein_sequence, log_capitals
from ranker.replay.evaluation import difference, evaluate
from ranker.replay.gate import Decision, GateRows, GateSettings, look, open_gate
from ranker.replay.intervals import (
    betting_interval,
    betting_ratio_interval,
    empirical_bernstein_interval,
)
from ranker.replay.moments import accumulate

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.replay_world import World
    from ranker.replay.intervals import Interval
    from ranker.replay.logged_batch import WeightedRows

# Consistent for the target's value; the others trade bias, and their intervals are around what they estimate.
CONSISTENT = ("IPS", "SNIPS", "DR", "SNDR")
CTR = 0.2
# The ends of a betting interval are roots over all rows: beyond this many, a thousand logs take minutes.
BETTING_UP_TO = 10_000
ROUNDING = 1 + 1e-9


def coverage(n: int, num_logs: int, step: Callable[[str], None]) -> dict[str, Any]:
    """Return, by interval, the share of logs of n rows whose interval holds the value, and the mean width."""
    world = make_world(np.random.default_rng(5))
    held: dict[str, list[bool]] = {}
    widths: dict[str, list[float]] = {}
    for log in range(num_logs):
        rng = np.random.default_rng([6, n, log])
        for name, interval, truth in _intervals(world, draw_log(world, n, rng), rng):
            held.setdefault(name, []).append(truth in interval)
            widths.setdefault(name, []).append(interval.high - interval.low)
        if log % 100 == 99:
            step(f"{n:,} rows: {log + 1} of {num_logs} logs")
    return {
        name: {"coverage": float(np.mean(held[name])), "width": float(np.mean(widths[name]))} for name in held
    }


def _intervals(
    world: World, rows: WeightedRows, rng: np.random.Generator
) -> list[tuple[str, Interval, float]]:
    sums = accumulate(rows)
    found = evaluate(sums, rng)
    terms, most = rows.weights * rows.rewards, world.max_weight * ROUNDING
    bootstraps = [
        *((f"bootstrap {name}", found[name].interval, world.value) for name in CONSISTENT),
        ("bootstrap difference", difference(sums, rng)[1], world.value - world.logged_value),
        ("empirical Bernstein IPS", empirical_bernstein_interval(terms, 0.0, most), world.value),
    ]
    if terms.size > BETTING_UP_TO:
        return bootstraps
    return [
        *bootstraps,
        ("betting IPS", betting_interval(terms, 0.0, most), world.value),
        ("betting SNIPS", betting_ratio_interval(rows.rewards, rows.weights, most), world.value),
    ]


def watched(num_streams: int, n: int, step: Callable[[str], None]) -> dict[str, Any]:
    """Return the share of streams whose sequence misses the value at any of n rows."""
    world = make_world(np.random.default_rng(5))
    enough, missed, bernstein = np.log(2 / 0.05), 0, 0
    fixed = 0
    for stream in range(num_streams):
        rows = draw_log(world, n, np.random.default_rng([7, stream]))
        terms, bounds = rows.weights * rows.rewards, (0.0, world.max_weight * ROUNDING)
        above, below = log_capitals(terms, world.value, bounds, 0.95)
        missed += max(float(above.max()), float(below.max())) > enough
        low, high = empirical_bernstein_sequence(terms, *bounds)
        bernstein += bool((low[-1] > world.value) or (high[-1] < world.value))
        fixed += _normal_misses(terms, world.value)
    step(f"{num_streams} streams watched at each of {n:,} rows")
    return {
        "streams": num_streams,
        "rows": n,
        "betting_ever_missed": missed / num_streams,
        "bernstein_ever_missed": bernstein / num_streams,
        "normal_interval_ever_missed": fixed / num_streams,
    }


def _normal_misses(terms: Any, value: float) -> bool:
    """Return whether a 95 % normal interval, meant for one look, misses at any row after the hundredth."""
    count = np.arange(1, terms.size + 1)
    mean = np.cumsum(terms) / count
    deviation = np.sqrt(np.maximum(np.cumsum(terms**2) / count - mean**2, 0.0))
    return bool((np.abs(mean - value) > 1.96 * deviation / np.sqrt(count))[100:].any())


def gate_streams(
    num_streams: int, shape: tuple[int, int], lift: float, step: Callable[[str], None]
) -> dict[str, Any]:
    """Return how often gate and z-test call a candidate better; shape: days of a look each, rows a day."""
    days, per_day = shape
    settings = GateSettings(max_weight=2.0, max_incumbent_weight=2.0)
    promoted, significant, last = [], 0, 0
    for stream in range(num_streams):
        rng = np.random.default_rng([8, int(lift * 1000), stream])
        candidate = rng.random((days, per_day)) < 0.5
        chance = np.where(candidate, CTR * (1 + lift), CTR)
        rewards = (rng.random((days, per_day)) < chance).astype(float)
        log = [GateRows(r, 2.0 * c, 2.0 * ~c) for r, c in zip(rewards, candidate, strict=True)]
        gate = open_gate(settings)
        for day in range(1, days + 1):
            gate = look(gate, log[:day])
            if gate.decision is Decision.PROMOTE:
                promoted.append(day)
                break
        z = _daily_z(rewards, candidate)
        significant += bool((np.abs(z) > norm.ppf(0.975)).any())
        last += bool(abs(z[-1]) > norm.ppf(0.975))
        if stream % 100 == 99:
            step(f"gate, lift {lift:.0%}: {stream + 1} of {num_streams} streams")
    return {
        "streams": num_streams,
        "days": days,
        "rows_a_day": per_day,
        "lift": lift,
        "gate_promoted": len(promoted) / num_streams,
        "gate_median_day": float(np.median(promoted)) if promoted else None,
        "z_test_peeked_daily_significant": significant / num_streams,
        "z_test_at_the_end_significant": last / num_streams,
    }


def _daily_z(rewards: Any, candidate: Any) -> Any:
    """Return the pooled two-proportion z statistic of all rows up to each day's end."""
    n1, n0 = (np.cumsum(c.sum(axis=1)) for c in (candidate, ~candidate))
    r1, r0 = (np.cumsum((rewards * c).sum(axis=1)) for c in (candidate, ~candidate))
    pooled = (r1 + r0) / (n1 + n0)
    return (r1 / n1 - r0 / n0) / np.sqrt(pooled * (1 - pooled) * (1 / n1 + 1 / n0))
