"""Stochastic variational inference: the last posterior is the prior of the next batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyro
import torch
from pyro.infer import TraceMeanField_ELBO

from bandit.errors import CreativeError
from bandit.fm import Parameters
from bandit.model import FactorizationMachine, Gaussians, MeanFieldGuide, Observations, torch_logits
from bandit.outcomes import active_rows
from bandit.posterior import Posterior
from bandit.streaming import absorb

if TYPE_CHECKING:
    from bandit.fm import FloatArray
    from bandit.outcomes import Cells


@dataclass(frozen=True)
class SviSettings:
    """How a batch is fitted."""

    steps: int = 150
    """Gradient steps; each sees every cell."""
    learning_rate: float = 0.01
    """Adam's first rate; it falls to a twentieth along a cosine."""


def update(posterior: Posterior, cells: Cells, seed: int, settings: SviSettings = SviSettings()) -> Posterior:
    """Updates the belief by a batch of cells, with the present belief as the prior.

    Maximises ELBO = E_q[log p(clicks | θ)] − KL(q ‖ posterior) over mean-field q, the KL in closed form and
    counted once. Rows that no cell touches keep their belief: their optimum is the prior. The search starts
    at the closed-form update, which is near the optimum already.

    Source: Kingma and Ba (2015), Adam; Ranganath, Gerrish and Blei (2014), Black box variational inference;
    Broderick et al. (2013), Streaming variational Bayes, equation 3.
    """
    if not len(cells.rows):
        return posterior
    active, rows = active_rows(cells.rows)
    prior = Gaussians.of(posterior.loc.taken(active), posterior.scale.taken(active))
    observed = Observations(
        torch.from_numpy(rows),
        torch.tensor(cells.num_impressions).float(),
        torch.tensor(cells.num_clicks).float(),
    )
    near = absorb(posterior, cells)
    start = Gaussians.of(near.loc.taken(active), near.scale.taken(active))
    fitted = _fit(FactorizationMachine(prior), MeanFieldGuide(start), observed, seed, settings)
    return Posterior(
        posterior.loc.replaced(active, **_arrays(fitted.loc)),
        posterior.scale.replaced(active, **_arrays(fitted.scale)),
    )


MAX_FULL = 2_000
"""Weights up to which a full covariance fits: its factor has that many squared numbers."""


@dataclass(frozen=True)
class JointPosterior:
    """A Gaussian over all weights together, which knows what was learned together: loc (P,), root (P, R).

    The covariance is root·rootᵀ + diag(own²); weights in the order bias, linear, factors by row.
    """

    loc: FloatArray
    root: FloatArray
    own: FloatArray
    num_rows: int
    num_factors: int

    def marginals(self) -> Posterior:
        """Keeps each weight's mean and deviation: what the serving side can hold."""
        scale = np.sqrt(np.square(self.root).sum(axis=1) + np.square(self.own))
        return Posterior(self._split(self.loc), self._split(scale))

    def draws(self, num_draws: int, rng: np.random.Generator) -> Parameters:
        """Draws machines (M, …) with their correlations."""
        together = rng.standard_normal((num_draws, self.root.shape[1])) @ self.root.T
        return self._split(self.loc + together + self.own * rng.standard_normal((num_draws, self.own.size)))

    def _split(self, flat: FloatArray) -> Parameters:
        stop = 1 + self.num_rows
        factors = flat[..., stop:].reshape(*flat.shape[:-1], -1, self.num_factors)
        return Parameters(flat[..., 0], flat[..., 1:stop], factors)


def joint_update(
    posterior: Posterior, cells: Cells, rank: int | None, seed: int, settings: SviSettings = SviSettings()
) -> JointPosterior:
    """Fits a Gaussian with correlations to a batch of cells: the audit of what independence costs.

    ELBO = E_q log p(clicks | θ) − KL(q ‖ posterior), the KL in closed form; starts at the closed-form update.

    Args:
        rank: columns of the covariance's root beside its diagonal; None is a full covariance.

    Raises:
        CreativeError: rank is not positive, or a full covariance has too many weights.
    """
    size = _flat(posterior.loc).size
    if rank is not None and rank < 1:
        raise CreativeError("rank", rank, "must be at least 1, or None for a full covariance")
    if rank is None and size > MAX_FULL:
        raise CreativeError("rank", rank, f"{size} weights are too many for a full covariance")
    near = absorb(posterior, cells)
    start = torch.tensor(_flat(near.scale)).float()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        loc = torch.tensor(_flat(near.loc)).float().requires_grad_()
        columns = size if rank is None else rank
        root = (0.01 * start[:, None] * torch.randn(size, columns)).tril().requires_grad_()
        log_own = start.log().requires_grad_()
        _ascend(posterior, cells, (loc, root, log_own), rank is None, settings)
        spread = root.tril() if rank is None else root
        own = log_own.exp()
        if rank is None:
            # The diagonal of a Cholesky root is its own scale.
            spread, own = spread - torch.diag(spread.diagonal()) + torch.diag(own), torch.zeros(size)
    fitted = [x.detach().double().numpy() for x in (loc, spread, own)]
    num_rows, num_factors = posterior.loc.linear.size, posterior.loc.factors.shape[-1]
    return JointPosterior(fitted[0], fitted[1], fitted[2], num_rows, num_factors)


def _ascend(
    prior: Posterior,
    cells: Cells,
    weights: tuple[torch.Tensor, torch.Tensor, torch.Tensor],
    is_full: bool,
    settings: SviSettings,
) -> None:
    loc, root, log_own = weights
    num_rows, num_factors = prior.loc.linear.size, prior.loc.factors.shape[-1]
    rows = torch.from_numpy(np.where(cells.rows >= 0, cells.rows, num_rows).astype(np.int64))
    impressions, clicks = (torch.tensor(x).float() for x in (cells.num_impressions, cells.num_clicks))
    prior_loc, prior_scale = (torch.tensor(_flat(x)).float() for x in (prior.loc, prior.scale))
    optimiser = torch.optim.Adam(weights, lr=settings.learning_rate)
    for _ in range(settings.steps):
        optimiser.zero_grad()
        q: torch.distributions.Distribution
        if is_full:
            tril = root.tril(-1) + torch.diag(log_own.exp())
            q = torch.distributions.MultivariateNormal(loc, scale_tril=tril, validate_args=False)
        else:
            own = (2.0 * log_own).exp()
            q = torch.distributions.LowRankMultivariateNormal(loc, root, own, validate_args=False)
        theta = q.rsample()
        split = {
            "bias": theta[0],
            "linear": theta[1 : 1 + num_rows],
            "factors": theta[1 + num_rows :].reshape(-1, num_factors),
        }
        z = torch_logits(split, rows)
        misfit = (impressions * torch.nn.functional.softplus(z) - clicks * z).sum()
        cross = 0.5 * ((q.variance + (loc - prior_loc) ** 2) / prior_scale**2).sum()
        entropy: torch.Tensor = q.entropy()  # type: ignore[no-untyped-call]
        (misfit + cross - entropy).backward()  # type: ignore[no-untyped-call]
        optimiser.step()


def _flat(parameters: Parameters) -> FloatArray:
    return np.concatenate([parameters.bias[None], parameters.linear, parameters.factors.ravel()])


def refit(base: Posterior, cells: Cells, start: Posterior) -> Posterior:  # noqa: ARG001 (the Protocol's)
    """Does what `streaming.absorb` does, by SVI: a `memory.Refit` for the learner."""
    return update(base, cells, seed=0)


def _fit(
    model: FactorizationMachine,
    guide: MeanFieldGuide,
    observed: Observations,
    seed: int,
    settings: SviSettings,
) -> Gaussians:
    elbo = TraceMeanField_ELBO()  # type: ignore[no-untyped-call]  # pyro is partly typed
    optimiser = torch.optim.Adam(guide.parameters(), lr=settings.learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(
        optimiser, settings.steps, settings.learning_rate / 20
    )
    # The caller's random state is not ours to change.
    with torch.random.fork_rng(devices=[]), pyro.validation_enabled(False):
        torch.manual_seed(seed)
        for _ in range(settings.steps):
            optimiser.zero_grad()
            elbo.differentiable_loss(model, guide, observed).backward()  # type: ignore[no-untyped-call]  # pyro is partly typed
            optimiser.step()
            schedule.step()
    return guide.gaussians()


def _arrays(values: dict[str, torch.Tensor]) -> dict[str, FloatArray]:
    return {name: value.detach().double().numpy() for name, value in values.items()}
