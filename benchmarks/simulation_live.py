"""Does replay foretell what going live gives?

    python -m benchmarks.simulation_live [--seeds 100] [--sessions 1500] [--feedback]

For each seed a policy with the present limits serves a simulated market through the real pipeline and logs.
Replay reads the log alone and predicts, with a 95 % interval, what a policy with a changed limit is worth.
That policy then goes live on the days that follow. Its value there is the mean of the true chances of its
clicks times their bids: without the noise of the clicks, which no prediction could know. With `--feedback`
users tire and the click model goes on learning, so that going live changes the world that was logged. The
last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console
from rich.progress import track

from benchmarks.attention import machine
from ranker.rerun.captured_log import captured_of
from ranker.rerun.chunk import Bench, rerun_chunk
from ranker.rerun.judgement import judge_policies
from ranker.rerun.policy_file import RerunPolicy
from ranker.simulation.click_model import ShrunkRates
from ranker.simulation.parameters import read_parameters
from ranker.simulation.policy import GreedyPolicy, PipelinePolicy, simulation_snapshot
from ranker.simulation.scenario import LivePolicy, read_scenario
from ranker.simulation.world import World

if TYPE_CHECKING:
    from ranker.rerun.captured_log import Captured

CHANGE = {"new brands": 0.5}
EXPLORATION = 0.4
WARM_BATCHES = 4  # greedy traffic from which the click model learns before anything is logged
BATCH = 500
LIVE_FACTOR = 1  # sessions served live for one that was logged
ESTIMATORS = ("DR", "IPS", "SNIPS", "DM", "Switch-DR", "DRos")
PRESENT = LivePolicy("present", exploration_ratio=EXPLORATION)
CHANGED = LivePolicy("changed", limits=CHANGE, exploration_ratio=EXPLORATION)


def one_seed(seed: int, sessions: int, *, feedback: bool) -> dict[str, Any]:
    """Returns what was predicted and what came."""
    world = _world(seed, sessions, feedback=feedback)
    model = ShrunkRates.of(
        world.attention, world.scenario.learning, (len(world.segments), world.scenario.market.ads)
    )
    state = world.start()
    for index in range(WARM_BATCHES):
        requests = world.requests(index, state)
        ctr = model.predict(requests.visits.segment, requests.offers.ads)
        slates = GreedyPolicy(world.scenario.market.positions).serve(requests, ctr).slates
        outcomes = world.outcomes(requests, slates, ctr, state)
        model.learn(requests.visits.segment, outcomes.ads, outcomes.clicked, requests.visits.day)
    logged, last = WARM_BATCHES + sessions // BATCH, WARM_BATCHES + (1 + LIVE_FACTOR) * sessions // BATCH
    captures: list[Captured] = []
    live: list[float] = []
    for index in range(WARM_BATCHES, last):
        policy = PipelinePolicy(world, PRESENT if index < logged else CHANGED)
        requests = world.requests(index, state)
        ctr = model.predict(requests.visits.segment, requests.offers.ads)
        served = policy.serve(requests, ctr)
        outcomes = world.outcomes(requests, served.slates, ctr, state)
        if feedback:
            model.learn(requests.visits.segment, outcomes.ads, outcomes.clicked, requests.visits.day)
        if index < logged:
            rewards = outcomes.clicked.astype(np.float64)
            captures += map(captured_of, served.requests, served.decisions, rewards)
        else:
            live += (outcomes.chance * outcomes.bids).sum(axis=1).tolist()
    bench = Bench(
        (RerunPolicy("changed", limits=CHANGE),), (simulation_snapshot(len(world.segments)),), b"live"
    )
    judged = judge_policies(rerun_chunk(captures, 0, bench).columns, ("changed",))
    policy_judgement = judged.policy("changed")
    return {
        "live": float(np.mean(live)),
        "logged": judged.logged_value,
        "change": policy_judgement.difference.value,
        **{n: (e.value, e.interval.low, e.interval.high) for n, e in policy_judgement.estimates.items()},
    }


def _world(seed: int, sessions: int, *, feedback: bool) -> World:
    scenario = read_scenario("marketplace")
    total = WARM_BATCHES * BATCH + (1 + LIVE_FACTOR) * sessions
    traffic = replace(scenario.traffic, sessions=total, sessions_per_day=2000, batch_sessions=BATCH)
    behaviour = scenario.behaviour
    if not feedback:
        behaviour = replace(behaviour, ad_fatigue=0.0, drift_scale=0.0)
    return World.of(replace(scenario, seed=seed, traffic=traffic, behaviour=behaviour), read_parameters())


def _kept(folder: Path | None, seed: int, sessions: int, *, feedback: bool) -> dict[str, Any]:
    """Returns a seed's result, from the folder where an interrupted run left it there."""
    if folder is None:
        return one_seed(seed, sessions, feedback=feedback)
    path = folder / f"{sessions}-{'feedback' if feedback else 'frozen'}-{seed:04d}.json"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        draft = path.with_suffix(".draft")
        draft.write_text(json.dumps(one_seed(seed, sessions, feedback=feedback)))
        draft.rename(path)
    result: dict[str, Any] = json.loads(path.read_text())
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--sessions", type=int, default=1500, help="logged sessions a seed, multiple of 500")
    parser.add_argument("--keep", type=Path, help="folder of finished seeds: an interrupted run goes on")
    parser.add_argument("--feedback", action="store_true", help="users tire, the model learns on")
    arguments = parser.parse_args()
    started = time.perf_counter()
    found = [
        _kept(arguments.keep, seed, arguments.sessions, feedback=arguments.feedback)
        for seed in track(range(arguments.seeds), "seeds", console=Console(stderr=True))
    ]
    summary = {}
    for name in ESTIMATORS:
        values, lows, highs = np.array([each[name] for each in found]).T
        live = np.array([each["live"] for each in found])
        summary[name] = {
            "held": int(((lows <= live) & (live <= highs)).sum()),
            "mean_error": round(float((values - live).mean()), 4),
            "mean_width": round(float((highs - lows).mean()), 4),
        }
        print(f"{name:10} held {summary[name]['held']:3} of {len(found)}", summary[name])
    print(
        json.dumps(
            {
                "benchmark": "simulation_live",
                "seeds": len(found),
                "sessions": arguments.sessions,
                "feedback": arguments.feedback,
                "live_value": round(float(np.mean([each["live"] for each in found])), 4),
                "logged_value": round(float(np.mean([each["logged"] for each in found])), 4),
                "estimators": summary,
                "seconds": round(time.perf_counter() - started, 1),
                "machine": machine(),
            }
        )
    )


if __name__ == "__main__":
    main()
