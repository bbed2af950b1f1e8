"""What a click costs the ads of a slate: first price, generalised second price, VCG."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from ranker.simulation.scenario import Pricing

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats: TypeAlias = NDArray[np.float64]


def click_prices(
    pricing: Pricing, bids: Floats, quality: Floats, attention: Floats, runner_up: Floats
) -> Floats:
    """Returns the price of a click at every position `(B, k)`, never above the bid.

    `bids` and `quality` (the predicted ctr) are those of the shown ads `(B, k)`, `runner_up` `(B,)` is the
    greatest score bid·quality of the ads that are not shown, 0 without one. With scores s in the order of
    the slate and s_k = `runner_up`:

        first price   bⱼ
        GSP           s_{j+1} / qⱼ
        VCG           Σ_{l ≥ j} (a_l − a_{l+1})·s_{l+1} / (aⱼqⱼ),  a_k = 0

    GSP and VCG are those of the slate that a pure auction would show, sorted by score. Where constraints
    have put a slate in another order, a price that would exceed its bid is cut to it.
    Source: Edelman, Ostrovsky, Schwarz (2007), "Internet advertising and the generalized second-price
    auction", sections II and III; qualities as in Varian (2007), "Position auctions", section 7.
    """
    if pricing is Pricing.FIRST_PRICE:
        return bids.copy()
    scores = bids * quality
    following = np.concatenate([scores[:, 1:], runner_up[:, None]], axis=1)
    if pricing is Pricing.VCG:
        steps = attention - np.append(attention[1:], 0.0)
        harm = (following * steps)[:, ::-1].cumsum(axis=1)[:, ::-1]
        following = harm / attention
    prices: Floats = np.divide(following, quality, out=np.zeros_like(bids), where=quality > 0)
    return np.minimum(prices, bids)


def with_reserve(prices: Floats, bids: Floats, reserve: float) -> Floats:
    """Returns prices `(B, k)` raised to the reserve; whoever bids less than it pays its bid."""
    raised: Floats = np.minimum(np.maximum(prices, reserve), bids)
    return raised


def pure_auction(bids: Floats, quality: Floats, num_positions: int) -> NDArray[np.int64]:
    """Returns the slates `(B, k)` of an auction without constraints: the greatest scores, best first."""
    order: NDArray[np.int64] = np.argsort(-bids * quality, axis=1, kind="stable")[:, :num_positions]
    return order
