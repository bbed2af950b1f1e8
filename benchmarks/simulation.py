"""How fast is the world, alone and with the real pipeline, and how near is it to logs it has not seen?

    python -m benchmarks.simulation --data FOLDER

FOLDER holds the public logs; the rows held out here were not seen by `benchmarks.simulation_fit`. The last
line is JSON.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import expit
from scipy.stats import chi2, ks_2samp

from benchmarks.attention import machine
from benchmarks.attention_yandex import hashed_part, read_sessions
from benchmarks.simulation_data import SEGMENTS, halves, read_avazu, read_delays, read_test_prices
from benchmarks.simulation_fit import DELAY_TRAIN, HELD_OUT_SEED
from ranker.simulation.click_model import ShrunkRates
from ranker.simulation.conversions import delay_seconds
from ranker.simulation.loop import Run, simulate
from ranker.simulation.parameters import HOURS, read_parameters
from ranker.simulation.policy import GreedyPolicy, PipelinePolicy
from ranker.simulation.scenario import read_scenario
from ranker.simulation.world import World

if TYPE_CHECKING:
    from ranker.simulation.parameters import WorldParameters

ROUNDS = 3


def speed(parameters: WorldParameters, *, pipeline: bool, sessions: int) -> list[float]:
    """Returns requests per second of processor time, a round each."""
    scenario = read_scenario("marketplace")
    traffic = replace(scenario.traffic, sessions=sessions, sessions_per_day=sessions, batch_sessions=500)
    scenario = replace(scenario, traffic=traffic)
    world = World.of(scenario, parameters)
    rates = []
    for _ in range(ROUNDS + 1):
        model = ShrunkRates.of(world.attention, scenario.learning, (len(world.segments), scenario.market.ads))
        policy: Any = GreedyPolicy(scenario.market.positions)
        if pipeline:
            policy = PipelinePolicy(world, scenario.policies[0])
        started = time.process_time()
        rows = simulate(Run(world, policy, model))
        rates.append(len(rows) / (time.process_time() - started))
    return rates[1:]  # the first one compiles


def fidelity(data: Path, parameters: WorldParameters) -> dict[str, Any]:
    """Returns distances between what the parameters say and held-out rows."""
    rows = read_avazu(data)
    rows = rows.rows(halves(len(rows.click), HELD_OUT_SEED))
    logits = np.array(parameters.segments.logits)
    chance = expit(parameters.tastes.base_logit + logits[rows.segment])
    volume = np.bincount(rows.hour, minlength=HOURS)
    shares = np.bincount(rows.segment, minlength=len(SEGMENTS))
    rng = np.random.default_rng(0)
    delays = read_delays(data)
    unseen = delays[int(DELAY_TRAIN * len(delays)) :]
    fit = parameters.delays
    weights, means, scales = (np.array(each) for each in (fit.weights, fit.log_means, fit.log_scales))
    simulated = delay_seconds(weights, means, scales, rng.random(20_000), rng.random(20_000)) / 60
    prices = read_test_prices(data)
    quantiles = next(each.quantiles for each in parameters.landscapes if each.name == "2997")
    bids = np.interp(rng.random(len(prices)), np.linspace(0, 1, len(quantiles)), quantiles)
    return {
        "held_out_rows": len(rows.click),
        "clicks_over_expected": round(float(rows.click.sum() / chance.sum()), 4),
        "click_rate_by_segment": _rates(rows.segment, rows.click, chance, len(SEGMENTS)),
        "click_rate_by_hour": _rates(rows.hour, rows.click, chance, HOURS),
        "volume_by_hour": _shares(volume, np.array(parameters.season.volume)),
        "segment_shares": _shares(shares, np.array(parameters.segments.shares)),
        "clicks_by_position": _positions(data, parameters),
        "delay_ks": _ks(np.rint(simulated), unseen),
        "price_2997_ks": _ks(np.rint(bids), prices),
    }


def _rates(cell: Any, clicks: Any, chance: Any, size: int) -> dict[str, float]:
    """Returns the chi-square test of clicks by cell, and the mean absolute difference of rates by row."""
    observed, expected, noise = (np.bincount(cell, v, size) for v in (clicks, chance, chance * (1 - chance)))
    used = noise > 0
    statistic = float(((observed - expected)[used] ** 2 / noise[used]).sum())
    difference = np.abs(observed - expected).sum() / len(cell)
    return {
        "p": round(float(chi2.sf(statistic, used.sum())), 4),
        "mean_difference": round(float(difference), 5),
    }


def _shares(count: Any, shares: Any) -> dict[str, float]:
    """Returns the chi-square test of counts against shares, and the total variation."""
    expected = count.sum() * shares
    statistic = float(((count - expected) ** 2 / expected).sum())
    variation = float(np.abs(count / count.sum() - shares).sum() / 2)
    return {"p": round(float(chi2.sf(statistic, len(count) - 1)), 4), "total_variation": round(variation, 4)}


def _positions(data: Path, parameters: WorldParameters) -> dict[str, Any]:
    """Returns click rates by position of unseen sessions over those of the curve, relative to the first."""
    sessions = read_sessions(data / "yandex_click_sessions")
    unseen = sessions.rows(hashed_part(len(sessions.items), HELD_OUT_SEED, 1 / 3))
    seen = sessions.rows(~hashed_part(len(sessions.items), HELD_OUT_SEED, 1 / 3))
    curve = np.array(parameters.attention.curve)
    clicks = np.bincount(seen.items.ravel(), seen.clicks.ravel(), seen.num_items)
    looks = np.bincount(seen.items.ravel(), np.broadcast_to(curve, seen.items.shape).ravel(), seen.num_items)
    mean = clicks.sum() / looks.sum()
    ctr = np.minimum((clicks + mean) / (looks + 1.0), 1.0)
    expected, observed = (ctr[unseen.items] * curve).mean(axis=0), unseen.clicks.mean(axis=0)
    return {
        "observed": np.round(observed, 4).tolist(),
        "expected": np.round(expected, 4).tolist(),
        "mean_difference": round(float(np.abs(observed - expected).mean()), 5),
    }


def _ks(simulated: Any, real: Any) -> dict[str, float]:
    found = ks_2samp(simulated, real)
    return {"distance": round(float(found.statistic), 4), "p": round(float(found.pvalue), 4)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the public logs")
    parser.add_argument("--sessions", type=int, default=20_000, help="of a timed round, multiple of 500")
    arguments = parser.parse_args()
    parameters = read_parameters()
    distances = fidelity(arguments.data, parameters)
    for name, value in distances.items():
        print(f"{name:24} {value}")
    world = speed(parameters, pipeline=False, sessions=arguments.sessions)
    piped = speed(parameters, pipeline=True, sessions=500)
    print(f"world {np.median(world):,.0f} requests/s, with the pipeline {np.median(piped):,.0f} slates/s")
    print(
        json.dumps(
            {
                "benchmark": "simulation",
                "fidelity": distances,
                "world_requests_per_second": [round(each) for each in world],
                "pipeline_slates_per_second": [round(each) for each in piped],
                "machine": machine(),
            }
        )
    )


if __name__ == "__main__":
    main()
