"""Whether logs of the policy judge other policies rightly: IPS over many simulated logs; JSON last.

    python -m benchmarks.creatives_off_policy [--logs 200] [--impressions 8000]

Each log: 12 creatives in 3 contexts with their own click rates, Thompson sampling that learns after every
quarter of the log, propensities as logged. The target policy always shows one fixed creative a context; its
value is known. IPS: mean of r · 1{a = target} / π, with its normal 95 % interval.
"""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

import numpy as np

from bandit.features import FeatureIndex
from bandit.learner import LearnerSettings
from bandit.outcomes import count_cells
from bandit.posterior import Posterior
from bandit.space import ContextField, CreativeCatalogue, CreativeSpace, Slot
from bandit.streaming import absorb
from bandit.thompson import ThompsonSelector

if TYPE_CHECKING:
    from numpy.typing import NDArray

CATALOGUE = CreativeCatalogue(
    (ContextField("site", 3),),
    (Slot("picture", ("a", "b", "c", "d")), Slot("colour", ("red", "green", "blue"))),
    (CreativeSpace("banner", ("site",)),),
)


def log_of(seed: int, impressions: int) -> tuple[NDArray[np.float64], float]:
    """Plays one log; returns the weighted reward of each impression and the target's true value."""
    rng = np.random.default_rng(seed)
    settings = LearnerSettings(floor=0.2)
    index = FeatureIndex(CATALOGUE)
    space = index.space("banner")
    creatives = [space.creative(c) for c in range(space.feasible.count)]
    rates = 1.0 / (1.0 + np.exp(1.5 - rng.normal(0.0, 0.6, (3, len(creatives)))))
    target = rng.integers(len(creatives), size=3)
    posterior = Posterior.prior(CATALOGUE, 4, seed=seed)
    terms = []
    for quarter in range(4):
        tempered = posterior.tempered(
            settings.linear_temperature, settings.factors_temperature, settings.composition_temperature
        )
        selector = ThompsonSelector(CATALOGUE, tempered, f"{quarter}", 64, seed, settings.floor)
        rows, rewards = [], []
        for _ in range(impressions // 4):
            context = {"site": int(rng.integers(3))}
            shown = selector.select("banner", context, int(rng.integers(64)), float(rng.random()))
            number = creatives.index(shown.elements)
            reward = float(rng.random() < rates[context["site"], number])
            terms.append(reward * (number == target[context["site"]]) / shown.propensity)
            rows.append(index.rows("banner", context, shown.elements))
            rewards.append(reward)
        posterior = absorb(posterior, count_cells(np.stack(rows), np.array(rewards)))
    return np.array(terms), float(rates[np.arange(3), target].mean())


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--logs", type=int, default=200)
    parser.add_argument("--impressions", type=int, default=8_000)
    options = parser.parse_args()
    covered, errors = 0, []
    for seed in range(options.logs):
        terms, truth = log_of(seed, options.impressions)
        error = terms.mean() - truth
        covered += abs(error) <= 1.96 * terms.std(ddof=1) / np.sqrt(terms.size)
        errors.append(error)
        if seed % 20 == 19:
            print(f"{seed + 1} logs, {covered} intervals hold the truth", flush=True)
    bias = float(np.mean(errors))
    figures = {
        "logs": options.logs,
        "coverage_95": covered / options.logs,
        "bias": bias,
        "bias_in_standard_errors": bias / float(np.std(errors, ddof=1) / np.sqrt(options.logs)),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
