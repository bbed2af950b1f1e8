"""The curve of a randomised bucket: where slates were shuffled, the ratio of click rates is attention."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ranker.attention.curve import curve_from_log_attention
from ranker.attention.identification import NotIdentifiedError

if TYPE_CHECKING:
    from ranker.attention.counts import Counts
    from ranker.attention.curve import Curve


def randomised_bucket(counts: Counts, *, level: float = 0.95) -> Curve:
    """Returns CTR_j / CTR_0 of rows whose items were placed at random.

    Every position then meets the same mix of items: E CTR_j = a_j·E γ. On ranked rows the same ratio is
    wrong, because good items stand at good positions. Interval: delta method, var log CTR = (1 − CTR)/clicks.
    Source: Wang et al. (2018), "Position bias estimation for unbiased learning to rank in personal search",
    section 3 (result randomisation).
    """
    impressions, clicks = counts.by_position()
    if (clicks == 0).any():
        j = int(np.argmax(clicks == 0))
        raise NotIdentifiedError(
            f"log.clicks[position {j}]",
            0,
            "not identifiable: the randomised rows have no click here; log more",
        )
    ctr = clicks / impressions
    return curve_from_log_attention(np.log(ctr), np.diag((1 - ctr) / clicks), counts, level)
