"""A surrogate in the place of a weight-sharing net: its slopes by hand, and searches of a table with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from nas.errors import SearchError
from nas.space import Architecture, ChoiceBlock, FloatArray, SearchSpace
from nas.strategies.darts import Darts, DartsSettings
from nas.strategies.dsnas import Dsnas
from nas.strategies.few_shot import FewShotModel
from nas.strategies.one_shot import OneShot, OneShotSettings
from nas.strategies.proxyless import Proxyless
from nas.strategies.slopes import DescentSettings
from nas.strategies.snas import Snas, SnasSettings
from nas.strategies.surrogate import SurrogateRelaxation, SurrogateSettings
from nas.trial import Trial

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from nas.strategies.slopes import Shares
    from nas.trial import Strategy

SPACE = SearchSpace(tuple(ChoiceBlock(f"block{i}", ("a", "b", "c")) for i in range(3)))


def worth(architecture: Architecture) -> Trial:
    """The best of 27 is all 2s with 6 + 3."""
    return Trial(architecture, float(sum(architecture)) + 3.0 * (architecture[0] == architecture[2] == 2))


def least_squares(
    codes: FloatArray,
    values: FloatArray,
    rng: np.random.Generator,  # noqa: ARG001
) -> Callable[[FloatArray], FloatArray]:
    """Fits additive worths, so that slopes are known by hand."""
    weights = np.linalg.lstsq(codes, values, rcond=None)[0]
    return lambda others: (others @ weights)[None]


def pairs(architectures: Sequence[Architecture]) -> FloatArray:
    """Every choice, and every pair of choices of the first and the last block."""
    single = SPACE.one_hot(architectures)
    both = np.einsum("ni,nj->nij", single[:, :3], single[:, 6:]).reshape(len(single), -1)
    return np.concatenate([single, both], axis=1)


def relaxation(seed: int = 1, refit_every: int = 9) -> SurrogateRelaxation:
    settings = SurrogateSettings(refit_every, regressor=least_squares)
    return SurrogateRelaxation(SPACE, pairs, worth, np.random.default_rng(seed), settings)


def even() -> Shares:
    return tuple(np.full(3, 1.0 / 3.0) for _ in range(3))


def gates(*chosen: int) -> Shares:
    return tuple(np.eye(3)[choice] for choice in chosen)


def test_slopes_at_gates_are_the_worths_of_the_neighbours() -> None:
    model = relaxation(refit_every=60)
    assert all((slope == 0.0).all() for slope in model.slopes(even()))
    for _ in range(60):
        model.learn(even())
    first, second, third = model.slopes(gates(2, 1, 0))
    np.testing.assert_allclose(first, [-1.0, -2.0, -3.0], atol=1e-6)
    np.testing.assert_allclose(second, [-2.0, -3.0, -4.0], atol=1e-6)
    np.testing.assert_allclose(third, [-3.0, -4.0, -8.0], atol=1e-6)
    assert model.loss((2, 2, 2)) == pytest.approx(-9.0)


def test_slopes_under_shares_are_expectations() -> None:
    model = relaxation(refit_every=60)
    for _ in range(60):
        model.learn(even())
    third = np.mean([model.slopes(even())[2] for _ in range(400)], axis=0)
    # E[worth | third = o] = 1 + 1 + o + 3 · ⅓ for o = 2. A draw's deviation is √(⅔ + ⅔ + 2 + 2) ≈ 2.3 at
    # most, over 400 · 16 draws .03: four of them.
    np.testing.assert_allclose(third, [-2.0, -3.0, -5.0], atol=0.12)


def test_the_loss_needs_a_fit() -> None:
    model = relaxation()
    model.learn(even())
    with pytest.raises(SearchError, match=r"trials = 1: are too few to fit to; the first fit takes 9"):
        model.loss((0, 0, 0))


def test_a_copy_goes_on_by_itself() -> None:
    model = relaxation()
    for _ in range(9):
        model.learn(even())
    other = model.copy()
    assert other.loss((1, 1, 1)) == model.loss((1, 1, 1))
    for _ in range(27):
        other.learn(gates(0, 0, 0))
    assert other.loss((1, 1, 1)) != model.loss((1, 1, 1))


SEARCHES: dict[str, Callable[[SurrogateRelaxation, np.random.Generator], Strategy]] = {
    "darts": lambda model, _: Darts(SPACE, model, DartsSettings(0.1, 9)),
    "snas": lambda model, rng: Snas(SPACE, model, rng, SnasSettings(0.1, 9, cooling=0.95)),
    "dsnas": lambda model, rng: Dsnas(SPACE, model, rng, DescentSettings(0.05, 18)),
    "proxyless": lambda model, rng: Proxyless(SPACE, model, rng, DescentSettings(0.1, 9)),
    "one-shot": lambda model, rng: OneShot(SPACE, model, rng, OneShotSettings(45)),
    "few-shot": lambda model, rng: OneShot(
        SPACE, FewShotModel(model, 0, ((0,), (1, 2)), 27), rng, OneShotSettings(81)
    ),
}


@pytest.mark.parametrize("name", list(SEARCHES))
def test_a_strategy_by_slopes_or_losses_finds_the_best_of_a_table(name: str) -> None:
    found = []
    for _ in range(2):
        search = SEARCHES[name](relaxation(3), np.random.default_rng(3))
        asked = [search.ask() for _ in range(10)]
        search.tell(worth(asked[-1]))
        found.append(asked)
    assert found[0] == found[1]
    assert (2, 2, 2) in found[0]


def test_the_second_order_is_refused_where_there_are_no_weights() -> None:
    with pytest.raises(SearchError, match=r"look_ahead = 0\.1: SurrogateRelaxation cannot look ahead"):
        Darts(SPACE, relaxation(), DartsSettings(look_ahead=0.1))


@pytest.mark.parametrize("name", ["refit_every", "num_draws"])
def test_a_wrong_setting_is_named(name: str) -> None:
    with pytest.raises(SearchError, match=f"{name} = 0"):
        SurrogateSettings(**{name: 0})  # type: ignore[arg-type]
