"""Does replay foretell what going live gives?

    python -m benchmarks.simulation_live [--first 0] [--seeds 100] [--exploration 0.4] [--feedback]

For each seed a policy with the present limits serves a simulated market through the real pipeline and logs.
Replay reads the log alone and predicts, with a 95 % interval, what a policy with a changed limit is worth.
That policy then goes live on the days that follow. Its value there is the mean of the true chances of its
clicks times their bids: without the noise of the clicks, which no prediction could know. With `--feedback`
users tire and the click model goes on learning, so that going live changes the world that was logged. What
the tool itself calls answered is counted apart, by estimator. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console
from rich.progress import track

from benchmarks.attention import machine
from ranker.replay.diagnostics import Answerability
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
    from numpy.typing import NDArray

    from ranker.rerun.captured_log import Captured

CHANGE = {"new brands": 0.5}
WARM_BATCHES = 4  # greedy traffic from which the click model learns before anything is logged
BATCH = 500
LIVE_FACTOR = 1  # sessions served live for one that was logged
ESTIMATORS = ("DR", "IPS", "SNIPS", "DM", "Switch-DR", "DRos", "RIPS", "Cascade-DR", "SIPS", "PI")


@dataclass(frozen=True, slots=True)
class Case:
    """What is simulated."""

    seed: int
    sessions: int = 1500
    exploration: float = 0.4
    feedback: bool = False

    @property
    def name(self) -> str:
        """Returns the name of its file."""
        kind = "feedback" if self.feedback else "frozen"
        return f"{self.sessions}-{self.exploration:g}-{kind}-{self.seed:06d}.npz"


@dataclass(frozen=True, slots=True, eq=False)
class Seed:
    """The rerun rows of the log, and what came."""

    columns: dict[str, NDArray[Any]]
    live: float


def one_seed(case: Case) -> Seed:
    """Returns what was logged, rerun under the changed limit, and what came."""
    world = _world(case)
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
    present = LivePolicy("present", exploration_ratio=case.exploration)
    changed = LivePolicy("changed", limits=CHANGE, exploration_ratio=case.exploration)
    logged = WARM_BATCHES + case.sessions // BATCH
    last = WARM_BATCHES + (1 + LIVE_FACTOR) * case.sessions // BATCH
    captures: list[Captured] = []
    live: list[float] = []
    for index in range(WARM_BATCHES, last):
        policy = PipelinePolicy(world, present if index < logged else changed)
        requests = world.requests(index, state)
        ctr = model.predict(requests.visits.segment, requests.offers.ads)
        served = policy.serve(requests, ctr)
        outcomes = world.outcomes(requests, served.slates, ctr, state)
        if case.feedback:
            model.learn(requests.visits.segment, outcomes.ads, outcomes.clicked, requests.visits.day)
        if index < logged:
            rewards = outcomes.clicked.astype(np.float64)
            captures += map(captured_of, served.requests, served.decisions, rewards)
        else:
            live += (outcomes.chance * outcomes.bids).sum(axis=1).tolist()
    bench = Bench(
        (RerunPolicy("changed", limits=CHANGE),), (simulation_snapshot(len(world.segments)),), b"live"
    )
    return Seed(rerun_chunk(captures, 0, bench).columns, float(np.mean(live)))


def judged(seed: Seed) -> dict[str, Any]:
    """Returns what replay says of the log, beside what came."""
    judgement = judge_policies(seed.columns, ("changed",))
    estimates = judgement.policy("changed").estimates
    return {
        "live": seed.live,
        "logged": judgement.logged_value,
        "answered": {name: e.verdict is Answerability.ANSWERED for name, e in estimates.items()},
        **{name: (e.value, e.interval.low, e.interval.high) for name, e in estimates.items()},
    }


def _world(case: Case) -> World:
    scenario = read_scenario("marketplace")
    total = WARM_BATCHES * BATCH + (1 + LIVE_FACTOR) * case.sessions
    traffic = replace(scenario.traffic, sessions=total, sessions_per_day=2000, batch_sessions=BATCH)
    behaviour = scenario.behaviour
    if not case.feedback:
        behaviour = replace(behaviour, ad_fatigue=0.0, drift_scale=0.0)
    return World.of(
        replace(scenario, seed=case.seed, traffic=traffic, behaviour=behaviour), read_parameters()
    )


def _kept(folder: Path | None, case: Case) -> Seed:
    """Returns a seed's rows, from the folder where an interrupted run left them there."""
    if folder is None:
        return one_seed(case)
    path = folder / case.name
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        found = one_seed(case)
        draft = path.with_suffix(".draft.npz")
        np.savez(draft, allow_pickle=False, live=np.array(found.live), **found.columns)
        draft.rename(path)
    with np.load(path) as arrays:
        columns = {name: arrays[name] for name in arrays.files}
    return Seed(columns, float(columns.pop("live")))


def _held(found: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Returns by estimator how many intervals hold the live value, of all and of those it calls answered."""
    summary = {}
    live = np.array([each["live"] for each in found])
    for name in ESTIMATORS:
        answered = np.array([each["answered"][name] for each in found])
        values, lows, highs = np.array([each[name] for each in found]).T
        held = (lows <= live) & (live <= highs)
        summary[name] = {
            "held": int(held.sum()),
            "answered": int(answered.sum()),
            "held_of_answered": int(held[answered].sum()),
            "mean_error": round(float((values - live).mean()), 4),
            "mean_width": round(float((highs - lows).mean()), 4),
        }
        print(f"{name:10} held {summary[name]['held']:3} of {len(found)}", summary[name])
    return summary


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--sessions", type=int, default=1500, help="logged sessions a seed, multiple of 500")
    parser.add_argument("--exploration", type=float, default=0.4, help="of the logged traffic")
    parser.add_argument("--keep", type=Path, help="folder of finished seeds: an interrupted run goes on")
    parser.add_argument("--feedback", action="store_true", help="users tire, the model learns on")
    given = parser.parse_args()
    started = time.perf_counter()
    cases = [
        Case(seed, given.sessions, given.exploration, given.feedback)
        for seed in range(given.first, given.first + given.seeds)
    ]
    console = Console(stderr=True)
    found = [judged(_kept(given.keep, case)) for case in track(cases, "seeds", console=console)]
    summary = _held(found)
    print(
        json.dumps(
            {
                "benchmark": "simulation_live",
                "first_seed": given.first,
                "seeds": len(found),
                "sessions": given.sessions,
                "exploration": given.exploration,
                "feedback": given.feedback,
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
