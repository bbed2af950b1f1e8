from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch

from bandit.errors import CreativeError
from bandit.fm import logits
from bandit.operator_search import (
    NO_OPERATOR,
    OPERATORS,
    OperatorMachine,
    Search,
    SearchSettings,
    bound_of,
    report,
    searched,
)
from bandit.operators import Operator
from bandit.outcomes import Cells

SIZES = (4, 5)
SETTINGS = SearchSettings(num_factors=4, steps=80, weight_rate=0.05, prior_scale=0.7)


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def cells(interaction: float) -> Cells:
    """Two fields, all twenty pairs, 2,000 impressions each; the second field helps half of the first."""
    rng = np.random.default_rng(0)
    rows = np.array([[a, 4 + b] for a, b in product(range(4), range(5))], np.int32)
    signs = np.where(rows[:, 0] < 2, 1.0, -1.0) * np.linspace(-1.0, 1.0, 5)[rows[:, 1] - 4]
    p = 1.0 / (1.0 + np.exp(1.0 - interaction * signs))
    return Cells(rows, np.full(20, 2000.0), rng.binomial(2000, p).astype(float))


def test_mean_machine_is_served_as_it_was_fitted() -> None:
    machine = OperatorMachine((2, 3, 2), SETTINGS, seed=0)
    choice = torch.eye(len(OPERATORS))[torch.tensor([3, 5, 1])]
    rows = np.array([[a, 2 + b, 5 + c] for a, b, c in np.ndindex(2, 3, 2)], np.int32)
    torch_logits = machine(torch.tensor(rows), choice, noise=0.0).detach().numpy()
    assert logits(machine.tables(choice).served(), rows) == pytest.approx(torch_logits, abs=1e-5)


def test_absent_field_meets_nobody() -> None:
    machine = OperatorMachine((2, 3), SETTINGS, seed=0)
    choice = torch.eye(len(OPERATORS))[torch.tensor([2])]
    alone = machine(torch.tensor([[1, -1]]), choice, noise=0.0)
    assert alone.item() == pytest.approx(float((machine.loc["bias"] + machine.loc["linear"][1]).detach()))


def test_divergence_of_the_prior_is_zero_and_unused_operators_are_free() -> None:
    machine = OperatorMachine((2, 3), SETTINGS, seed=0)
    none, one = torch.zeros(1, len(OPERATORS)), torch.eye(len(OPERATORS))[:1]
    with torch.no_grad():
        for name, loc in machine.loc.items():
            loc.zero_()
            machine.raw[name].fill_(float(np.log(np.expm1(machine.prior_scales[name]))))
    assert float(machine.divergence(one).detach()) == pytest.approx(0.0, abs=1e-4)
    with torch.no_grad():
        machine.loc["vectors"][0, 0, 0] = 1.0
    assert float(machine.divergence(none).detach()) == pytest.approx(0.0, abs=1e-4)
    assert float(machine.divergence(one).detach()) == pytest.approx(0.5 / SETTINGS.prior_scale**2, abs=1e-4)


def test_bound_knows_whether_an_interaction_is_there() -> None:
    inner = [OPERATORS.index(Operator.INNER)]
    for interaction, better in ((1.0, True), (0.0, False)):
        bounds = [
            bound_of(SIZES, cells(interaction), choice, SETTINGS, seed=1)[0]
            for choice in (inner, [NO_OPERATOR])
        ]
        # With it, 20 cells of 2,000 stray from additivity by many deviations; without, factors only cost.
        assert (bounds[0] > bounds[1] + 20.0) is better
        assert (bounds[0] < bounds[1]) is not better


@pytest.mark.parametrize("method", list(Search))
def test_search_prefers_an_operator_that_can_say_it(method: Search) -> None:
    chosen = OPERATORS[searched(SIZES, cells(1.0), method, SETTINGS, seed=2)[0]]
    assert chosen not in (Operator.PLUS, Operator.CONCAT)


def test_report_ranks_every_choice_by_its_bound() -> None:
    findings = report(SIZES, cells(0.0), SearchSettings(num_factors=2, steps=15), seed=0)
    assert len(findings) == 1 + len(OPERATORS) + len(Search)
    assert [f.bound for f in findings] == sorted((f.bound for f in findings), reverse=True)
    assert next(f for f in findings if f.name == "max").operators == {(0, 1): "max"}
    assert next(f for f in findings if f.name == "none").operators == {}


def test_same_seed_gives_the_same_search() -> None:
    short = SearchSettings(num_factors=2, steps=8)
    one, other = (searched((4, 5), cells(1.0), Search.DSNAS, short, seed=3) for _ in range(2))
    assert one == other


@pytest.mark.parametrize(
    ("name", "value"), [("num_factors", 0), ("steps", 0), ("weight_rate", 0.0), ("hottest", -1.0)]
)
def test_broken_setting_names_itself(name: str, value: float) -> None:
    with pytest.raises(CreativeError, match=name):
        SearchSettings(**{name: value})
