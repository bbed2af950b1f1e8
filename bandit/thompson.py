"""Thompson sampling from a frozen pool of draws: each request takes one draw for all of its candidates."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from functools import cache
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np

from bandit.argmax import DrawPool, PooledSpace
from bandit.errors import CatalogueError, CreativeError
from bandit.features import FeatureIndex
from bandit.propensity import element_shares, vote_shares

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from bandit.argmax import Ballot
    from bandit.features import IndexedSpace
    from bandit.fm import FloatArray
    from bandit.posterior import Posterior
    from bandit.space import CreativeCatalogue

CACHED_CONTEXTS = 4096
"""Contexts whose votes a selector remembers; each takes 4 to 64 bytes a draw."""


@dataclass(frozen=True)
class Selection:
    """The creative of one candidate and what its propensity can be recomputed from."""

    space_id: str
    elements: dict[str, str]
    propensity: float
    draw: int
    floor: float
    feasible_hash: str
    pool_seed: int
    exact: bool
    """Whether the creative is proven the draw's best; false where its search was cut short."""


class ThompsonSelector:
    """Chooses creatives under one version of the posterior; may be shared by threads.

    The policy: take draw m of M uniformly, show its best creative; with probability `floor` a uniformly
    random feasible creative instead. So π(c | x) = (1 − floor) · votes(c | x) / M + floor / C exactly.
    """

    def __init__(  # six arguments: exactly what a decision can be replayed from
        self,
        catalogue: CreativeCatalogue,
        posterior: Posterior,
        version: str,
        num_draws: int = 128,
        pool_seed: int = 0,
        floor: float = 0.02,
    ) -> None:
        if num_draws < 1:
            raise CreativeError("num_draws", num_draws, "must be at least 1")
        if not 0.0 <= floor <= 1.0:
            raise CreativeError("floor", floor, "must be a probability")
        self.index = FeatureIndex(catalogue)
        if posterior.loc.linear.shape != (self.index.num_rows,):
            shape = posterior.loc.linear.shape
            raise CreativeError("posterior.linear", shape, f"the catalogue has {self.index.num_rows} rows")
        self.version = version
        self.num_draws = num_draws
        self.pool_seed = pool_seed
        self.floor = floor
        pool = DrawPool(posterior.draws(num_draws, np.random.default_rng(pool_seed)))
        self._pooled = cache(lambda space_id: PooledSpace(pool, self.index.space(space_id)))
        self._ballots: OrderedDict[tuple[str, tuple[int, ...]], Ballot] = OrderedDict()
        self._lock = Lock()

    def check(self, space_id: str, context: Mapping[str, int]) -> None:
        """Raises UnknownSpaceError or ContextError where `select` would."""
        self.index.context_rows(self.index.space(space_id).space, context)

    def select(self, space_id: str, context: Mapping[str, int], draw: int, u: float) -> Selection:
        """Chooses a creative by the request's draw; u uniform in [0, 1) decides about the floor.

        Raises:
            UnknownSpaceError, ContextError: the request names what the catalogue does not have.
        """
        (selection,) = self.select_many((space_id,), context, draw, (u,))
        return selection

    def select_many(
        self, space_ids: Sequence[str], context: Mapping[str, int], draw: int, us: Sequence[float]
    ) -> list[Selection]:
        """Chooses a creative for each candidate of a request, all under the same draw."""
        if not 0 <= draw < self.num_draws:
            raise CreativeError("draw", draw, f"must be in [0, {self.num_draws})")
        ballots: dict[str, Ballot] = {}
        # Of one space most get the same: the draw's best creative.
        known: dict[tuple[str, int, bool], Selection] = {}
        selections = []
        for space_id, u in zip(space_ids, us, strict=True):
            if not 0.0 <= u < 1.0:
                raise CreativeError("u", u, "must be in [0, 1)")
            space = self.index.space(space_id)
            if space_id not in ballots:
                ballots[space_id] = self._ballot(space, context)
            ballot, num_creatives = ballots[space_id], space.feasible.count
            # Below the floor u is uniform in [0, floor), so it serves once more to choose; so it does above.
            explores = u < self.floor
            if explores:
                chosen = min(int(u / self.floor * num_creatives), num_creatives - 1)
            else:
                chosen = self._chosen(ballot, draw, (u - self.floor) / (1.0 - self.floor))
            key = (space_id, chosen, explores)
            if key not in known:
                known[key] = self._selection(space, ballot, draw, chosen, explores)
            selections.append(known[key])
        return selections

    def _selection(
        self, space: IndexedSpace, ballot: Ballot, draw: int, chosen: int, explores: bool
    ) -> Selection:
        return Selection(
            space.space.id,
            space.creative(chosen),
            self._propensity(ballot, chosen, space.feasible.count),
            draw,
            self.floor,
            space.feasible_hash,
            self.pool_seed,
            exact=explores or ballot.gap(draw) == 0.0,
        )

    def propensity(self, space_id: str, context: Mapping[str, int], elements: Mapping[str, str]) -> float:
        """Computes the probability of one creative, exactly, in a space of any size.

        Raises:
            CreativeError: the creative is not feasible.
        """
        space = self.index.space(space_id)
        creative = _number(space, elements)
        return self._propensity(self._ballot(space, context), creative, space.feasible.count)

    def propensities(self, space_id: str, context: Mapping[str, int]) -> FloatArray:
        """Computes the probability of every feasible creative, exactly: (C,), in the feasible set's order."""
        space = self.index.space(space_id)
        if not self._pooled(space_id).is_enumerated:
            problem = f"has {space.feasible.count} creatives, too many to list; ask for their elements"
            raise CreativeError("space_id", space_id, problem)
        creatives, shares = self._winners(self._ballot(space, context))
        result = np.full(space.feasible.count, self.floor / space.feasible.count)
        result[creatives] += (1.0 - self.floor) * shares
        return result

    def element_propensities(self, space_id: str, context: Mapping[str, int]) -> dict[str, dict[str, float]]:
        """Computes the probability of every element by slot, exactly, in a space of any size."""
        space = self.index.space(space_id)
        chosen = element_shares(*self._winners(self._ballot(space, context)), space.feasible)
        explored = space.feasible.element_counts()
        result = {}
        for (slot, elements), own, counts in zip(space.space.elements.items(), chosen, explored, strict=True):
            mixed = (1.0 - self.floor) * own + self.floor * np.array(counts) / space.feasible.count
            result[slot] = dict(zip(elements, mixed.tolist(), strict=True))
        return result

    def warm_up(self) -> None:
        """Compiles the kernels and scores every space, so that no request pays for it."""
        for space in self.index.catalogue.spaces:
            self.select(space.id, dict.fromkeys(space.context_fields, 0), 0, 0.5)

    def _propensity(self, ballot: Ballot, creative: int, num_creatives: int) -> float:
        share = self._share(ballot, creative) if self.floor < 1.0 else 0.0
        return (1.0 - self.floor) * share + self.floor / num_creatives

    def _chosen(self, ballot: Ballot, draw: int, u: float) -> int:  # noqa: ARG002 — for policies that need u
        return ballot.winner(draw)

    def _share(self, ballot: Ballot, creative: int) -> float:
        return ballot.votes(creative) / self.num_draws

    def _winners(self, ballot: Ballot) -> tuple[NDArray[np.int64], FloatArray]:
        return vote_shares(ballot)

    def _ballot(self, space: IndexedSpace, context: Mapping[str, int]) -> Ballot:
        rows = self.index.context_rows(space.space, context)
        key = (space.space.id, rows)
        with self._lock:
            found = self._ballots.get(key)
            if found is not None:
                self._ballots.move_to_end(key)
                return found
        # Two threads may count the same votes: cheaper than letting one wait for the other.
        ballot = self._pooled(space.space.id).ballot(np.array(rows, np.int32))
        with self._lock:
            self._ballots[key] = ballot
            if len(self._ballots) > CACHED_CONTEXTS:
                self._ballots.popitem(last=False)
        return ballot


def _number(space: IndexedSpace, elements: Mapping[str, str]) -> int:
    """Finds the number of a creative in the feasible set."""
    allowed = space.space.elements
    if set(elements) != set(allowed):
        raise CatalogueError("elements", dict(elements), f"must fill exactly the slots {list(allowed)}")
    for slot, element in elements.items():
        if element not in allowed[slot]:
            raise CatalogueError(f"elements[{slot}]", element, f"not among {list(allowed[slot])}")
    return space.feasible.number(tuple(names.index(elements[slot]) for slot, names in allowed.items()))
