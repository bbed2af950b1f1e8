"""The Bayesian factorization machine as a Pyro model, and its mean-field guide."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyro
import torch
from pyro.distributions import Binomial, Normal
from torch import Tensor

if TYPE_CHECKING:
    from bandit.fm import Parameters


@dataclass(frozen=True)
class Gaussians:
    """Independent Gaussians over bias (), linear (D,) and factors (E, K), as tensors."""

    loc: dict[str, Tensor]
    scale: dict[str, Tensor]

    @classmethod
    def of(cls, loc: Parameters, scale: Parameters) -> Gaussians:
        """Turns arrays into tensors of single precision."""
        return cls(_tensors(loc), _tensors(scale))

    def sample(self) -> dict[str, Tensor]:
        """Declares the three sample sites of the machine."""
        return {
            name: pyro.sample(name, Normal(loc, self.scale[name]).to_event(loc.dim()))  # type: ignore[no-untyped-call]  # pyro is partly typed
            for name, loc in self.loc.items()
        }


@dataclass(frozen=True)
class Observations:
    """Cells as tensors: rows (N, A) into the model's own rows, where D stands for an absent field."""

    rows: Tensor
    num_impressions: Tensor
    num_clicks: Tensor


class FactorizationMachine:
    """θ ~ prior; clicks ~ Binomial(impressions, σ(z(θ))), z the logit of `bandit.fm.logits`."""

    def __init__(self, prior: Gaussians) -> None:
        self.prior = prior

    def __call__(self, cells: Observations) -> None:
        """Declares prior and likelihood; all cells at once, so the prior counts once."""
        weights = self.prior.sample()
        z = torch_logits(weights, cells.rows)
        with pyro.plate("cells", len(cells.rows)):
            pyro.sample("clicks", Binomial(cells.num_impressions, logits=z), obs=cells.num_clicks)


class MeanFieldGuide(torch.nn.Module):
    """q(θ) = N(loc, scale²) for each weight, starting at a given belief.

    Its parameters are the module's own, so Pyro's global store stays empty and models cannot mix.
    """

    def __init__(self, start: Gaussians) -> None:
        super().__init__()
        self.loc = torch.nn.ParameterDict({name: value.clone() for name, value in start.loc.items()})
        self.log_scale = torch.nn.ParameterDict({name: value.log() for name, value in start.scale.items()})

    def forward(self, cells: Observations) -> None:  # noqa: ARG002 — Pyro calls guide and model alike
        """Declares the guide's sample sites."""
        self.gaussians().sample()

    def gaussians(self) -> Gaussians:
        """Reads the present belief."""
        scale = {name: value.exp() for name, value in self.log_scale.items()}
        return Gaussians(dict(self.loc.items()), scale)


def torch_logits(weights: dict[str, Tensor], rows: Tensor) -> Tensor:
    """Computes `bandit.fm.logits` with gradients; row D, one past the last, is the absent field."""
    linear = torch.cat([weights["linear"], weights["linear"].new_zeros(1)])
    factors = weights["factors"]
    lacking = len(linear) - len(factors)
    factors = torch.cat([factors, factors.new_zeros(lacking, factors.shape[-1])])[rows]
    pairs = 0.5 * (factors.sum(-2).square() - factors.square().sum(-2)).sum(-1)
    return weights["bias"] + linear[rows].sum(-1) + pairs


def _tensors(parameters: Parameters) -> dict[str, Tensor]:
    arrays = {"bias": parameters.bias, "linear": parameters.linear, "factors": parameters.factors}
    return {name: torch.tensor(array, dtype=torch.float32) for name, array in arrays.items()}
