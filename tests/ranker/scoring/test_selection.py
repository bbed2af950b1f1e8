from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from scipy.sparse import csr_array

from ranker.errors import InvalidInputError
from ranker.scoring.fm import Fit, Penalty, constant_machine
from ranker.scoring.selection import Grid, Part, Trial, select_machine, simplest_good

if TYPE_CHECKING:
    from numpy.typing import NDArray

FIT = Fit(constant_machine(np.array([0.0, 1.0]), 1, 0, seed=0), True, 0)


def trial(losses: list[float]) -> Trial:
    return Trial(FIT, Penalty(1.0, 0.0), np.array(losses))


def test_the_simplest_trial_within_one_standard_error_is_chosen() -> None:
    best = trial([0.0, 0.0, 0.0, 0.0])
    # Mean difference 0.5 and deviation 0.5, hence a standard error of 0.25.
    clearly_worse = trial([0.0, 0.0, 1.0, 1.0])
    # Mean difference 0.25 and standard error √(3/16) / 2 ≈ 0.217, still more than one.
    worse = trial([0.0, 0.0, 0.0, 1.0])
    # Mean difference 0.5 and deviation √1.25, hence a standard error of 0.559.
    maybe_worse = trial([2.0, -1.0, 1.0, 0.0])
    assert simplest_good([clearly_worse, worse, maybe_worse, best]) is maybe_worse
    assert simplest_good([clearly_worse, best]) is best
    assert simplest_good([best, maybe_worse]) is best


def indicators(bits: NDArray[np.int64]) -> csr_array:
    return csr_array(np.column_stack([bits, 1 - bits]).astype(np.float64))


def part(seed: int, rate_by_first_bit: tuple[float, float], interaction: bool = False) -> Part:
    rng = np.random.default_rng(seed)
    bits = rng.integers(0, 2, (3000, 2))
    which = bits[:, 0] ^ bits[:, 1] if interaction else bits[:, 0]
    clicks = rng.random(3000) < np.array(rate_by_first_bit)[which]
    return Part(indicators(bits), clicks.astype(np.float64))


GRID = Grid(weight_penalties=(1e5, 30.0, 10.0, 3.0, 1.0), num_factors=(2,), factor_penalties=(100.0, 1.0))


def choose(rates: tuple[float, float], interaction: bool = False) -> Trial:
    return select_machine(
        part(0, rates, interaction), part(1, rates, interaction), GRID, 0, lambda *_: None
    ).chosen


def test_without_signal_the_strongest_penalty_and_no_factors_are_chosen() -> None:
    chosen = choose((0.1, 0.1))
    assert chosen.penalty == Penalty(1e5, 0.0)
    assert chosen.fit.machine.factors.shape[1] == 0


def test_main_effects_need_weaker_penalties_but_no_factors() -> None:
    chosen = choose((0.1, 0.5))
    assert chosen.penalty.weights < 1e5
    assert chosen.fit.machine.factors.shape[1] == 0


def test_interactions_need_factors() -> None:
    assert choose((0.1, 0.5), interaction=True).fit.machine.factors.shape[1] == 2


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("weight_penalties", ()),
        ("weight_penalties", (0.0,)),
        ("num_factors", (0,)),
        ("factor_penalties", (-1.0,)),
    ],
)
def test_a_broken_grid_is_refused(name: str, value: tuple[float, ...]) -> None:
    change: dict[str, Any] = {name: value}
    with pytest.raises(InvalidInputError, match=f"{name} = "):
        replace(GRID, **change)


def test_a_path_ends_where_validation_gets_worse_and_progress_reaches_the_end() -> None:
    told: list[tuple[int, int]] = []
    selection = select_machine(
        part(0, (0.1, 0.1)), part(1, (0.1, 0.1)), GRID, 0, lambda done, total, _: told.append((done, total))
    )
    losses = [float(trial.losses.mean()) for trial in selection.trials]
    assert len(losses) < GRID.num_fits
    assert told[0] == (0, GRID.num_fits)
    assert told[-1] == (GRID.num_fits, GRID.num_fits)
    assert len(told) == len(losses) + 1
