"""The cascade model: the user reads from the top, clicks the first item that attracts, and leaves."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from ranker.attention.chain import Chain, share

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ranker.attention.click_log import Sessions

    Floats: TypeAlias = NDArray[np.float64]


def fit_cascade(sessions: Sessions, weights: Floats, *, prior_impressions: float = 0.0) -> Chain:
    """Returns αᵢ = first clicks / impressions down to the first click, the maximum of the likelihood.

    Weights (s,) count the sessions. The model excludes second clicks: they are left out of the fit, and the
    likelihood of a session that has one is 0.
    Source: Craswell et al. (2008), "An experimental comparison of click position-bias models", section 3.4.
    """
    clicks = sessions.clicks
    clicked_above = np.cumsum(clicks, axis=1) - clicks > 0
    looked_at = sessions.shown & ~clicked_above
    items, weight = sessions.items[looked_at], np.broadcast_to(weights[:, None], clicks.shape)[looked_at]
    asked = np.bincount(items, weight, sessions.num_items).astype(np.float64)
    yes = np.bincount(items, weight * clicks[looked_at], sessions.num_items).astype(np.float64)
    return Chain("cascade", share(yes, asked, prior_impressions), np.ones(sessions.num_items), 1.0)
