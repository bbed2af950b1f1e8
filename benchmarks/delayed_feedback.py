"""How far from the truth are conversion rates that are learned while conversions are still to come?

    python -m benchmarks.delayed_feedback

Rows of a known world, each with its age; half of the conversions are still to come, and those that take
longer than the window do not count. `exponential` delays have a rate that depends on the features, so have
`weibull` ones, most of which come early and some very late; `mixed` ones are a mixture of two log-normals.
Given are ratios of the mean learned rate to the true one; `train_ctr` is what `adranker train-ctr` learns
from the columns of age and delay. The last line is JSON; the exit code is 1 where the fitted delays are more
than 2 % from the truth.
"""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING

import numpy as np
from rich.console import Console
from rich.progress import track
from scipy.special import expit, ndtr

from bandit.delay import completion_curve
from ranker.scoring.dataset import ClickLog
from ranker.scoring.delayed_feedback import (
    DelayedLog,
    fit_delay,
    fit_importance_weighted,
    fit_naive,
)
from ranker.scoring.fitting import fit_model
from ranker.scoring.schema import FeatureSchema, Field
from ranker.scoring.selection import Grid

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

NUM_FEATURES = 6
# Of Weibull delays; 1 is exponential, below it most come early and some very late.
SHAPES = {"exponential": 1.0, "weibull": 0.7}
WORLDS = (*SHAPES, "mixed")
BOUND = 0.02
WINDOW = 4.0  # of the order of a few mean delays
MEAN_AGE = 0.8  # one row in 150 is older than the window


def world(kind: str, num_rows: int, rng: np.random.Generator) -> tuple[DelayedLog, Floats]:
    """Draws rows; returns the log as it looks now, and the true rates within the window (n,)."""
    features = np.column_stack([np.ones(num_rows), rng.normal(size=(num_rows, NUM_FEATURES - 1))])
    rates = expit(features @ np.r_[-2.0, rng.normal(0.0, 0.4, NUM_FEATURES - 1)])
    if kind in SHAPES:
        slow = np.exp(features @ np.r_[0.0, rng.normal(0.0, 0.3, NUM_FEATURES - 1)])
        delays = slow * rng.weibull(SHAPES[kind], num_rows)
        in_window = -np.expm1(-((WINDOW / slow) ** SHAPES[kind]))
    else:
        fast = rng.random(num_rows) < 0.4
        delays = np.exp(rng.normal(np.where(fast, -2.5, 0.4), np.where(fast, 1.0, 0.6)))
        end = np.log(WINDOW)
        in_window = np.full(num_rows, 0.4 * ndtr(end + 2.5) + 0.6 * ndtr((end - 0.4) / 0.6))
    # Most rows are young, as where traffic grows.
    ages = rng.exponential(MEAN_AGE, num_rows)
    seen = (rng.random(num_rows) < rates) & (delays <= np.minimum(ages, WINDOW))
    return DelayedLog(features, ages, np.where(seen, delays, np.inf), WINDOW), rates * in_window


def ratios(log: DelayedLog, rates: Floats) -> dict[str, float]:
    """Returns learned over true rate of each fit."""
    curve = completion_curve(log.delays[log.seen], log.ages[log.seen])
    fits = {
        "naive": fit_naive(log),
        "exponential_delay": fit_delay(log, num_pieces=1).weights,
        "delay_in_pieces": fit_delay(log).weights,
        "importance_weighted": fit_importance_weighted(log, curve),
    }
    found = {name: float(expit(log.features @ w).mean() / rates.mean()) for name, w in fits.items()}
    return found | {"train_ctr": float(trained_rates(log).mean() / rates.mean())}


def trained_rates(log: DelayedLog) -> Floats:
    """Returns what `adranker train-ctr` predicts for the rows (n,)."""
    numeric = np.asarray(log.features[:, 1:], np.float32)
    fields = tuple(Field(f"x{i}", "numeric", "candidate") for i in range(numeric.shape[1]))
    schema = FeatureSchema("late", "converted", fields, age="age", delay="delay", window=WINDOW)
    clicks = ClickLog(numeric, (), log.seen.astype(np.float64), None, 0, "", log.ages, log.delays)
    fitted = fit_model(clicks, schema, seed=0, grid=Grid(num_factors=()), report=lambda *_: None)
    return fitted.model.predict(numeric, fitted.categorical)


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
    sys.exit(any(abs(float(np.mean(fits["delay_in_pieces"])) - 1.0) > BOUND for fits in found.values()))


if __name__ == "__main__":
    main()
