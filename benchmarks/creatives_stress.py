"""What creative selection loses when the world is not as given: change, delay; JSON last.

    python -m benchmarks.creatives_stress --data DIR [--seeds 20] [--only change|delay]

AutoCO's simulated world (`benchmarks.creatives_world`) with

change:   one element's effects reversed after half of the impressions, the element whose reversal costs
          most. The regret of each half.
delay:    every outcome learned 10,000 or 50,000 impressions late; the 2,000 uniform ones are known at once.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bandit.learner import LearnerSettings
from benchmarks.creatives_results import spread
from benchmarks.creatives_world import CADENCE, WARM_UP, FactorizationPolicy, World, uniform

if TYPE_CHECKING:
    from numpy.typing import NDArray

DELAYS = (0, 10_000, 50_000)


def hardest_change(world: World) -> World:
    """Reverses the element whose reversal costs most where the formerly best creatives go on being shown."""
    items = np.arange(len(world.items))
    best = np.where(world.feasible, world.ctr, -np.inf).argmax(axis=1)
    changed = [
        with_reversed_effects(world, slot, element)
        for slot in range(world.creatives.shape[1])
        for element in range(int(world.creatives[:, slot].max()) + 1)
    ]
    return max(changed, key=lambda after: after.regret(items, best))


def with_reversed_effects(world: World, slot: int, element: int) -> World:
    """Reverses an element: what it adds to the logit of each creative beside its siblings is subtracted."""
    z = np.log(world.ctr / (1.0 - world.ctr), where=world.feasible, out=np.zeros_like(world.ctr))
    changed = z.copy()
    others = np.delete(world.creatives, slot, axis=1)
    for creative in np.flatnonzero(world.creatives[:, slot] == element):
        siblings = np.flatnonzero((others == others[creative]).all(axis=1))
        siblings = siblings[siblings != creative]
        count = world.feasible[:, siblings].sum(axis=1)
        mean = (z[:, siblings] * world.feasible[:, siblings]).sum(axis=1) / np.maximum(count, 1)
        changed[:, creative] = np.where(count > 0, 2.0 * mean - z[:, creative], z[:, creative])
    return replace(world, ctr=np.where(world.feasible, 1.0 / (1.0 + np.exp(-changed)), world.ctr))


def play_change(world: World, settings: LearnerSettings, impressions: int, seed: int) -> dict[str, float]:
    """Plays half of the impressions in the world and half in the changed one."""
    rng = np.random.default_rng(seed)
    after = hardest_change(world)
    policy = FactorizationPolicy(world, settings, seed)
    halves = [0.0, 0.0]
    for number, (start, stop) in enumerate(pairwise([0, WARM_UP, *range(CADENCE, impressions + 1, CADENCE)])):
        now = world if start < impressions // 2 else after
        items = rng.integers(len(world.items), size=stop - start)
        chosen = (uniform(world) if number == 0 else policy)(items, rng)
        clicks = (rng.random(items.size) < now.ctr[items, chosen]).astype(np.float64)
        halves[int(now is after)] += now.regret(items, chosen)
        policy.learn(items, chosen, clicks)
    return {"first_half": halves[0], "second_half": halves[1], "alarms": policy.changes}


def play_delayed(world: World, settings: LearnerSettings, impressions: int, seed: int, delay: int) -> float:
    """Plays the published cadence; a batch is learned when `delay` impressions have followed it."""
    rng = np.random.default_rng(seed)
    policy = FactorizationPolicy(world, settings, seed)
    waiting: list[tuple[int, tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]]] = []
    regret = 0.0
    for number, (start, stop) in enumerate(pairwise([0, WARM_UP, *range(CADENCE, impressions + 1, CADENCE)])):
        items = rng.integers(len(world.items), size=stop - start)
        chosen = (uniform(world) if number == 0 else policy)(items, rng)
        clicks = (rng.random(items.size) < world.ctr[items, chosen]).astype(np.float64)
        regret += world.regret(items, chosen)
        waiting.append((0 if number == 0 else stop + delay, (items, chosen, clicks)))
        while waiting and waiting[0][0] <= stop:
            policy.learn(*waiting.pop(0)[1])
    return regret


def figures(world: World, settings: LearnerSettings, options: argparse.Namespace) -> dict[str, Any]:
    seeds, impressions = range(options.seeds), options.impressions
    found: dict[str, Any] = {}
    if options.only in (None, "change"):
        runs = [play_change(world, settings, impressions, seed) for seed in seeds]
        found["change"] = {name: spread([run[name] for run in runs]) for name in runs[0]}
        print("change", found["change"], flush=True)
    if options.only in (None, "delay"):
        for delay in DELAYS:
            regrets = [play_delayed(world, settings, impressions, seed, delay) for seed in seeds]
            found[f"delay_{delay}"] = spread(regrets)
            print("delay", delay, found[f"delay_{delay}"], flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--impressions", type=int, default=200_000)
    parser.add_argument("--only", choices=("change", "delay"))
    options = parser.parse_args()
    settings = LearnerSettings()
    world = World.load(options.data / "autoco_world/autoco_world.npz")
    print(json.dumps({"settings": str(settings), "seeds": options.seeds} | figures(world, settings, options)))


if __name__ == "__main__":
    main()
