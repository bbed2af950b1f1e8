"""Captures of one shape as arrays, without Python in between; B captures, n ads, k positions."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from ranker.replay.marginals import position_marginals

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from ranker.rerun.captured_log import Captured
    from ranker.slate import Decision

    Floats: TypeAlias = NDArray[np.float64]
    Ints: TypeAlias = NDArray[np.int64]
    Booleans: TypeAlias = NDArray[np.bool_]

# Numbers of one `(B, n, k)` array: large requests come in smaller groups.
MAX_CELLS = 1_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Mixtures:
    """What B requests are served from; slates beyond those of a request have probability 0."""

    slates: Ints  # (B, m, k)
    probabilities: Floats  # (B, m)
    exploration_ratios: Floats  # (B,)
    num_candidates: int

    def take(self, rows: Booleans) -> Mixtures:
        """Returns those of some requests."""
        return Mixtures(
            self.slates[rows], self.probabilities[rows], self.exploration_ratios[rows], self.num_candidates
        )

    @property
    def pair(self) -> tuple[Ints, Floats]:
        """Slates and their probabilities."""
        return self.slates, self.probabilities

    @property
    def marginals(self) -> Floats:
        """P(candidate i at position j), `(B, n, k)`."""
        return position_marginals(*self.pair, self.num_candidates, self.exploration_ratios)


@dataclass(frozen=True, slots=True, eq=False)
class Alike:
    """Captures with as many candidates and positions."""

    places: tuple[int, ...]  # (B,), in the chunk
    captures: tuple[Captured, ...]
    ctr: Floats  # (B, n)
    bids: Floats  # (B, n)
    attention: Floats  # (B, k)
    shown: Ints  # (B, k)
    propensities: Floats  # (B, k)
    rewards: Floats  # (B, k), NaN: pending
    logged: Mixtures


def groups(captures: Mapping[int, Captured]) -> Iterator[Alike]:
    """Gives captures by their place in the chunk in groups of one shape."""
    by_shape: dict[tuple[int, int], list[int]] = defaultdict(list)
    for place, captured in captures.items():
        by_shape[len(captured.ctr), len(captured.shown)].append(place)
    for (n, k), places in by_shape.items():
        size = max(1, MAX_CELLS // (n * k))
        for first in range(0, len(places), size):
            yield _alike(places[first : first + size], captures)


def mixtures(decisions: Sequence[Decision]) -> Mixtures:
    """Returns what decisions of one shape were drawn from."""
    return _mixtures(
        [(each.slates, each.probabilities) for each in decisions],
        [each.exploration_ratio for each in decisions],
        len(decisions[0].candidate_ids),
    )


def _alike(places: Sequence[int], captures: Mapping[int, Captured]) -> Alike:
    members = tuple(captures[place] for place in places)
    logged = [(each.slates, each.probabilities) for each in members]
    return Alike(
        places=tuple(places),
        captures=members,
        ctr=np.array([each.ctr for each in members]),
        bids=np.array([each.request.candidates.bids for each in members]),
        attention=np.array([each.attention for each in members]),
        shown=np.array([each.shown for each in members]),
        propensities=np.array([each.propensities for each in members]),
        rewards=np.array([each.rewards for each in members]),
        logged=_mixtures(logged, [each.exploration_ratio for each in members], len(members[0].ctr)),
    )


def _mixtures(served: Sequence[tuple[object, object]], ratios: Sequence[float], n: int) -> Mixtures:
    by_size: dict[int, list[int]] = defaultdict(list)
    for b, (_, probabilities) in enumerate(served):
        by_size[len(probabilities)].append(b)  # type: ignore[arg-type]  # tuples or arrays
    k = len(served[0][0][0])  # type: ignore[index]
    slates = np.zeros((len(served), max(by_size), k), np.int64)
    chances = np.zeros(slates.shape[:2])
    for m, members in by_size.items():
        slates[members, :m] = np.array([served[b][0] for b in members])
        chances[members, :m] = np.array([served[b][1] for b in members])
    return Mixtures(slates, chances, np.array(ratios), n)
