"""How much creative selection earns: UCI adult and AutoCO's simulated world, several seeds, JSON last.

    python -m benchmarks.creatives --data DIR [--seeds 20] [--only adult|world]

DIR holds autoco_public/ (adult.data, adult.test) and autoco_world/ (autoco_world.npz).
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from bandit.learner import LearnerSettings
from benchmarks.creatives_adult import Adult
from benchmarks.creatives_adult import play as play_adult
from benchmarks.creatives_world import FactorizationPolicy, LinearPolicy, World, uniform
from benchmarks.creatives_world import play as play_world

ADULT_BATCH = 1_500


def spread(values: list[float]) -> dict[str, float]:
    array = np.array(values)
    deviation = float(array.std(ddof=1)) if array.size > 1 else 0.0
    return {
        "mean": float(array.mean()),
        "sd": deviation,
        "min": float(array.min()),
        "max": float(array.max()),
    }


def adult_figures(folder: Path, settings: LearnerSettings, seeds: int) -> dict[str, Any]:
    adult = Adult.load(folder)
    runs = [play_adult(adult, settings, ADULT_BATCH, seed) for seed in range(seeds)]
    share = float(adult.classes.mean())
    return {
        "people": len(adult.contexts),
        "uniform": 0.5,
        "majority": max(share, 1.0 - share),
        "reward": spread([float(run.rewards.mean()) for run in runs]),
        "reward_last_10000": spread([float(run.rewards[-10_000:].mean()) for run in runs]),
        "reward_second_batch": spread(
            [float(run.rewards[ADULT_BATCH : 2 * ADULT_BATCH].mean()) for run in runs]
        ),
        "select_microseconds": spread([run.select_microseconds for run in runs]),
        "learn_seconds": spread([run.learn_seconds for run in runs]),
    }


def world_figures(path: Path, settings: LearnerSettings, seeds: int, impressions: int) -> dict[str, Any]:
    world = World.load(path)
    rng = np.random.default_rng(0)
    items = rng.integers(len(world.items), size=impressions)
    figures: dict[str, Any] = {"random": {"regret": world.regret(items, uniform(world)(items, rng))}}
    regrets: dict[str, list[list[float]]] = {"linear": [], "factorization": []}
    coverage: list[float] = []
    error: list[float] = []
    seconds = []
    for seed in range(seeds):
        regrets["linear"].append(
            play_world(world, LinearPolicy(world, seed, settings.num_draws), impressions, seed)
        )
        policy = FactorizationPolicy(world, settings, seed)
        began = perf_counter()
        regrets["factorization"].append(play_world(world, policy, impressions, seed))
        seconds.append(perf_counter() - began)
        for values, figure in zip((coverage, error), policy.calibration(world.ctr), strict=True):
            values.append(figure)
    for name, runs in regrets.items():
        figures[name] = {
            "regret_50000": spread([sum(run[:6]) for run in runs]),
            "regret": spread([sum(run) for run in runs]),
        }
    figures["factorization"] |= {
        "coverage_90": spread(coverage),
        "calibration_error": spread(error),
        "seconds": spread(seconds),
    }
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--impressions", type=int, default=200_000)
    parser.add_argument("--only", choices=("adult", "world"))
    options = parser.parse_args()
    settings = LearnerSettings()
    figures: dict[str, dict[str, Any]] = {}
    if options.only != "world":
        figures["adult"] = adult_figures(options.data / "autoco_public", settings, options.seeds)
    if options.only != "adult":
        path = options.data / "autoco_world/autoco_world.npz"
        figures["world"] = world_figures(path, settings, options.seeds, options.impressions)
    for part, values in figures.items():
        for name, value in values.items():
            print(f"{part:6} {name:22} {value}")
    print(json.dumps({"settings": str(settings), "seeds": options.seeds, **figures}))


if __name__ == "__main__":
    main()
