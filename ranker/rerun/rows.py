"""The judged positions of reruns as columns by name: what was logged, and what policies would have done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from ranker.replay.estimators.pseudo_inverse import mixture_weights
from ranker.replay.marginals import cascade_propensities, worth_below

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ranker.rerun.alike import Alike, Mixtures

    Floats: TypeAlias = NDArray[np.float64]
    Booleans: TypeAlias = NDArray[np.bool_]


def logged_rows(alike: Alike, first: int, judged: Booleans) -> dict[str, NDArray[Any]]:
    """Returns what was logged of the judged captures of a group, request by request."""
    members = [(place, alike.captures[b]) for b, place in enumerate(alike.places) if judged[b]]
    k = alike.shown.shape[1]
    return {
        "request": np.repeat([first + place for place, _ in members], k),
        "position": np.tile(np.arange(k), len(members)),
        "candidate": np.array([c.request.candidates.ids[i] for _, c in members for i in c.shown.tolist()]),
        "segment": np.repeat([_segment(each.context) for _, each in members], k),
        "reward": alike.rewards[judged].ravel(),
        "bid": np.take_along_axis(alike.bids, alike.shown, axis=1)[judged].ravel(),
        "propensity": alike.propensities[judged].ravel(),
        "predicted": (np.take_along_axis(alike.ctr, alike.shown, axis=1) * alike.attention)[judged].ravel(),
    }


def target_rows(
    name: str, alike: Alike, served: Mixtures, table: Floats, judged: Booleans
) -> dict[str, Floats]:
    """Returns what a policy would have done with the logged slates, and what the logged scores promise of it.

    By position: π(shown at j) and q̂(π, j) = Σᵢ π(i at j)·ctrᵢ·bidᵢ·aⱼ, of its marginals `table` `(B, n, k)`.
    By beginnings 0 … j: the weight, the whole slate's weight, and the baselines of Cascade-DR, the target's
    times the weight of what stands above. Of the slate, if its worth adds up: the pseudo-inverse's weight.
    """
    if not judged.any():
        return {}
    shown, table, served, logged = (
        alike.shown[judged],
        table[judged],
        served.take(judged),
        alike.logged.take(judged),
    )
    n, k = table.shape[1:]
    worth = (alike.ctr * alike.bids)[judged][:, :, None] * alike.attention[judged][:, None, :]
    begun = cascade_propensities(logged.pair, n, logged.exploration_ratios, shown)
    weights = cascade_propensities(served.pair, n, served.exploration_ratios, shown) / begun
    below = worth_below(served.pair, worth, served.exploration_ratios, shown)
    above = np.concatenate((np.ones_like(weights[:, :1]), weights[:, :-1]), axis=1)

    def at_shown(values: Floats) -> Floats:
        return np.take_along_axis(values, shown[:, None, :], axis=1)[:, 0]

    columns = {
        "target": at_shown(table),
        "baseline": (worth * table).sum(axis=1),
        "cascade": weights,
        "slate": np.repeat(weights[:, -1:], k, axis=1),
        "cascade_logged": at_shown(worth) + below[:, 1:],
        "cascade_target": above * below[:, :-1],
        "additive": np.repeat(
            mixture_weights(logged.pair, logged.exploration_ratios, table, shown)[:, None], k, axis=1
        ),
    }
    return {f"{column}:{name}": values.ravel() for column, values in columns.items()}


def _segment(context: dict[str, int]) -> str:
    name = next(iter(context), None)
    return "all" if name is None else f"{name} {context[name]}"
