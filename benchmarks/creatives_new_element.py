"""What a new element's first impressions cost, with the learned prior and without; JSON last.

    python -m benchmarks.creatives_new_element [--seeds 20] [--impressions 50000]

Worlds of our own: 5 sites, 20 pictures with an embedding of 4 numbers, 6 headlines, click rate 5 %, standard
deviation of a slot's effects 0.35 in log odds; 80 % of the variance of the pictures follows the embedding.
After 50,000 impressions a 21st picture is launched; 20,000 more follow, with a refresh every 500. Told is the
expected number of clicks lost by the first 1,000 impressions that show it, against the best creative of all,
and by all 20,000.

with:     features, and the prior learned from the siblings.
without:  neither.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np

from bandit.learner import CreativeLearner, LearnerSettings
from bandit.outcomes import CreativeOutcome
from bandit.snapshot import load
from bandit.space import ContextField, CreativeCatalogue, CreativeSpace, Slot
from benchmarks.creatives_results import spread

if TYPE_CHECKING:
    from numpy.typing import NDArray

SITES, PICTURES, HEADLINES, FEATURES = 5, 21, 6, 4
SPREAD, FOLLOWS, BASE = 0.35, 0.8, -2.94
BATCH, NEW_BATCH, AFTER, COUNTED = 2_500, 500, 20_000, 1_000
NEW = str(PICTURES - 1)


@dataclass(frozen=True)
class LaunchWorld:
    """embeddings (21, 4); ctr (5, 21, 6) by site, picture and headline. The last picture is new."""

    embeddings: NDArray[np.float64]
    ctr: NDArray[np.float64]

    @classmethod
    def drawn(cls, seed: int) -> LaunchWorld:
        """Draws a world."""
        rng = np.random.default_rng(seed)
        embeddings = rng.normal(size=(PICTURES, FEATURES))
        followed = embeddings @ rng.normal(size=FEATURES) / np.sqrt(FEATURES)
        pictures = np.sqrt(FOLLOWS) * followed + np.sqrt(1.0 - FOLLOWS) * rng.normal(size=PICTURES)
        effects = pictures[:, None] + rng.normal(size=HEADLINES)
        sites = 0.2 * rng.normal(size=(SITES, 1, 1))
        return cls(embeddings, 1.0 / (1.0 + np.exp(-BASE - sites - SPREAD * effects)))

    def catalogue(self, with_features: bool, launched: bool) -> CreativeCatalogue:
        """Builds the catalogue before or after the launch."""
        names = tuple(map(str, range(PICTURES)))
        features = {
            name: {"embedding": row} for name, row in zip(names, self.embeddings.tolist(), strict=True)
        }
        picture = Slot("picture", names, features if with_features else {})
        headline = Slot("headline", tuple(map(str, range(HEADLINES))))
        shown = {"picture": names if launched else names[:-1], "headline": headline.elements}
        return CreativeCatalogue(
            (ContextField("site", SITES),), (picture, headline), (CreativeSpace("ad", ("site",), shown),)
        )


def period(
    world: LaunchWorld, learner: CreativeLearner, start: int, size: int, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Shows and learns `size` creatives; returns what each lost, against what may be shown, and where new."""
    current = learner.start(0.0)
    selector = load(learner.root, current.version).selector()
    shown = [
        (site, selector.select("ad", {"site": site}, int(rng.integers(selector.num_draws)), rng.random()))
        for site in rng.integers(SITES, size=size).tolist()
    ]
    rates = np.array(
        [world.ctr[site, int(s.elements["picture"]), int(s.elements["headline"])] for site, s in shown]
    )
    clicks = rng.random(size) < rates
    learner.learn(
        [
            CreativeOutcome("ad", {"site": site}, s.elements, float(click))
            for (site, s), click in zip(shown, clicks, strict=True)
        ],
        start + size,
        0.0,
    )
    is_launched = NEW in learner.catalogue.space("ad").elements["picture"]
    best = world.ctr[:, : PICTURES - (not is_launched)].max(axis=(1, 2))
    lost = best[[site for site, _ in shown]] - rates
    return lost, np.array([s.elements["picture"] == NEW for _, s in shown])


def launch(seed: int, before: int, with_prior: bool, after: int = AFTER) -> dict[str, float]:
    """Plays one world; returns the clicks lost by the new picture's first impressions and by all."""
    world, rng = LaunchWorld.drawn(seed), np.random.default_rng([seed, 1])
    settings = LearnerSettings(seed=seed, keep=1, learns_prior=with_prior)
    with TemporaryDirectory() as folder:
        learner = CreativeLearner(world.catalogue(with_prior, launched=False), Path(folder), settings)
        for start in range(0, before, BATCH):
            period(world, learner, start, BATCH, rng)
        learner = CreativeLearner(world.catalogue(with_prior, launched=True), Path(folder), settings)
        parts = [period(world, learner, before + n, NEW_BATCH, rng) for n in range(0, after, NEW_BATCH)]
    lost, is_new = (np.concatenate(column) for column in zip(*parts, strict=True))
    return {
        "lost_by_the_new": float(lost[is_new][:COUNTED].sum()),
        "impressions_of_the_new": float(min(is_new.sum(), COUNTED)),
        "lost_in_all": float(lost.sum()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--impressions", type=int, default=50_000)
    options = parser.parse_args()
    if options.impressions < BATCH or options.impressions % BATCH:
        parser.error(f"--impressions = {options.impressions}: must be a multiple of {BATCH}")
    found: dict[str, object] = {"seeds": options.seeds, "impressions": options.impressions}
    lost: dict[str, list[dict[str, float]]] = {"with": [], "without": []}
    for seed in range(options.seeds):
        for name in lost:
            lost[name].append(launch(seed, options.impressions, with_prior=name == "with"))
        print(f"\r{seed + 1}/{options.seeds}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    for name, runs in lost.items():
        found[name] = {figure: spread([run[figure] for run in runs]) for figure in runs[0]}
        print(name, found[name])
    for figure in ("lost_by_the_new", "lost_in_all"):
        sums = [sum(run[figure] for run in lost[name]) for name in ("with", "without")]
        found[f"{figure}_ratio"] = round(sums[0] / sums[1], 3)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
