"""How far from the truth are conversion rates that are learned while conversions are still to come?

    python -m benchmarks.delayed_feedback

Rows of a known world, each with its age; half of the conversions are still to come. `exponential` delays
have a rate that depends on the features, `mixed` ones are a mixture of two log-normals. Given are ratios of
the mean learned rate to the true one. The last line is JSON; the exit code is 1 where the better of the
corrected fits is more than 2 % from the truth.
"""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING

import numpy as np
from rich.console import Console
from rich.progress import track
from scipy.special import expit

from bandit.delay import completion_curve
from ranker.scoring.delayed_feedback import (
    DelayedLog,
    fit_exponential_delay,
    fit_importance_weighted,
    fit_naive,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

NUM_FEATURES = 6
WORLDS = ("exponential", "mixed")
BOUND = 0.02
# Mean and maximum, in units of the mean delay or near it.
AGES = {"exponential": (1.0, 12.0), "mixed": (0.8, 12.0)}


def world(kind: str, num_rows: int, rng: np.random.Generator) -> tuple[DelayedLog, Floats]:
    """Draws rows; returns the log as it looks now, and the true rates (n,)."""
    features = np.column_stack([np.ones(num_rows), rng.normal(size=(num_rows, NUM_FEATURES - 1))])
    rates = expit(features @ np.r_[-2.0, rng.normal(0.0, 0.4, NUM_FEATURES - 1)])
    if kind == "exponential":
        slow = np.exp(features @ np.r_[0.0, rng.normal(0.0, 0.3, NUM_FEATURES - 1)])
        delays = rng.exponential(slow)
    else:
        fast = rng.random(num_rows) < 0.4
        delays = np.exp(rng.normal(np.where(fast, -2.5, 0.4), np.where(fast, 1.0, 0.6)))
    # Most rows are young, as where traffic grows; the oldest are older than nearly all delays.
    mean, oldest = AGES[kind]
    ages = np.minimum(rng.exponential(mean, num_rows), oldest)
    seen = (rng.random(num_rows) < rates) & (delays <= ages)
    return DelayedLog(features, ages, np.where(seen, delays, np.inf)), rates


def ratios(log: DelayedLog, rates: Floats) -> dict[str, float]:
    """Returns learned over true rate of each fit."""
    curve = completion_curve(log.delays[log.seen], log.ages[log.seen])
    fits = {
        "naive": fit_naive(log),
        "exponential_delay": fit_exponential_delay(log)[0],
        "importance_weighted": fit_importance_weighted(log, curve),
    }
    return {name: float(expit(log.features @ w).mean() / rates.mean()) for name, w in fits.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args()
    found: dict[str, dict[str, list[float]]] = {}
    for kind in WORLDS:
        for seed in track(range(options.seeds), kind, console=Console(stderr=True)):
            log, rates = world(kind, options.rows, np.random.default_rng(seed))
            for name, ratio in ratios(log, rates).items():
                found.setdefault(kind, {}).setdefault(name, []).append(round(ratio, 4))
    for kind, fits in found.items():
        for name, values in fits.items():
            print(f"{kind:12} {name:20} {np.mean(values):.3f} ({min(values):.3f} … {max(values):.3f})")
    print(json.dumps({"ratios": found, "options": vars(options)}))
    best = {
        kind: min(abs(np.mean(v) - 1) for n, v in fits.items() if n != "naive")
        for kind, fits in found.items()
    }
    sys.exit(any(error > BOUND for error in best.values()))


if __name__ == "__main__":
    main()
