"""The scores that are known without a model: what each candidate had last."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ranker.slate import Floats

# A schema's scores are of two generations: a new one begins after so many candidates, or so many scores of
# any. What neither holds is forgotten, so that ads which have ended take no memory.
MAX_CANDIDATES = 50_000
MAX_SCORES = 500_000
# Of the newest request, in the prior.
PRIOR_WEIGHT = 0.01


@dataclass(slots=True)
class _Known:
    """What is known of the candidates of a schema."""

    prior: float
    num_scores: int = 0  # of the newest generation, again and again of the same candidates
    newest: dict[str, float] = field(default_factory=dict)
    before: dict[str, float] = field(default_factory=dict)


class LastScores:
    """The last ctr of each candidate of a schema; of others the mean as a prior. Threads share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[str, _Known] = {}

    def learn(self, schema_id: str, ids: Sequence[str], ctr: Sequence[float]) -> None:
        """Remembers the scores of one request."""
        mean = sum(ctr) / len(ctr)
        with self._lock:
            known = self._known.setdefault(schema_id, _Known(mean))
            if len(known.newest) + len(ids) > MAX_CANDIDATES or known.num_scores + len(ids) > MAX_SCORES:
                known.before, known.newest, known.num_scores = known.newest, {}, 0
            known.newest.update(zip(ids, ctr, strict=True))
            known.num_scores += len(ids)
            known.prior += PRIOR_WEIGHT * (mean - known.prior)

    def ctr(self, schema_id: str, ids: Sequence[str]) -> Floats | None:
        """Returns the scores `(n,)` of candidates; None where nothing is known of the schema."""
        with self._lock:
            known = self._known.get(schema_id)
            if known is None:
                return None
            newest, before, prior = known.newest, known.before, known.prior
            return np.array([newest.get(each, before.get(each, prior)) for each in ids])
