"""Stochastic variational inference: the last posterior is the prior of the next batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyro
import torch
from pyro.infer import TraceMeanField_ELBO

from bandit.model import FactorizationMachine, Gaussians, MeanFieldGuide, Observations
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
