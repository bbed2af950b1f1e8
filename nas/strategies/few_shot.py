"""Few-shot search: one net until operators are told apart, then a net for each operator of a block."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

from nas.errors import SearchError
from nas.strategies.one_shot import OneShotModel

if TYPE_CHECKING:
    from nas.space import Architecture, FloatArray
    from nas.strategies.slopes import Shares


class SplittableModel(OneShotModel, Protocol):
    """A weight-sharing net that can be copied."""

    def copy(self) -> OneShotModel:
        """Gives another net that begins with what this one has learnt."""
        ...


class FewShotModel:
    """What `OneShot` ranks by when the net is split: the search is `OneShot(space, FewShotModel(…), rng)`.

    After `split_after` steps the net is copied for each part of a block's operations. From then on each step
    trains one copy, in turn, and an architecture is judged by the copy of its own operation: operations of
    that block no longer disturb each other through the weights that they share.

    Source: Zhao et al. 2021, Few-shot neural architecture search (arXiv 2006.06863), section 3. Training of
    the CTR supernet in the same way, on fair paths and with its optimiser, is `nas.supernet.few_shot`.
    """

    def __init__(
        self, model: SplittableModel, block: int, operators: tuple[tuple[int, ...], ...], split_after: int
    ) -> None:
        if len(operators) < 2:
            raise SearchError("operators", operators, "must have at least two parts")
        if split_after < 1:
            raise SearchError("split_after", split_after, "must be at least 1")
        self._model = model
        self._block = block
        self._operators = operators
        self._split_after = split_after
        self._parts: list[OneShotModel] = []
        self._num_steps = 0

    def learn(self, shares: Shares) -> None:
        """Does one step on the net, or on the copy whose turn it is, with its operations alone."""
        turn = self._num_steps - self._split_after
        self._num_steps += 1
        if turn < 0:
            self._model.learn(shares)
            return
        if not self._parts:
            self._parts = [self._model.copy() for _ in self._operators]
        part = turn % len(self._parts)
        own = _restricted(shares[self._block], self._operators[part])
        self._parts[part].learn((*shares[: self._block], own, *shares[self._block + 1 :]))

    def loss(self, architecture: Architecture) -> float:
        """Gives the loss by the copy that has the architecture's operation.

        Raises:
            SearchError: it is in no part.
        """
        choice = architecture[self._block]
        having = [place for place, operations in enumerate(self._operators) if choice in operations]
        if not having:
            raise SearchError(f"architecture[{self._block}]", choice, f"is in none of {self._operators}")
        return (self._parts[having[0]] if self._parts else self._model).loss(architecture)


def _restricted(share: FloatArray, operations: tuple[int, ...]) -> FloatArray:
    """Leaves the shares of some operations; all alike where none of them has any."""
    kept = np.zeros(len(share))
    kept[list(operations)] = share[list(operations)]
    if not kept.any():
        kept[list(operations)] = 1.0
    alone: FloatArray = kept / kept.sum()
    return alone
