"""A posterior's way into a changed catalogue: known rows keep their belief, new ones join their group."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bandit.features import FeatureIndex
from bandit.fm import Parameters
from bandit.posterior import Posterior

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bandit.fm import FloatArray
    from bandit.space import CreativeCatalogue


def transferred(
    posterior: Posterior, old: CreativeCatalogue, new: CreativeCatalogue, prior: Posterior
) -> Posterior:
    """Carries a belief about the old catalogue over to the new one, row by name.

    A new element is expected to be like its siblings, the rows of its slot or context field; each weight has

        μ = mean of the siblings' locs,    τ² = mean of (loc − μ)² + scale²,

    never wider than the prior. A group without siblings starts at the prior.
    Source: Gelman et al. (2013), Bayesian Data Analysis, section 5.4, with moments for the group's spread.

    Args:
        posterior: belief about the rows of `old`.
        prior: belief about the rows of `new` before any outcome; same number of factors.
    """
    known = {name: row for row, name in enumerate(FeatureIndex(old).row_names())}
    names = FeatureIndex(new).row_names()
    loc, scale = _blocks(prior.loc), _blocks(prior.scale)
    kept = np.array([row for row, name in enumerate(names) if name in known], np.int64)
    source = np.array([known[names[row]] for row in kept], np.int64)
    groups = np.array([name[0] for name in names])
    for target, belief in ((loc, posterior.loc), (scale, posterior.scale)):
        for block, values in zip(target, (belief.linear, belief.factors), strict=True):
            block[kept] = values[source]
    for group in dict.fromkeys(groups[np.setdiff1d(np.arange(len(names)), kept)]):
        siblings = kept[groups[kept] == group]
        newcomers = np.setdiff1d(np.flatnonzero(groups == group), kept)
        if siblings.size:
            for means, deviations in zip(loc, scale, strict=True):
                _join(means, deviations, siblings, newcomers)
    return Posterior(Parameters(posterior.loc.bias, *loc), Parameters(posterior.scale.bias, *scale))


def _blocks(parameters: Parameters) -> tuple[FloatArray, FloatArray]:
    return parameters.linear.copy(), parameters.factors.copy()


def _join(
    loc: FloatArray, scale: FloatArray, siblings: NDArray[np.int64], newcomers: NDArray[np.int64]
) -> None:
    mean = loc[siblings].mean(axis=0)
    spread = np.sqrt(np.mean(np.square(loc[siblings] - mean) + np.square(scale[siblings]), axis=0))
    loc[newcomers] = mean
    scale[newcomers] = np.minimum(scale[newcomers], spread)
