"""The shipped policy beside its rivals on listed worlds: regret by seed, a plot, JSON last.

    python -m benchmarks.creatives_arena --data DIR [--out var/bench-creatives] [--worlds autoco,aes]
        [--policies "NAME;NAME"] [--seeds 20] [--slow-seeds 3]

DIR holds autoco_world/autoco_world.npz and aes_creative_elements/ctr_online.txt. A run that is in --out
already is not repeated, so an interrupted benchmark goes on where it stopped. Policies marked slow play fewer
seeds. One process: set OMP_NUM_THREADS=1 for comparable times.
"""

from __future__ import annotations

import argparse
import json
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.creatives_autoco import AutoCo, Variant
from benchmarks.creatives_libraries import VW_OPTIONS, MabWiser, VowpalWabbit
from benchmarks.creatives_ours import Shipped
from benchmarks.creatives_rivals import Independent, OneHot, Uniform, all_pairs
from benchmarks.creatives_tables import aes, autoco, play

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.creatives_tables import Policy, Table

    Make = Callable[[Table, int], Policy]

TREE = ((0, 2), (2, 3))
"""AES: text colour hangs on the background, font on text colour."""
POLICIES: dict[str, Make] = {
    "shipped": Shipped,
    "random": Uniform,
    "independent TS": Independent,
    "independent TS, by creative": partial(Independent, shared=True),
    "one-hot LinTS": OneHot,
    "logistic TS": partial(OneHot, logistic=True, scale=1.0),
    "logistic TS, scale 0.7": partial(OneHot, logistic=True, scale=0.7),
    "logistic TS, all pairs": lambda table, seed: OneHot(table, seed, True, 1.0, all_pairs(table)),
    "LinTS on AES's tree": lambda table, seed: OneHot(table, seed, False, 0.005, TREE),
}
SLOW: dict[str, Make] = {
    "FM-TS mean-field": partial(AutoCo, variant=Variant(searches=False)),
    "AutoCO repaired": AutoCo,
    "AutoCO as released": partial(AutoCo, variant=Variant(restarts=True, num_draws=0)),
    "MABWiser": MabWiser,
    "VW bag": partial(VowpalWabbit, options=VW_OPTIONS["bag"]),
    "VW squarecb": partial(VowpalWabbit, options=VW_OPTIONS["squarecb"]),
    "VW cover": partial(VowpalWabbit, options=VW_OPTIONS["cover"]),
    "VW regcb": partial(VowpalWabbit, options=VW_OPTIONS["regcb"]),
}
WORLDS = {"autoco": "autoco_world/autoco_world.npz", "aes": "aes_creative_elements/ctr_online.txt"}
ONLY = {"LinTS on AES's tree": "aes", "logistic TS, all pairs": "aes"}


def summary(runs: list[dict[str, float]]) -> dict[str, float]:
    whole = np.array([run["regret"] for run in runs])
    return {
        "seeds": len(runs),
        "mean": round(float(whole.mean()), 1),
        "sd": round(float(whole.std(ddof=1)), 1) if len(runs) > 1 else float("nan"),
        "worst": round(float(whole.max()), 1),
        "quarter": round(float(np.mean([run["quarter"] for run in runs])), 1),
        "seconds": round(float(np.mean([run["seconds"] for run in runs])), 1),
    }


def run_of(path: Path, table: Table, make: Make, seed: int) -> dict[str, float]:
    if path.exists():
        found: dict[str, float] = json.loads(path.read_text())
        return found
    began = perf_counter()
    regrets = play(table, make(table, seed), seed)
    first = len(regrets) // 4 + 1
    run = {
        "regret": sum(regrets),
        "quarter": sum(regrets[:first]),
        "seconds": perf_counter() - began,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(run))
    return run


def plot(figures: dict[str, dict[str, dict[str, float]]], path: Path) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    sheet, axes = pyplot.subplots(1, len(figures), figsize=(5.5 * len(figures), 4.2), squeeze=False)
    for axis, (world, rows) in zip(axes[0], figures.items(), strict=True):
        ordered = sorted(rows.items(), key=lambda item: -item[1]["mean"])
        names = [f"{name} ({row['seeds']:.0f})" for name, row in ordered]
        means = [row["mean"] for _, row in ordered]
        colours = ["#c2410c" if name == "shipped" else "#94a3b8" for name, _ in ordered]
        axis.barh(names, means, color=colours)
        axis.plot([row["worst"] for _, row in ordered], names, "k|", markersize=9)
        axis.set_xscale("log")
        axis.set_xlabel("regret in clicks, mean of the seeds in brackets; | worst seed")
        axis.set_title(world)
        axis.tick_params(labelsize=8)
        axis.spines[["top", "right"]].set_visible(False)
    sheet.tight_layout()
    sheet.savefig(path, metadata={"Date": None})


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("var/bench-creatives"))
    parser.add_argument("--worlds", default="autoco,aes")
    parser.add_argument("--policies", help="names, split by semicolons; all by default")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--slow-seeds", type=int, default=3)
    options = parser.parse_args()
    wanted = options.policies.split(";") if options.policies else None
    figures: dict[str, dict[str, dict[str, float]]] = {}
    for world in options.worlds.split(","):
        table = {"autoco": autoco, "aes": aes}[world](options.data / WORLDS[world])
        figures[world] = {}
        for name, make in (POLICIES | SLOW).items():
            if (wanted is not None and name not in wanted) or ONLY.get(name, world) != world:
                continue
            seeds = options.slow_seeds if name in SLOW else options.seeds
            paths = [options.out / f"{world}/{name}/{seed}.json" for seed in range(seeds)]
            runs = [run_of(path, table, make, seed) for seed, path in enumerate(paths)]
            figures[world][name] = summary(runs)
            print(f"{world:7} {name:28} {figures[world][name]}", flush=True)
    plot(figures, options.out / "regret.svg")
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
