"""The simplified dynamic Bayesian network: everything down to the last click is looked at, nothing below."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from ranker.attention.chain import Chain, share

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ranker.attention.click_log import Sessions

    Floats: TypeAlias = NDArray[np.float64]


def fit_simplified_dbn(sessions: Sessions, weights: Floats, *, prior_impressions: float = 0.0) -> Chain:
    """Returns the DBN with λ = 1 by counting; weights (s,) count the sessions.

    α = clicks / impressions down to the last click (all, where there is none); s = last clicks / clicks. The
    counts take the last click for the end of the session, as the source does: near the maximum of the
    likelihood, not at it.
    Source: Chapelle and Zhang (2009), "A dynamic Bayesian network click model for web search ranking",
    algorithm 1.
    """
    clicks = sessions.clicks
    clicked_from_here = np.flip(np.cumsum(np.flip(clicks, axis=1), axis=1), axis=1)
    looked_at = sessions.shown & ((clicked_from_here > 0) | ~clicks.any(axis=1, keepdims=True))
    last = clicks & (clicked_from_here == 1)
    weight = np.broadcast_to(weights[:, None], clicks.shape)

    def count(kept: NDArray[np.bool_]) -> Floats:
        counted = np.bincount(sessions.items[kept], weight[kept], sessions.num_items)
        return counted.astype(np.float64)

    attractiveness = share(count(clicks), count(looked_at), prior_impressions)
    satisfaction = share(count(last), count(clicks), prior_impressions)
    return Chain("sdbn", attractiveness, satisfaction, 1.0)
