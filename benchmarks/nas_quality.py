"""Are searched CTR models better than those written by hand, at equal latency?

    python -m benchmarks.nas_quality [--data DIR] [--sets NAMES] [--budget N] [--resume FILE]

Every model gets the same number of trainings, with the same draws of sizes and settings; the validation part
chooses, then the choice is trained with several seeds and judged on the test part. The search trains one
supernet, evolves architectures on it (NSGA-II, quality against the measured latency of a batch of 100) and
gives its candidates the same trainings. Differences are of the losses averaged over seeds, row by row, with a
paired 95 % bootstrap interval. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from benchmarks.ctr import machine
from benchmarks.ctr_rivals import RIVALS, boosted_trees, draw, row_losses, tree_logits
from benchmarks.nas_data import PUBLIC, load
from benchmarks.supernet import Ledger
from nas.click_data import ClickRows
from nas.ctr.fields import FieldGroups, group_by_cardinality
from nas.ctr.genotype import CtrGenotype, Tower
from nas.ctr.network import CtrNetwork, Subnet
from nas.ctr.space import CtrSpace
from nas.pareto import front
from nas.strategies.nsga2 import Nsga2
from nas.supernet.plans import FairPaths
from nas.training import Training, TrainingSettings, log_loss, predict_logits, train_alone
from nas.trial import Trial

if TYPE_CHECKING:
    from nas.click_data import ClickData
    from nas.space import FloatArray

BATCH = 100
NUM_RESAMPLES = 1000


@dataclass(frozen=True)
class Market:
    """One data set and how much is spent on it."""

    data: ClickData
    fields: FieldGroups
    budget: int
    seeds: int


@dataclass(frozen=True)
class Choice:
    """A model with its training, and its validation loss."""

    genotype: CtrGenotype
    settings: TrainingSettings
    validation: float


def trained(market: Market, genotype: CtrGenotype, settings: TrainingSettings) -> CtrNetwork:
    """Returns one architecture trained alone."""
    generator = torch.Generator().manual_seed(settings.seed)
    return train_alone(Subnet(market.fields, genotype, generator), market.data.train, settings).network


def tune(market: Market, trainings: list[tuple[CtrGenotype, TrainingSettings]]) -> list[Choice]:
    """Trains all; the best on the validation part comes first."""
    choices = []
    for genotype, settings in trainings:
        logits = predict_logits(trained(market, genotype, settings), genotype, market.data.validation)
        choices.append(Choice(genotype, settings, log_loss(logits, market.data.validation)))
    return sorted(choices, key=lambda choice: choice.validation)


def rival(market: Market, name: str) -> Choice:
    """Returns a hand-made model, tuned."""
    rng = np.random.default_rng(7)
    draws = [draw(market.fields.num_groups, rng) for _ in range(market.budget)]
    return tune(market, [(RIVALS[name](size), settings) for size, settings in draws])[0]


def searched(market: Market) -> tuple[Choice, Choice]:
    """Returns the best searched model, and the fastest within one standard error of it."""
    space = CtrSpace(market.fields.num_groups)
    network = CtrNetwork(market.fields, space.limits, torch.Generator().manual_seed(0))
    Training(network, market.data.train, FairPaths(space), TrainingSettings(epochs=2)).run()
    candidates = evolve(market, space, network, num_trials=300)
    rng = np.random.default_rng(7)
    draws = [draw(market.fields.num_groups, rng)[1] for _ in range(market.budget)]
    picked = [candidates[place] for place in np.linspace(0, len(candidates) - 1, market.budget).astype(int)]
    choices = tune(market, list(zip(picked[::-1], draws, strict=True)))
    validation = market.data.validation
    best = trained(market, choices[0].genotype, choices[0].settings)
    losses = row_losses(predict_logits(best, choices[0].genotype, validation).numpy(), validation)
    limit = choices[0].validation + losses.std() / np.sqrt(len(losses))
    equal = [choice for choice in choices if choice.validation <= limit]
    return choices[0], min(equal, key=lambda choice: milliseconds(market, choice.genotype, 50))


def evolve(market: Market, space: CtrSpace, network: CtrNetwork, num_trials: int) -> list[CtrGenotype]:
    """Returns the front of quality on the supernet against measured latency, fastest first."""
    strategy = Nsga2(space.search_space, np.random.default_rng(0))
    v = market.data.validation
    rows = ClickRows(v.ids[:8192], v.clicks[:8192], v.numeric[:8192])
    trials: dict[CtrGenotype, Trial] = {}
    for _ in range(num_trials):
        architecture = strategy.ask()
        genotype = space.decode(architecture)
        if genotype not in trials:
            loss = log_loss(predict_logits(network, genotype, rows), rows)
            trials[genotype] = Trial(architecture, -loss, milliseconds(market, genotype, 15))
        strategy.tell(replace(trials[genotype], architecture=architecture))
    quality = np.array([trial.quality for trial in trials.values()])
    latency = np.array([trial.latency for trial in trials.values()])
    return [list(trials)[int(place)] for place in front(quality, latency)]


def milliseconds(market: Market, genotype: CtrGenotype, repeats: int) -> float:
    """Returns the median time of a batch in torch, one thread; weights do not matter."""
    return float(np.median(timings(market, [genotype], repeats)[0]))


def timings(market: Market, genotypes: list[CtrGenotype], repeats: int) -> FloatArray:
    """Returns times (models, repeats) in milliseconds, the models taking turns."""
    ids = torch.from_numpy(market.data.validation.ids[:BATCH])
    subnets = [Subnet(market.fields, genotype, torch.Generator()).eval() for genotype in genotypes]
    times = np.empty((len(subnets), repeats))
    with torch.inference_mode():
        for subnet in subnets:
            for _ in range(3):
                subnet(ids)
        for repeat in range(repeats):
            for model, subnet in enumerate(subnets):
                started = time.perf_counter()
                subnet(ids)
                times[model, repeat] = 1e3 * (time.perf_counter() - started)
    return times


def test_losses(market: Market, choice: Choice) -> list[list[float]]:
    """Returns each test row's loss for each seed."""
    losses = []
    for seed in range(market.seeds):
        network = trained(market, choice.genotype, replace(choice.settings, seed=seed))
        logits = predict_logits(network, choice.genotype, market.data.test).double().numpy()
        losses.append(row_losses(logits, market.data.test).round(6).tolist())
    return losses


def difference(ours: FloatArray, theirs: FloatArray) -> list[float]:
    """Returns the mean difference of losses with its paired interval: negative is ours."""
    rows = ours.mean(axis=0) - theirs.mean(axis=0)
    rng = np.random.default_rng(0)
    means = [rows[rng.integers(len(rows), size=len(rows))].mean() for _ in range(NUM_RESAMPLES)]
    return [round(float(value), 5) for value in (rows.mean(), *np.quantile(means, [0.025, 0.975]))]


def as_json(choice: Choice) -> dict[str, Any]:
    """Returns a choice in plain values."""
    return {
        "genotype": asdict(choice.genotype),
        "settings": asdict(choice.settings),
        "validation": choice.validation,
    }


def rival_as_json(market: Market, name: str) -> dict[str, Any]:
    """Returns a tuned hand-made model in plain values."""
    return as_json(rival(market, name))


def from_json(value: dict[str, Any]) -> Choice:
    """Returns the choice that was written."""
    g = dict(value["genotype"])
    g |= {"dims": tuple(g["dims"]), "tower": Tower(**g["tower"]), "second": Tower(**g["second"])}
    return Choice(CtrGenotype(**g), TrainingSettings(**value["settings"]), value["validation"])


def run(name: str, market: Market, ledger: Ledger) -> dict[str, Any]:
    """Returns the figures of one data set."""
    choices: dict[str, Choice] = {}
    for model in RIVALS:
        found = ledger.get(f"{name}: {model}", partial(rival_as_json, market, model))
        choices[model] = from_json(found["value"])
    found = ledger.get(f"{name}: search", lambda: [as_json(choice) for choice in searched(market)])
    choices["searched"], choices["searched, fast"] = (from_json(value) for value in found["value"])
    losses = {
        model: np.array(ledger.get(f"{name}: test {model}", partial(test_losses, market, choice))["value"])
        for model, choice in choices.items()
    }
    losses["boosted trees"] = np.array(
        ledger.get(f"{name}: test boosted trees", lambda: tree_losses(market))["value"]
    )
    times = timings(market, [choice.genotype for choice in choices.values()], 300)
    milliseconds_of = dict(zip(choices, times, strict=True))
    figures = {}
    for model, rows in losses.items():
        figures[model] = {
            "log_loss": round(float(rows.mean()), 5),
            "seed_deviation": round(float(rows.mean(axis=1).std(ddof=1)), 5) if len(rows) > 1 else None,
            "searched_minus_this": difference(losses["searched"], rows),
            "fast_minus_this": difference(losses["searched, fast"], rows),
        }
        if model in milliseconds_of:
            p50, p99 = np.quantile(milliseconds_of[model], [0.5, 0.99])
            figures[model] |= {"p50_ms": round(float(p50), 3), "p99_ms": round(float(p99), 3)}
        print(f"{name:18} {model:16} {figures[model]}", flush=True)
    return {"models": figures, "genotypes": {model: as_json(choice) for model, choice in choices.items()}}


def tree_losses(market: Market) -> list[list[float]]:
    """Returns each test row's loss by the tuned trees, which no seed changes."""
    model = boosted_trees(market.data, market.budget, np.random.default_rng(7))
    logits = tree_logits(model, market.data, market.data.test)
    return [row_losses(logits, market.data.test).round(6).tolist()]


def main() -> None:
    """Prints one line a model, then the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder of the public data sets")
    parser.add_argument("--sets", help="comma-separated; all by default")
    parser.add_argument("--budget", type=int, default=8, help="trainings a model")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--rows", type=int, default=100_000, help="of the generated log")
    parser.add_argument("--resume", type=Path, help="file of results to go on from")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    every = ("generated", *(PUBLIC if arguments.data else ()))
    sets = arguments.sets.split(",") if arguments.sets else every
    key = {"budget": arguments.budget, "seeds": arguments.seeds, "rows": arguments.rows}
    ledger = Ledger(arguments.resume, key)
    results = {}
    for name in sets:
        data = load(name, arguments.data or Path(), arguments.rows)
        fields = group_by_cardinality(data.num_ids)
        results[name] = run(name, Market(data, fields, arguments.budget, arguments.seeds), ledger)
    print(json.dumps({"benchmark": "nas_quality", **key, "sets": results, "machine": machine()}))


if __name__ == "__main__":
    main()
