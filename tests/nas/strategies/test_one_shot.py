"""One net ranks architectures: how it is trained, and in which order they come."""

from __future__ import annotations

import numpy as np
import pytest

from nas.errors import SearchError
from nas.space import Architecture, ChoiceBlock, SearchSpace
from nas.strategies.one_shot import OneShot, OneShotSettings
from nas.strategies.slopes import Shares
from nas.trial import Trial

SPACE = SearchSpace(tuple(ChoiceBlock(f"block{i}", ("a", "b", "c")) for i in range(3)))


class Additive:
    """The loss of an architecture is minus its sum, but only once it was trained."""

    def __init__(self) -> None:
        self.learnt: list[Shares] = []

    def learn(self, shares: Shares) -> None:
        self.learnt.append(shares)

    def loss(self, architecture: Architecture) -> float:
        return -float(sum(architecture)) if self.learnt else 0.0


def test_it_trains_once_and_proposes_the_best_first() -> None:
    model = Additive()
    search = OneShot(SPACE, model, np.random.default_rng(1), OneShotSettings(steps=50))
    asked = [search.ask() for _ in range(20)]
    assert asked[0] == (2, 2, 2)
    assert [sum(a) for a in asked] == sorted((sum(a) for a in asked), reverse=True)
    assert len(model.learnt) == 50
    search.tell(Trial(asked[0], 1.0))


def test_when_all_that_were_ranked_are_proposed_others_are_drawn() -> None:
    search = OneShot(SPACE, Additive(), np.random.default_rng(1), OneShotSettings(steps=1, num_ranked=1))
    assert len({search.ask() for _ in range(60)}) > 20


def test_more_and_more_operations_are_left_out_and_the_rest_share_alike() -> None:
    model = Additive()
    OneShot(SPACE, model, np.random.default_rng(1), OneShotSettings(steps=3000, drop=0.5)).ask()
    for shares in model.learnt:
        for share in shares:
            kept = share > 0.0
            assert share[kept] == pytest.approx(1.0 / kept.sum())
    first, last = ([s[0] for s in part] for part in (model.learnt[:50], model.learnt[-500:]))
    assert np.mean([(share > 0.0).all() for share in first[:1]]) == 1.0
    # At r = ½ an operation of three stays with chance 1 − 2^(−1/3) = 0.206: alone, or because none did, with
    # 3·0.206·0.794² + ½ = 0.890. Deviation over 500: 0.014; r is up to a sixth lower there: 0.86.
    assert np.mean([(share > 0.0).sum() == 1 for share in last]) == pytest.approx(0.875, abs=0.07)


@pytest.mark.parametrize(
    ("changes", "said"),
    [({"steps": 0}, "steps = 0"), ({"num_ranked": 0}, "num_ranked = 0"), ({"drop": 1.0}, "drop = 1.0")],
)
def test_a_wrong_setting_is_named(changes: dict[str, float], said: str) -> None:
    with pytest.raises(SearchError, match=said):
        OneShotSettings(**changes)  # type: ignore[arg-type]
