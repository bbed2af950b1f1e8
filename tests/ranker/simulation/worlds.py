"""Small worlds for tests."""

from dataclasses import replace

from ranker.simulation.click_model import ShrunkRates
from ranker.simulation.loop import Run
from ranker.simulation.parameters import read_parameters
from ranker.simulation.policy import GreedyPolicy, PipelinePolicy
from ranker.simulation.scenario import read_scenario
from ranker.simulation.world import World

PARAMETERS = read_parameters()


def small_scenario(sessions=600, sessions_per_day=200, batch_sessions=100, **changes):
    scenario = read_scenario("marketplace")
    traffic = replace(
        scenario.traffic,
        sessions=sessions,
        sessions_per_day=sessions_per_day,
        batch_sessions=batch_sessions,
        users=200,
    )
    return replace(scenario, traffic=traffic, **changes)


def greedy_run(scenario):
    world = World.of(scenario, PARAMETERS)
    return Run(world, GreedyPolicy(scenario.market.positions), model_of(world))


def pipeline_run(scenario, policy=0):
    world = World.of(scenario, PARAMETERS)
    return Run(world, PipelinePolicy(world, scenario.policies[policy]), model_of(world))


def model_of(world):
    shape = (len(world.segments), world.scenario.market.ads)
    return ShrunkRates.of(world.attention, world.scenario.learning, shape)
