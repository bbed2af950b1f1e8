"""A belief's way into a changed catalogue: known rows keep their evidence, new ones follow the prior."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bandit.features import FeatureIndex
from bandit.fm import Parameters
from bandit.memory import Memory
from bandit.outcomes import Cells
from bandit.posterior import Posterior

if TYPE_CHECKING:
    from bandit.features import RowArray
    from bandit.memory import Refit
    from bandit.space import CreativeCatalogue


def transferred(
    memory: Memory, old: CreativeCatalogue, new: CreativeCatalogue, origin: Posterior, refit: Refit
) -> Memory:
    """Carries what is remembered about the old catalogue over to the new one, row by name.

    New rows start at `origin`, until the prior is learned again. Counts whose rows all live on stay counts;
    if some do not, all of them are folded first, so that what they taught about the others is kept.

    Args:
        memory: about the rows of `old`.
        origin: belief about the rows of `new` before any outcome; same number of factors.
        refit: folds the counts.
    """
    known = {name: row for row, name in enumerate(FeatureIndex(old).row_names())}
    index = FeatureIndex(new)
    names = index.row_names()
    source = np.array([known.get(name, -1) for name in names], np.int32)
    moved = np.full(len(known), -1, np.int32)
    moved[source[source >= 0]] = np.flatnonzero(source >= 0)
    columns = _columns(old, new)
    used = memory.cells.rows
    if np.any(moved[used[used >= 0]] < 0) or -1 in columns:
        memory = memory.folded(memory.posterior(memory.base, refit), capacity=0)
    rows = np.full((len(memory.cells.rows), index.num_fields), -1, np.int32)
    if len(rows):
        rows[:, columns] = np.where(memory.cells.rows >= 0, moved[memory.cells.rows], -1)
    sums = np.where(source >= 0, memory.sums[:, source], 0.0)
    return Memory(
        _carried(memory.prior, origin, source),
        _carried(memory.base, origin, source),
        Cells(rows, memory.cells.num_impressions, memory.cells.num_clicks),
        sums,
    )


def _columns(old: CreativeCatalogue, new: CreativeCatalogue) -> list[int]:
    """Finds the column of each of the old catalogue's fields in the new one, −1 where it is gone."""
    places = {name: column for column, name in enumerate(_field_names(new))}
    return [places.get(name, -1) for name in _field_names(old)]


def _field_names(catalogue: CreativeCatalogue) -> list[tuple[str, str]]:
    contexts = [("context", item.name) for item in catalogue.context_fields]
    slots = [("slot", slot.name) for slot in catalogue.slots]
    names = contexts + slots
    return names + [("compositions", "")] * (FeatureIndex(catalogue).num_fields - len(names))


def _carried(belief: Posterior, origin: Posterior, source: RowArray) -> Posterior:
    """Takes known rows from a belief about the old catalogue, the others from `origin`."""
    known = source >= 0
    parts = []
    for values, first in ((belief.loc, origin.loc), (belief.scale, origin.scale)):
        new = np.flatnonzero(known).astype(np.int32)
        linear, factors = first.linear.copy(), first.factors.copy()
        linear[new] = values.linear[source[new]]
        # Rows with factors come first in both, and under the same names.
        new = first.with_factors(new)
        factors[new] = values.factors[source[new]]
        parts.append(Parameters(values.bias, linear, factors))
    return Posterior(*parts)
