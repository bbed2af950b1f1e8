"""How many slates a second does a rerun of captured requests solve and judge, through the pipeline?"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ranker.pipeline import PipelineSettings
from ranker.rank_many import rank_many
from ranker.rerun.captured_log import captured_of
from ranker.rerun.chunk import Bench, rerun_chunk
from ranker.rerun.policy_file import AS_LOGGED, RerunPolicy
from ranker.rerun.rerun import CHUNK
from ranker.serving.collector import keep_collector_off_the_heap
from ranker.simulation.parameters import read_parameters
from ranker.simulation.policy import PipelinePolicy
from ranker.simulation.scenario import LivePolicy, read_scenario
from ranker.simulation.world import World

if TYPE_CHECKING:
    from collections.abc import Callable

    from ranker.rerun.captured_log import Captured
    from ranker.snapshot import Snapshot

KEY = b"benchmark"
LOGGED = PipelineSettings(exploration_ratio=0.1, draw_key=KEY)


def rerun(rounds: int, step: Callable[[str], None]) -> dict[str, Any]:
    """Return slates a second of processor time, a figure each round: solved only, and rerun and judged."""
    captures, snapshot = _captures()
    keep_collector_off_the_heap()  # as the command does
    requests = [each.request for each in captures]
    policies = AS_LOGGED, RerunPolicy("half new brands", limits={"new brands": 0.5})
    solved: list[float] = []
    rerun_as_logged: list[float] = []
    rerun_changed: list[float] = []
    for number in range(rounds + 1):  # the first one compiles
        solved.append(_rate(lambda: rank_many(requests, snapshot, LOGGED, num_threads=1), len(captures)))
        for rates, judged in ((rerun_as_logged, policies[:1]), (rerun_changed, policies)):
            bench = Bench(judged, (snapshot,) * len(judged), KEY)
            rates.append(_rate(lambda b=bench: rerun_chunk(captures, 0, b), len(judged) * len(captures)))  # type: ignore[misc]
        step(f"rerun, round {number} of {rounds}: {solved[-1]:,.0f} slates/s")
    request = requests[0]
    return {
        "captures": len(captures),
        "shape": [len(request.candidates.ids), request.num_positions, len(request.constraints)],
        "pipeline_slates_a_second": solved[1:],
        "as_logged_slates_a_second": rerun_as_logged[1:],
        "with_a_changed_limit_slates_a_second": rerun_changed[1:],
    }


def _rate(run: Callable[[], object], count: int) -> float:
    started = time.process_time()
    run()
    return count / (time.process_time() - started)


def _captures() -> tuple[list[Captured], Snapshot]:
    """Give one chunk of simulated requests, answered through the pipeline."""
    scenario = read_scenario("marketplace")
    traffic = replace(scenario.traffic, sessions=CHUNK, batch_sessions=CHUNK)
    world = World.of(replace(scenario, traffic=traffic), read_parameters())
    visits = world.requests(0, world.start())
    rng = np.random.default_rng(11)
    policy = PipelinePolicy(world, LivePolicy("logged", exploration_ratio=LOGGED.exploration_ratio))
    asked = policy.requests(visits, rng.uniform(0.01, 0.1, visits.offers.ads.shape))[:CHUNK]
    clicks = (rng.random((len(asked), asked[0].num_positions)) < 0.05).astype(np.float64)
    answers = rank_many(asked, policy.snapshot, LOGGED, num_threads=1)
    return [captured_of(*each) for each in zip(asked, answers, clicks, strict=True)], policy.snapshot  # type: ignore[arg-type]
