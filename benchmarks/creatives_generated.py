"""A world of our own with knobs: seeded, every true click rate known, listed day by day."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations, product
from typing import TYPE_CHECKING

import numpy as np

from bandit.errors import CreativeError
from bandit.space import ContextField, CreativeCatalogue, CreativeSpace, Slot
from benchmarks.creatives_tables import Table

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Knobs:
    """One world: sites × product of slots, 20 days of 5,000 impressions, a refresh a day."""

    interactions: float = 0.0
    """Share of the log odds' variance within a site that no sum over elements explains."""
    ctr: float = 0.05
    """Click rate where the log odds are in the middle."""
    spread: float = 0.35
    """Standard deviation of the log odds over the creatives of a site, in the mean."""
    churn: float = 0.0
    """Share of the elements that is replaced every day."""
    drift: float = 0.0
    """Standard deviation that an element's effect gains in a day, as a share of its own."""
    delay: int = 0
    """Impressions between an impression and its outcome."""
    slots: int = 3
    elements: int = 6
    """Elements of a slot that may be shown at a time."""
    sites: int = 5
    days: int = 20
    impressions: int = 100_000

    def __post_init__(self) -> None:
        for name, low, high in (
            ("interactions", 0.0, 1.0),
            ("ctr", 1e-6, 0.5),
            ("spread", 0.0, 10.0),
            ("churn", 0.0, 1.0),
            ("drift", 0.0, 1.0),
            ("delay", 0, self.impressions),
            ("slots", 2, 6),
            ("elements", 2, 50),
            ("sites", 1, 1_000),
            ("days", 1, self.impressions),
        ):
            if not low <= getattr(self, name) <= high:
                raise CreativeError(name, getattr(self, name), f"must be from {low} to {high}")
        if self.impressions % self.days:
            raise CreativeError("impressions", self.impressions, f"must be a multiple of {self.days} days")


def generate(knobs: Knobs, seed: int) -> Table:
    """Draws a world: z = z₀ + √(1 − s) · Σ_f e_f + √s · (Σ_{f<g} u_fg + Σ_f u_{site,f}).

    p = 1 / (1 + exp(−z)). Effects e and interactions u are normal, each unstructured table centred in both
    directions, so s is the share of the variance within a site that interactions hold, up to sampling. Over
    the days effects drift as a stationary first-order autoregression; elements retire for new ones.
    """
    rng = np.random.default_rng(seed)
    life = _lives(knobs, rng)
    counts = [len(first) for first, _ in life]
    listed = np.array(list(product(*map(range, counts))))
    alive = np.ones((knobs.days, len(listed)), np.bool_)
    day = np.arange(knobs.days)[:, None]
    for (first, last), column in zip(life, listed.T, strict=True):
        alive &= (first[column] <= day) & (day < last[column])
    logits = np.log(knobs.ctr / (1.0 - knobs.ctr)) + knobs.spread * _effects(knobs, listed, counts, rng)
    ctr = (1.0 / (1.0 + np.exp(-logits))).reshape(-1, len(listed))
    return _table(knobs, listed, alive, ctr)


def _lives(knobs: Knobs, rng: np.random.Generator) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """First day, and the day after the last, of every element that ever exists, by slot."""
    total = knobs.slots * knobs.elements
    lives = [[[0, knobs.days] for _ in range(knobs.elements)] for _ in range(knobs.slots)]
    for day in range(1, knobs.days):
        replaced = int(knobs.churn * total * day + 1e-9) - int(knobs.churn * total * (day - 1) + 1e-9)
        old = [(s, e) for s, slot in enumerate(lives) for e, life in enumerate(slot) if life[1] > day]
        for number in rng.choice(len(old), size=replaced, replace=False):
            slot, element = old[number]
            lives[slot][element][1] = day
            lives[slot].append([day, knobs.days])
    found = [np.array(slot) for slot in lives]
    return [(slot[:, 0], slot[:, 1]) for slot in found]


def _effects(knobs: Knobs, listed: NDArray[np.int64], counts: list[int], rng: np.random.Generator) -> Floats:
    """Effects of unit variance within a site: (days, sites, creatives)."""
    days, sites = knobs.days, knobs.sites
    additive, crossed = np.zeros((2, days, sites, len(listed)))
    keep = np.sqrt(1.0 - knobs.drift**2)
    for column, count in zip(listed.T, counts, strict=True):
        effect = rng.standard_normal(count)
        for day in range(days):
            additive[day] += (effect - effect.mean())[column]
            effect = keep * effect + knobs.drift * rng.standard_normal(count)
        crossed += _centred(rng.standard_normal((sites, count)))[:, column]
    for f, g in combinations(range(knobs.slots), 2):
        crossed += _centred(rng.standard_normal((counts[f], counts[g])))[listed[:, f], listed[:, g]]
    share = knobs.interactions
    effects: Floats = sum(
        np.sqrt(weight) * part / np.sqrt(np.mean(part.var(axis=2)))
        for weight, part in ((1.0 - share, additive), (share, crossed))
        if weight > 0.0
    ) + np.zeros_like(additive)
    return effects


def _centred(table: Floats) -> Floats:
    """Leaves what no sum of a row's and a column's effect explains."""
    centred: Floats = table - table.mean(axis=0) - table.mean(axis=1)[:, None] + table.mean()
    return centred


def _table(knobs: Knobs, listed: NDArray[np.int64], alive: NDArray[np.bool_], ctr: Floats) -> Table:
    sizes = listed.max(axis=0) + 1
    slots = tuple(Slot(f"s{s}", tuple(map(str, range(size)))) for s, size in enumerate(sizes.tolist()))
    spaces = tuple(
        CreativeSpace(
            f"day{day}",
            ("site",),
            {
                f"s{s}": tuple(map(str, sorted(set(column))))
                for s, column in enumerate(listed[mask].T.tolist())
            },
        )
        for day, mask in enumerate(alive)
    )
    rows = np.empty((knobs.days, knobs.sites, len(listed), 1 + knobs.slots), np.int32)
    rows[..., 0] = np.arange(knobs.sites)[:, None]
    rows[..., 1:] = listed + np.cumsum([knobs.sites, *sizes[:-1]])
    batch = knobs.impressions // knobs.days
    return Table(
        rows.reshape(-1, *rows.shape[2:]),
        np.repeat(alive, knobs.sites, axis=0),
        ctr,
        CreativeCatalogue((ContextField("site", knobs.sites),), slots, spaces),
        np.repeat(np.arange(knobs.days), knobs.sites),
        [{"site": site} for site in range(knobs.sites)] * knobs.days,
        [{f"s{s}": str(element) for s, element in enumerate(row)} for row in listed.tolist()],
        knobs.impressions,
        warm_up=batch,
        cadence=batch,
        days=knobs.days,
        delay=knobs.delay,
    )
