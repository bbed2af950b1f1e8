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
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bandit.learner import LearnerSettings
from benchmarks.creatives_in_memory import InMemory
from benchmarks.creatives_results import spread
from benchmarks.creatives_tables import listed, play
from benchmarks.creatives_world import World

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmarks.creatives_tables import Table

DELAYS = (0, 10_000, 50_000)


def hardest_change(world: World) -> World:
    """Reverses the element whose reversal costs most where the formerly best creatives go on being shown."""
    best = np.where(world.feasible, world.ctr, -np.inf).argmax(axis=1)
    changed = [
        with_reversed_effects(world, slot, element)
        for slot in range(world.creatives.shape[1])
        for element in range(int(world.creatives[:, slot].max()) + 1)
    ]
    return max(changed, key=lambda after: _lost(after, best))


def _lost(world: World, chosen: NDArray[np.int64]) -> float:
    """Expected clicks lost by showing each item once, with the creative chosen for it."""
    best = np.where(world.feasible, world.ctr, 0.0).max(axis=1)
    return float(best.sum() - world.ctr[np.arange(len(chosen)), chosen].sum())


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


def changing(world: World) -> Table:
    """Half of the impressions in the world, and half in the changed one."""
    before, after = listed(world), listed(hardest_change(world))
    return replace(
        before,
        rows=np.tile(before.rows, (2, 1, 1)),
        feasible=np.tile(before.feasible, (2, 1)),
        ctr=np.concatenate([before.ctr, after.ctr]),
        space_of=np.tile(before.space_of, 2),
        contexts=before.contexts * 2,
        days=2,
    )


def play_change(table: Table, settings: LearnerSettings, seed: int) -> dict[str, float]:
    """Plays both days; counts what each cost, and the alarms."""
    policy = InMemory(table, settings, seed)
    regrets = np.array(play(table, policy, seed))
    early = np.array(table.bounds[1:]) <= table.impressions // 2
    return {
        "first_half": regrets[early].sum(),
        "second_half": regrets[~early].sum(),
        "alarms": policy.changes,
    }


def figures(world: World, settings: LearnerSettings, options: argparse.Namespace) -> dict[str, Any]:
    seeds = range(options.seeds)
    found: dict[str, Any] = {}
    if options.only in (None, "change"):
        table = replace(changing(world), impressions=options.impressions)
        runs = [play_change(table, settings, seed) for seed in seeds]
        found["change"] = {name: spread([run[name] for run in runs]) for name in runs[0]}
        print("change", found["change"], flush=True)
    if options.only in (None, "delay"):
        for delay in DELAYS:
            table = replace(listed(world), impressions=options.impressions, delay=delay)
            regrets = [sum(play(table, InMemory(table, settings, seed), seed)) for seed in seeds]
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
