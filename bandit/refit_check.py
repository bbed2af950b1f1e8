"""How far two fits of the same evidence are apart, where it matters: in the click rates that they predict."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bandit.fm import logits

if TYPE_CHECKING:
    from bandit.outcomes import Cells
    from bandit.posterior import Posterior


def disagreement(one: Posterior, other: Posterior, cells: Cells) -> float:
    """Compares the click rates that two beliefs predict for the impressions of the cells.

        Σ n |p − p'| / Σ n p'

    Returns: the mean difference as a share of the mean rate under `other`; 0 without cells.
    """
    if not len(cells.rows):
        return 0.0
    p, reference = (1.0 / (1.0 + np.exp(-logits(belief.loc, cells.rows))) for belief in (one, other))
    return float(cells.num_impressions @ np.abs(p - reference) / (cells.num_impressions @ reference))
