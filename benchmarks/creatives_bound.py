"""What finding the best banner of AES's table costs whoever is told every rate, but not which banner has it.

python -m benchmarks.creatives_bound --data DIR
"""

from __future__ import annotations

import argparse
import json
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.creatives_tables import aes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

IMPRESSIONS, PERMUTATIONS = 1_000_000, 1_000


def told(rates: Floats, refresh: int, rng: np.random.Generator) -> float:
    """Shows the banner most likely to be the best one; returns the regret of a million impressions.

    Each banner's rate is taken for any of the n `rates`, so after k clicks of N impressions the odds of
    the best rate p* are L(p*) / Σ_{v≠p*} L(v) with L(v) = v^k (1 − v)^(N − k). Where all rates but one are
    equal and clicks are learned one by one, no policy that does not know the banner expects less regret.

    Source: Feldman (1962), Contributions to the two-armed bandit problem; Rodman (1978), On the many-armed
    bandit problem.
    """
    values, weights = np.unique(rates, return_counts=True)
    click, miss = np.log(values), np.log1p(-values)
    # Shuffled, so that the first of equals is any of them.
    hidden = rng.permutation(rates)
    logs = np.tile(np.log(weights), (len(rates), 1))
    odds = np.full(len(rates), -np.log(len(rates) - 1.0))
    regret = 0.0
    for _ in range(IMPRESSIONS // refresh):
        banner = int(odds.argmax())
        clicks = rng.binomial(refresh, hidden[banner])
        regret += refresh * (values[-1] - hidden[banner])
        logs[banner] += clicks * click + (refresh - clicks) * miss
        odds[banner] = logs[banner, -1] - np.logaddexp.reduce(logs[banner, :-1])
    return regret


def explained(elements: NDArray[np.int64], z: Floats, order: int) -> float:
    """Measures the share of the variance of log odds z (n,) that elements, or their pairs, explain."""
    columns = [np.ones((len(z), 1))]
    for fields in combinations(range(elements.shape[1]), order):
        _, number = np.unique(elements[:, fields], axis=0, return_inverse=True)
        columns.append(np.eye(number.max() + 1)[number.ravel()])
    design = np.hstack(columns)
    rest = z - design @ np.linalg.lstsq(design, z, rcond=None)[0]
    return float(1.0 - rest.var() / z.var())


def structure(elements: NDArray[np.int64], rates: Floats, order: int) -> dict[str, float]:
    """Compares the share explained with that of tables whose rates are shuffled over the banners."""
    z = np.log(rates / (1.0 - rates))
    rng = np.random.default_rng(0)
    found = explained(elements, z, order)
    chance = np.array([explained(elements, rng.permutation(z), order) for _ in range(PERMUTATIONS)])
    return {
        "explained": round(found, 3),
        "shuffled": round(float(chance.mean()), 3),
        "p_value": float((1 + np.sum(chance >= found)) / (1 + PERMUTATIONS)),
    }


def summary(regrets: list[float]) -> dict[str, float]:
    found = np.array(regrets)
    return {
        "mean": round(float(found.mean())),
        "standard_error": round(float(found.std(ddof=1) / np.sqrt(found.size))),
        "above_2000": round(float(np.mean(found > 2000.0)), 3),
        "worst": round(float(found.max())),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--refresh", type=int, default=20, help="impressions between two looks at the clicks")
    given = parser.parse_args()
    table = aes(given.data / "aes_creative_elements/ctr_online.txt")
    rates = table.ctr[0]
    worlds = {
        "one_stands_out": np.where(rates == rates.max(), rates, rates[rates < rates.max()].mean()),
        "all_rates": rates,
    }
    figures: dict[str, object] = {
        name: structure(table.rows[0].astype(np.int64), rates, order)
        for name, order in (("elements", 1), ("pairs", 2))
    }
    print(figures)
    for name, world in worlds.items():
        runs = (told(world, given.refresh, np.random.default_rng(seed)) for seed in range(given.runs))
        figures[name] = summary(list(runs))
        print(name, figures[name])
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
