"""The belief about the weights: independent Gaussians."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bandit.features import FeatureIndex
from bandit.fm import Parameters

if TYPE_CHECKING:
    from bandit.fm import FloatArray
    from bandit.space import CreativeCatalogue


@dataclass(frozen=True)
class PriorScales:
    """Standard deviations of the weights before any outcome."""

    bias: float = 3.0
    linear: float = 0.3
    factors: float = 0.15
    # The gradient of ⟨v, v'⟩ is zero where both factors are: their means start off the saddle.
    factors_spread: float = 0.1


@dataclass(frozen=True)
class Posterior:
    """Independent Gaussians N(loc, scale²), one for each weight."""

    loc: Parameters
    scale: Parameters

    @classmethod
    def prior(
        cls,
        catalogue: CreativeCatalogue,
        num_factors: int,
        scales: PriorScales = PriorScales(),
        seed: int = 0,
    ) -> Posterior:
        """Makes the belief before any outcome: zero means, except for small random factors."""
        num_rows = FeatureIndex(catalogue).num_rows
        spread = np.random.default_rng(seed).normal(0.0, scales.factors_spread, (num_rows, num_factors))
        return cls(
            Parameters(np.zeros(()), np.zeros(num_rows), spread),
            Parameters(
                np.array(scales.bias),
                np.full(num_rows, scales.linear),
                np.full((num_rows, num_factors), scales.factors),
            ),
        )

    def draws(self, num_draws: int, rng: np.random.Generator) -> Parameters:
        """Draws M coherent machines: parameters with a leading axis M.

        A generator of known seed makes them a frozen pool: whoever knows posterior, M and seed has the same
        draws, and a policy that takes one uniformly shows a creative with probability votes/M exactly.
        """
        return Parameters(*(rng.normal(loc, scale, (num_draws, *loc.shape)) for loc, scale in _blocks(self)))

    def tempered(self, linear: float, factors: float) -> Posterior:
        """Scales the uncertainty of a block of weights; exploration follows it, the means stay."""
        scale = Parameters(self.scale.bias, linear * self.scale.linear, factors * self.scale.factors)
        return Posterior(self.loc, scale)

    def forgotten(self, prior: Posterior, power: float) -> Posterior:
        """Lets old evidence fade: q(θ)^power · prior(θ)^(1 − power), normalised.

        Each weight keeps precision power/scale² + (1 − power)/scale₀² and the mean weighted by it, so that
        without new evidence the belief returns to the prior and never beyond it.
        Source: Ibrahim and Chen (2000), Power prior distributions for regression models, equation 2.
        """
        blocks = [
            _geometric_mean(old, origin, power)
            for old, origin in zip(_blocks(self), _blocks(prior), strict=True)
        ]
        return Posterior(Parameters(*(loc for loc, _ in blocks)), Parameters(*(scale for _, scale in blocks)))


def _blocks(posterior: Posterior) -> list[tuple[FloatArray, FloatArray]]:
    loc, scale = posterior.loc, posterior.scale
    return [(loc.bias, scale.bias), (loc.linear, scale.linear), (loc.factors, scale.factors)]


def _geometric_mean(
    old: tuple[FloatArray, FloatArray], origin: tuple[FloatArray, FloatArray], power: float
) -> tuple[FloatArray, FloatArray]:
    old_precision = power / np.square(old[1])
    origin_precision = (1.0 - power) / np.square(origin[1])
    precision = old_precision + origin_precision
    loc = (old_precision * old[0] + origin_precision * origin[0]) / precision
    return loc, 1.0 / np.sqrt(precision)
