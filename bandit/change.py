"""Notices elements and contexts whose effect has changed, and lets what was known of them fade."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bandit.errors import CreativeError
from bandit.fm import logits
from bandit.outcomes import Cells
from bandit.posterior import Posterior

if TYPE_CHECKING:
    from bandit.features import RowArray
    from bandit.fm import FloatArray


SPARSE_CLICKS = 1.0
"""Variance that a batch has at least: a few clicks where next to none were expected are no normal."""

LEVEL_CLICKS = 500.0
"""Expected clicks' worth of trust that the overall level stays."""


@dataclass(frozen=True)
class ChangeSettings:
    """When a change is taken for real, and what is left of the evidence then."""

    allowance: float = 1.0
    """Standard deviations a batch that are taken for noise."""
    threshold: float = 8.0
    """Summed excess, in standard deviations, that raises the alarm."""
    power: float = 0.02
    """Share of the evidence about a changed row that survives."""

    def __post_init__(self) -> None:
        for name, low in (("allowance", 0.0), ("threshold", 1e-9)):
            if not getattr(self, name) >= low:
                raise CreativeError(f"change.{name}", getattr(self, name), f"must be at least {low}")
        if not 0.0 < self.power <= 1.0:
            raise CreativeError("change.power", self.power, "must be in (0, 1]")


def surprises(belief: Posterior, cells: Cells) -> FloatArray:
    """Compares a new batch with what the belief expected of each row.

    Of the cells with row r, with e = n p expected clicks and p the belief's mean,

        z_r = (Σ clicks − L_r Σ e) / √(1 + Σ L_r e (1 − p) + (Σ e (1 − p))² s_r² + (Σ e)² L_r / (Σ' e + c)),

    where L_r = (Σ' clicks + c)/(Σ' e + c) is the level of the cells without r, with c = 500 clicks that say
    it is 1: what changes everywhere is no element's fault. s_r is the deviation of the row's linear weight.

    Returns: (D,), 0 where the batch has nothing.
    """
    num_rows = belief.loc.linear.size
    z = np.zeros(num_rows)
    if not len(cells.rows):
        return z
    p = 1.0 / (1.0 + np.exp(-logits(belief.loc, cells.rows)))
    expected = cells.num_impressions * p
    clicks, mean, noise = (
        _by_row(x, cells.rows, num_rows) for x in (cells.num_clicks, expected, expected * (1.0 - p))
    )
    trust = expected.sum() - mean + LEVEL_CLICKS
    level = (cells.num_clicks.sum() - clicks + LEVEL_CLICKS) / trust
    variance = level * noise + np.square(noise * belief.scale.linear) + np.square(mean) * level / trust
    np.divide(clicks - level * mean, np.sqrt(variance + SPARSE_CLICKS), out=z, where=variance > 0.0)
    return z


def accumulated(sums: FloatArray, z: FloatArray, settings: ChangeSettings) -> FloatArray:
    """Adds a batch to the two cumulative sums of each row: (2, D), upwards and downwards.

        S ← max(0, S ± z − allowance)

    Source: Page (1954), Continuous inspection schemes, equation 2.
    """
    signs = np.array([[1.0], [-1.0]])
    return np.where(z != 0.0, np.maximum(0.0, sums + signs * z - settings.allowance), sums)


def changed_row(sums: FloatArray, settings: ChangeSettings) -> int | None:
    """Finds the row that has strayed most, where one has strayed too far."""
    highest = sums.max(axis=0)
    row = int(highest.argmax())
    return row if highest[row] > settings.threshold else None


def without_row(
    prior: Posterior, base: Posterior, cells: Cells, row: int, power: float
) -> tuple[Posterior, Cells]:
    """Raises the evidence about one row to a power: its counts shrink, its belief goes back to the prior."""
    share = np.where((cells.rows == row).any(axis=1), power, 1.0)
    faded, rows = base.forgotten(prior, power), np.array([row], np.int32)
    loc, scale = (
        old.replaced(rows, old.bias, new.taken(rows).linear, new.taken(rows).factors)
        for old, new in ((base.loc, faded.loc), (base.scale, faded.scale))
    )
    kept = Cells(cells.rows, share * cells.num_impressions, share * cells.num_clicks)
    return Posterior(loc, scale), kept


def _by_row(values: FloatArray, rows: RowArray, num_rows: int) -> FloatArray:
    sums = np.zeros(num_rows)
    for column in rows.T:
        sums += np.bincount(column[column >= 0], values[column >= 0], minlength=num_rows)
    return sums
