"""How fast is the world, alone and with the real pipeline?

    python -m benchmarks.simulation [--sessions 20000]

How near it is to logs that it has not seen: `benchmarks.simulation_fidelity`. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.attention import machine
from ranker.simulation.click_model import ShrunkRates
from ranker.simulation.loop import Run, simulate
from ranker.simulation.parameters import read_parameters
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sessions", type=int, default=20_000, help="of a timed round, multiple of 500")
    arguments = parser.parse_args()
    parameters = read_parameters()
    world = speed(parameters, pipeline=False, sessions=arguments.sessions)
    piped = speed(parameters, pipeline=True, sessions=500)
    print(f"world {np.median(world):,.0f} requests/s, with the pipeline {np.median(piped):,.0f} slates/s")
    print(
        json.dumps(
            {
                "benchmark": "simulation",
                "world_requests_per_second": [round(each) for each in world],
                "pipeline_slates_per_second": [round(each) for each in piped],
                "machine": machine(),
            }
        )
    )


if __name__ == "__main__":
    main()
