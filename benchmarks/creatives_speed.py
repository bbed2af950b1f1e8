"""How long a choice and an update take through the Python API, by size of the space; JSON last.

Times are CPU times of the calling thread, which other work on the machine disturbs less than a wall clock.

python -m benchmarks.creatives_speed
"""

from __future__ import annotations

import json
from dataclasses import replace
from time import thread_time
from typing import TYPE_CHECKING

import numpy as np

from bandit.argmax import SearchedBallot
from bandit.features import FeatureIndex
from bandit.learner import LearnerSettings
from bandit.outcomes import count_cells
from bandit.posterior import Posterior
from bandit.space import ContextField, CreativeCatalogue, CreativeSpace, Slot
from bandit.streaming import absorb
from bandit.thompson import ThompsonSelector

if TYPE_CHECKING:
    from collections.abc import Callable

SPACES = {"90": (2, 3, 3, 5), "1e5": (10,) * 5, "3e8": (50,) * 5}
CONTEXT_SIZES = (10, 60, 300)
REPEATS = 400
NUM_FACTORS = 8
OUTCOMES = 100_000


def catalogue(sizes: tuple[int, ...]) -> CreativeCatalogue:
    fields = tuple(ContextField(f"x{n}", size) for n, size in enumerate(CONTEXT_SIZES))
    slots = tuple(Slot(f"s{n}", tuple(f"e{e}" for e in range(size))) for n, size in enumerate(sizes))
    return CreativeCatalogue(fields, slots, (CreativeSpace("space", tuple(f.name for f in fields)),))


def learned(sizes: tuple[int, ...]) -> tuple[Posterior, float]:
    """Teaches a machine on uniformly shown creatives; returns it and the outcomes learned a second."""
    rng = np.random.default_rng(0)
    data = catalogue(sizes)
    all_sizes = (*CONTEXT_SIZES, *sizes)
    offsets = np.cumsum([0, *all_sizes[:-1]])
    rows = np.stack([rng.integers(size, size=OUTCOMES) for size in all_sizes], axis=1) + offsets
    weights = rng.normal(0.0, 0.3, FeatureIndex(data).num_rows)
    clicks = rng.random(OUTCOMES) < 1.0 / (1.0 + np.exp(2.0 - weights[rows].sum(axis=1)))
    prior = Posterior.prior(data, NUM_FACTORS)
    absorb(prior, count_cells(rows[:100].astype(np.int32), clicks[:100].astype(float)))
    posterior, began = prior, thread_time()
    for start in range(0, OUTCOMES, 10_000):
        batch = slice(start, start + 10_000)
        posterior = absorb(posterior, count_cells(rows[batch].astype(np.int32), clicks[batch].astype(float)))
    return posterior, OUTCOMES / (thread_time() - began)


def quantiles(call: Callable[[int], object]) -> dict[str, float]:
    times = []
    for number in range(REPEATS):
        began = thread_time()
        call(number)
        times.append(1e6 * (thread_time() - began))
    p50, p99 = np.quantile(times, [0.5, 0.99])
    return {"p50_microseconds": round(float(p50), 1), "p99_microseconds": round(float(p99), 1)}


def ten_ads() -> dict[str, float]:
    """Times ten candidates of one request, each with a space of 10⁵ creatives of its own, in new contexts."""
    sizes = SPACES["1e5"]
    data, posterior = catalogue(sizes), learned(sizes)[0]
    space = data.spaces[0]
    names = [f"ad{n}" for n in range(10)]
    many = replace(data, spaces=tuple(replace(space, id=name) for name in names))
    selector = ThompsonSelector(many, tempered(posterior), "v", floor=0.01)
    selector.warm_up()
    rng = np.random.default_rng(2)
    contexts = [{f"x{n}": int(rng.integers(s)) for n, s in enumerate(CONTEXT_SIZES)} for _ in range(REPEATS)]
    return quantiles(lambda number: selector.select_many(names, contexts[number], number % 128, [0.5] * 10))


def tempered(posterior: Posterior) -> Posterior:
    settings = LearnerSettings()
    return posterior.tempered(
        settings.linear_temperature, settings.factors_temperature, settings.composition_temperature
    )


def main() -> None:
    figures: dict[str, dict[str, object]] = {}
    for name, sizes in SPACES.items():
        posterior, rate = learned(sizes)
        selector = ThompsonSelector(catalogue(sizes), tempered(posterior), "v", floor=0.01)
        selector.warm_up()
        rng = np.random.default_rng(1)
        contexts = [
            {f"x{n}": int(rng.integers(s)) for n, s in enumerate(CONTEXT_SIZES)} for _ in range(REPEATS)
        ]
        draws = rng.integers(128, size=REPEATS).tolist()

        def choose(number: int) -> object:
            return selector.select("space", contexts[number], draws[number], 0.5)  # noqa: B023 — called here only

        # The best creative of one draw alone, without the votes of the others that its propensity needs.
        space = selector._pooled("space")
        rows = [
            np.array(selector.index.context_rows(space.space.space, context), np.int32)
            for context in contexts
        ]

        def find(number: int) -> object:
            ballot = space.ballot(rows[number])  # noqa: B023 — called here only
            if isinstance(ballot, SearchedBallot):
                return ballot._searched(draws[number])  # noqa: B023
            return ballot.winner(draws[number])  # noqa: B023

        find(0)
        figures[name] = {
            "best_creative_alone": quantiles(find),
            "new_context": quantiles(choose),
            "known_context": quantiles(choose),
            "outcomes_per_second": round(rate),
        }
        print(name, figures[name])
    figures["ten_ads_1e5"] = {"new_context": ten_ads()}
    print("ten ads", figures["ten_ads_1e5"])
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
