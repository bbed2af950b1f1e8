"""The belief about the weights: independent Gaussians."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
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
    composition: float = 0.1
    """What a composition as a whole adds to its elements and their pairs."""


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
        """Makes the belief before any outcome: zero means, except for small random factors.

        A row's factors depend on its name, so they stay where they are when others come and go.
        """
        index = FeatureIndex(catalogue)
        num_rows = index.num_rows
        spread = scales.factors_spread * _directions(catalogue, num_factors, seed)
        return cls(
            Parameters(np.zeros(()), np.zeros(num_rows), spread),
            Parameters(
                np.array(scales.bias),
                np.where(np.arange(num_rows) < len(spread), scales.linear, scales.composition),
                np.full(spread.shape, scales.factors),
            ),
        )

    def draws(self, num_draws: int, rng: np.random.Generator) -> Parameters:
        """Draws M coherent machines: parameters with a leading axis M.

        A generator of known seed makes them a frozen pool: whoever knows posterior, M and seed has the same
        draws, and a policy that takes one uniformly shows a creative with probability votes/M exactly.
        """
        return Parameters(*(rng.normal(loc, scale, (num_draws, *loc.shape)) for loc, scale in _blocks(self)))

    def tempered(self, linear: float, factors: float, composition: float) -> Posterior:
        """Scales the uncertainty of each kind of weights; exploration follows it, the means stay.

        Rows without factors are compositions.
        """
        temperatures = np.full(self.scale.linear.size, composition)
        temperatures[: len(self.scale.factors)] = linear
        scale = Parameters(self.scale.bias, temperatures * self.scale.linear, factors * self.scale.factors)
        return Posterior(self.loc, scale)

    def rebased(self, old: Posterior, new: Posterior) -> Posterior:
        """Exchanges the prior under the same evidence: q(θ) · new(θ) / old(θ), normalised.

        Natural parameters add up: 1/s² − 1/s_old² + 1/s_new², and m/s² likewise. Evidence never has a
        negative precision, so the result is at least as sure as the new prior.
        """
        blocks = [_exchanged(*parts) for parts in zip(_blocks(self), _blocks(old), _blocks(new), strict=True)]
        return Posterior(Parameters(*(loc for loc, _ in blocks)), Parameters(*(scale for _, scale in blocks)))

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


def _directions(catalogue: CreativeCatalogue, num_factors: int, seed: int) -> FloatArray:
    """Draws standard normals (D, K), reproducibly by the names of fields and elements."""
    fields = [((item.name,), item.size) for item in catalogue.context_fields]
    elements = [((slot.name, element), 1) for slot in catalogue.slots for element in slot.elements]
    blocks = [
        np.random.default_rng([seed, *blake2b(repr(name).encode(), digest_size=8).digest()]).standard_normal(
            (num_rows, num_factors)
        )
        for name, num_rows in fields + elements
    ]
    return np.concatenate(blocks)


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


def _exchanged(
    belief: tuple[FloatArray, FloatArray],
    old: tuple[FloatArray, FloatArray],
    new: tuple[FloatArray, FloatArray],
) -> tuple[FloatArray, FloatArray]:
    (loc, scale), (old_loc, old_scale), (new_loc, new_scale) = belief, old, new
    evidence = np.maximum(scale**-2.0 - old_scale**-2.0, 0.0)
    precision = evidence + new_scale**-2.0
    # Around the old prior's mean, so that a row without evidence gets the new prior exactly.
    shift = (loc - old_loc) / scale**2 + evidence * (old_loc - new_loc)
    return new_loc + shift / precision, precision**-0.5
