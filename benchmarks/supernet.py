"""Does the weight-sharing net rank architectures as training them alone does?

    python -m benchmarks.supernet [--resume FILE] [--architectures N] [--rows N] [--seeds N]

A log from a known law; architectures drawn uniformly from a CTR space, each trained alone with several seeds;
each scheme's supernet ranks them by validation loss. The ceiling is the rank correlation between two seeds of
training alone. With --resume every result is kept in a file and a stopped run goes on. The last line is JSON.
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
from scipy.stats import kendalltau, spearmanr

from benchmarks.ctr import machine
from nas.ctr.fields import FieldGroups, group_by_cardinality
from nas.ctr.network import CtrNetwork, Subnet
from nas.ctr.space import CtrSpace
from nas.generated_log import LogLaw, generate_log
from nas.supernet.few_shot import train_few_shot
from nas.supernet.fine_tuning import fine_tune
from nas.supernet.plans import FairPaths, Sandwich, UniformPath
from nas.training import Training, TrainingSettings, log_loss, predict_logits, train_alone

if TYPE_CHECKING:
    from collections.abc import Callable

    from nas.click_data import ClickData
    from nas.ctr.genotype import CtrGenotype
    from nas.training import Plan

ALONE = TrainingSettings(epochs=2, batch_size=256)
SHARED = TrainingSettings(epochs=3, batch_size=256)
SPLIT_BY = "cross"
FINE_TUNING_STEPS = 60


@dataclass(frozen=True)
class Question:
    """What is ranked, on which rows."""

    data: ClickData
    fields: FieldGroups
    space: CtrSpace
    genotypes: tuple[CtrGenotype, ...]


def ask(num_architectures: int, num_rows: int) -> Question:
    """Draws the log and the architectures."""
    log = generate_log(LogLaw(), num_rows, np.random.default_rng(0))
    fields = group_by_cardinality(log.data.num_ids)
    space = CtrSpace(
        fields.num_groups,
        dims=(4, 8, 16),
        dots=(0, 8, "all"),
        crosses=((0, 0), (1, 16), (2, 16), (1, "full")),
        gates=(0, 1),
        heads=(0, 1),
        depths=(0, 1, 2),
        widths=(32, 64, 128),
        seconds=((0, 0),),
    )
    rng = np.random.default_rng(1)
    drawn: dict[CtrGenotype, None] = {}
    while len(drawn) < num_architectures:
        drawn[space.decode(space.search_space.sample(rng))] = None
    return Question(log.data, fields, space, tuple(drawn))


def alone(question: Question, place: int, seed: int) -> float:
    """Returns the validation loss of one architecture trained by itself."""
    genotype = question.genotypes[place]
    subnet = Subnet(question.fields, genotype, torch.Generator().manual_seed(seed))
    train_alone(subnet, question.data.train, replace(ALONE, seed=seed))
    return judge(question, subnet.network, genotype)


def judge(question: Question, network: CtrNetwork, genotype: CtrGenotype) -> float:
    """Returns the validation loss of a path."""
    rows = question.data.validation
    return log_loss(predict_logits(network, genotype, rows), rows)


def shared(question: Question, plan: Plan, settings: TrainingSettings = SHARED) -> CtrNetwork:
    """Returns a trained supernet."""
    network = CtrNetwork(question.fields, question.space.limits, torch.Generator().manual_seed(0))
    Training(network, question.data.train, plan, settings).run()
    return network


def by_plan(plan: Callable[[CtrSpace], Plan], epochs: int) -> Callable[[Question], list[float]]:
    """Returns the scheme that judges with the supernet as it is."""

    def losses(question: Question) -> list[float]:
        network = shared(question, plan(question.space), replace(SHARED, epochs=epochs))
        return [judge(question, network, genotype) for genotype in question.genotypes]

    return losses


def few_shot(question: Question) -> list[float]:
    """Splits by operator after two thirds of the epochs."""
    network = shared(question, FairPaths(question.space), replace(SHARED, epochs=2))
    parts = train_few_shot(
        network, question.data.train, question.space, SPLIT_BY, replace(SHARED, epochs=1, seed=1, rate=1e-3)
    )
    return [judge(question, parts.network_of(genotype), genotype) for genotype in question.genotypes]


def fine_tuned(plan: Callable[[CtrSpace], Plan], epochs: int) -> Callable[[Question], list[float]]:
    """Returns the scheme that trains every candidate shortly before it judges it."""

    def losses(question: Question) -> list[float]:
        network = shared(question, plan(question.space), replace(SHARED, epochs=epochs))
        settings = replace(SHARED, rate=1e-3, seed=1)
        tuned = (
            fine_tune(network, genotype, question.data.train, FINE_TUNING_STEPS, settings)
            for genotype in question.genotypes
        )
        return [judge(question, subnet.network, subnet.genotype) for subnet in tuned]

    return losses


# A fair step has five paths, a sandwich four: epochs are chosen so that all see about 15 passes of paths.
SCHEMES: dict[str, Callable[[Question], list[float]]] = {
    "uniform, 3 epochs": by_plan(UniformPath, 3),
    "uniform, 15 epochs": by_plan(UniformPath, 15),
    "fair, 3 epochs": by_plan(FairPaths, 3),
    "sandwich, 4 epochs": by_plan(Sandwich, 4),
    "few-shot by cross, 2 + 1 epochs": few_shot,
    "uniform, 3 epochs, fine-tuned": fine_tuned(UniformPath, 3),
    "fair, 3 epochs, fine-tuned": fine_tuned(FairPaths, 3),
}


class Ledger:
    """Results by name; what is known is not computed again."""

    def __init__(self, file: Path | None, key: dict[str, Any]) -> None:
        self._file = file
        self._results: dict[str, Any] = {"key": key}
        if file is not None and file.exists():
            self._results = json.loads(file.read_text())
            if self._results["key"] != key:
                raise SystemExit(f"{file} holds results of other settings: {self._results['key']}")

    def get(self, name: str, compute: Callable[[], Any]) -> dict[str, Any]:
        """Returns the value and the CPU seconds that it took."""
        if name not in self._results:
            started = time.process_time()
            value = compute()
            self._results[name] = {"value": value, "cpu_seconds": time.process_time() - started}
            print(f"{name}: {self._results[name]['cpu_seconds']:.0f} s of CPU", flush=True)
            if self._file is not None:
                self._file.write_text(json.dumps(self._results))
        found: dict[str, Any] = self._results[name]
        return found


def agreement(losses: list[float], truth: np.ndarray[Any, Any]) -> dict[str, float]:
    """Returns rank correlations with a 95 % bootstrap interval over architectures."""
    rng, ours = np.random.default_rng(0), np.array(losses)
    draws = (rng.integers(len(ours), size=len(ours)) for _ in range(2000))
    low, high = np.nanquantile([spearmanr(ours[d], truth[d])[0] for d in draws], [0.025, 0.975])
    return {
        "spearman": round(float(spearmanr(ours, truth)[0]), 3),
        "low": round(float(low), 3),
        "high": round(float(high), 3),
        "kendall": round(float(kendalltau(ours, truth)[0]), 3),
    }


def main() -> None:
    """Prints one line a result, then the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--resume", type=Path, help="file of results to go on from")
    parser.add_argument("--architectures", type=int, default=32)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--seeds", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    question = ask(arguments.architectures, arguments.rows)
    sizes = {"architectures": arguments.architectures, "rows": arguments.rows, "seeds": arguments.seeds}
    ledger = Ledger(arguments.resume, sizes | {"alone": asdict(ALONE), "shared": asdict(SHARED)})
    by_seed = np.array(
        [
            [
                ledger.get(f"alone {place} {seed}", partial(alone, question, place, seed))["value"]
                for place in range(arguments.architectures)
            ]
            for seed in range(arguments.seeds)
        ]
    )
    truth = by_seed.mean(axis=0)
    results = {}
    for name, scheme in SCHEMES.items():
        found = ledger.get(name, partial(scheme, question))
        results[name] = agreement(found["value"], truth) | {"cpu_seconds": round(found["cpu_seconds"], 1)}
        print(f"{name:32} {results[name]}", flush=True)
    summary = sizes | {
        "benchmark": "supernet",
        "ceiling": agreement(by_seed[0].tolist(), by_seed[1]),
        "loss_range": [round(float(truth.min()), 4), round(float(truth.max()), 4)],
        "seed_deviation": round(float(by_seed.std(axis=0, ddof=1).mean()), 5),
        "schemes": results,
        "machine": machine(),
    }
    print(json.dumps(summary))


if __name__ == "__main__":
    main()
