"""The scores that are known without a model: what each candidate had last."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ranker.slate import Floats

# Candidates of a schema that are remembered; beyond, it is begun anew.
MAX_CANDIDATES = 100_000
# Of the newest request, in the prior.
PRIOR_WEIGHT = 0.01


class LastScores:
    """The last ctr of each candidate of a schema; of others the mean as a prior. Threads share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ctr: dict[str, dict[str, float]] = {}
        self._prior: dict[str, float] = {}

    def learn(self, schema_id: str, ids: Sequence[str], ctr: Sequence[float]) -> None:
        """Remembers the scores of one request."""
        mean = sum(ctr) / len(ctr)
        with self._lock:
            known = self._ctr.setdefault(schema_id, {})
            if len(known) + len(ids) > MAX_CANDIDATES:
                known.clear()
            known.update(zip(ids, ctr, strict=True))
            prior = self._prior.setdefault(schema_id, mean)
            self._prior[schema_id] = prior + PRIOR_WEIGHT * (mean - prior)

    def ctr(self, schema_id: str, ids: Sequence[str]) -> Floats | None:
        """Returns the scores `(n,)` of candidates; None where nothing is known of the schema."""
        with self._lock:
            if schema_id not in self._prior:
                return None
            known, prior = self._ctr[schema_id], self._prior[schema_id]
            return np.array([known.get(each, prior) for each in ids])
