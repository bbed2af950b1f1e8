"""The dynamic Bayesian network: a user may be satisfied by a click, or lose patience anywhere."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from ranker.attention.chain import Chain
from ranker.attention.chain_kernels import expectations
from ranker.attention.simplified_dbn import fit_simplified_dbn

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ranker.attention.chain_kernels import Parameters
    from ranker.attention.click_log import Sessions

    Floats: TypeAlias = NDArray[np.float64]

MAX_STEPS = 2000
# Stop where one EM step gains less than this per session.
TOLERANCE = 1e-8
FIRST_PERSEVERANCE = 0.9
EDGE = 1e-6  # keeps the start off 0 and 1, which EM never leaves


def fit_dbn(
    sessions: Sessions,
    weights: Floats,
    *,
    prior_impressions: float = 0.0,
    start: Chain | None = None,
    tolerance: float = TOLERANCE,
) -> Chain:
    """Returns the DBN of greatest likelihood that EM reaches; weights (s,) count the sessions.

    Starts at the simplified model unless `start` is given. The prior adds impressions answered at that
    model's mean rates. Each step raises likelihood × prior; stops
    where a step gains less than `tolerance` per session, or after 2,000 steps (`converged` says which).
    Source: Chapelle and Zhang (2009), "A dynamic Bayesian network click model for web search ranking",
    section 3 and appendix.
    """
    counted = fit_simplified_dbn(sessions, weights, prior_impressions=max(prior_impressions, 0.1))
    means = (float(counted.attractiveness.mean()), float(counted.satisfaction.mean()))
    start = start or replace(counted, perseverance=FIRST_PERSEVERANCE)
    parameters: Parameters = (
        np.clip(start.attractiveness, EDGE, 1 - EDGE),
        np.clip(start.satisfaction, EDGE, 1 - EDGE),
        min(max(start.perseverance, EDGE), 1 - EDGE),
    )
    reached, converged, step = -np.inf, False, 0
    while not converged and step < MAX_STEPS:
        parameters, value = em_step(sessions, weights, parameters, (prior_impressions, means))
        converged = value - reached <= tolerance * weights.sum()
        reached, step = value, step + 1
    return Chain("dbn", *parameters, num_steps=step, converged=bool(converged))


def em_step(
    sessions: Sessions,
    weights: Floats,
    parameters: Parameters,
    prior: tuple[float, tuple[float, float]],
) -> tuple[Parameters, float]:
    """Returns the parameters after a step, and the log posterior before it; prior is (impressions, means)."""
    strength, means = prior
    tally, went_on = np.zeros((len(parameters[0]), 4)), np.zeros(2)
    value = expectations((sessions.items, sessions.clicks, weights), parameters, tally, went_on)
    updated = []
    for counts, old, mean in zip((tally[:, :2], tally[:, 2:]), parameters[:2], means, strict=True):
        yes, asked = counts[:, 0] + strength * mean, counts[:, 1] + strength
        if strength > 0:
            value += strength * float((mean * np.log(old) + (1 - mean) * np.log1p(-old)).sum())
        updated.append(np.divide(yes, asked, out=old.copy(), where=asked > 0))
    perseverance = float(went_on[0] / went_on[1]) if went_on[1] > 0 else parameters[2]
    return (updated[0], updated[1], perseverance), value
