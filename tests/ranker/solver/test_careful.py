"""The second pass against exact rational arithmetic, on problems whose limits nearly repeat each other."""

from __future__ import annotations

import itertools
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from ranker.solver import Deadline, Settings, SlateProblem, Status, batch, solve
from ranker.solver.careful import solve_carefully
from ranker.solver.certificate import certify
from ranker.solver.solution import only_solution

DEAR = Fraction(10) ** 40
"""Price of violation that no gain in value comes near."""


def nearly_collinear(seed: int) -> SlateProblem:
    rng = np.random.default_rng(seed)
    n, num_limits = int(rng.integers(2, 6)), int(rng.integers(2, 6))
    k = int(rng.integers(1, min(n, 2) + 1))
    value = rng.random(n)
    noise = 10.0 ** rng.uniform(-13, -6, (num_limits, 1)) * rng.normal(size=(num_limits, n))
    weights = value * rng.choice([-1.0, 1.0, 2.0], (num_limits, 1)) + noise
    attention = 0.7 ** np.arange(k)
    mixture = rng.dirichlet(np.ones(3))
    slates = np.array([rng.permutation(n)[:k] for _ in range(3)])
    # Just within, at and just beyond what one mixture uses.
    limits = weights[:, slates] @ attention @ mixture
    limits += rng.choice([0.0, 1e-12, -1e-12, 1e-9, 0.1], num_limits)
    return SlateProblem(value, weights, limits, attention)


def exact_optimum(problem: SlateProblem) -> tuple[Fraction, Fraction]:
    """Returns worth and violation, summed in units of max|M_q| Σa, of the best mixture of all slates.

    The violation is least, then the worth greatest: rational simplex, first improving variable (Bland).
    """
    k = problem.num_positions
    rankings = list(itertools.permutations(range(problem.num_candidates), k))
    attention = [Fraction(a) for a in problem.attention]

    def use(row: np.ndarray, ranking: tuple[int, ...]) -> Fraction:
        return sum((a * Fraction(row[i]) for a, i in zip(attention, ranking, strict=True)), Fraction())

    size = problem.num_constraints
    units = [Fraction(np.abs(row).max()) * sum(attention) for row in problem.weights]
    columns = [[*(use(row, r) for row in problem.weights), Fraction(1)] for r in rankings]
    costs = [use(problem.value, r) for r in rankings]
    for q in range(size):
        unit = [Fraction(int(r == q)) for r in range(size + 1)]
        columns += [unit, [-x for x in unit]]
        costs += [Fraction(), -DEAR / units[q]]
    first = len(rankings)
    right = [Fraction(b) for b in problem.limits] + [Fraction(1)]
    basis = [first + 2 * q + int(right[q] < columns[0][q]) for q in range(size)] + [0]
    rows = solve_rows([[columns[v][r] for v in basis] for r in range(size + 1)], columns, right)
    while True:
        gains = (
            costs[v] - sum(costs[basis[r]] * rows[r][v] for r in range(size + 1)) for v in range(len(columns))
        )
        entering = next((v for v, gain in enumerate(gains) if gain > 0), None)
        if entering is None:
            break
        ratios = [
            (rows[r][-1] / rows[r][entering], basis[r], r) for r in range(size + 1) if rows[r][entering] > 0
        ]
        leaving = min(ratios)[2]
        basis[leaving] = entering
        eliminate(rows, leaving, entering)
    amounts = {basis[r]: rows[r][-1] for r in range(size + 1)}
    worth = sum((costs[v] * x for v, x in amounts.items() if v < first), Fraction())
    broken = sum(
        (x / units[(v - first) // 2] for v, x in amounts.items() if v >= first and (v - first) % 2),
        Fraction(),
    )
    return worth, broken


def solve_rows(
    basis: list[list[Fraction]], columns: list[list[Fraction]], right: list[Fraction]
) -> list[list[Fraction]]:
    """Returns all columns and the right-hand side in terms of the basis."""
    size = len(right)
    rows = [[*basis[r], *(column[r] for column in columns), right[r]] for r in range(size)]
    for pivot in range(size):
        other = next(r for r in range(pivot, size) if rows[r][pivot] != 0)
        rows[pivot], rows[other] = rows[other], rows[pivot]
        eliminate(rows, pivot, pivot)
    return [row[size:] for row in rows]


def eliminate(rows: list[list[Fraction]], pivot: int, column: int) -> None:
    scale = rows[pivot][column]
    rows[pivot] = [x / scale for x in rows[pivot]]
    for r, row in enumerate(rows):
        if r != pivot and row[column] != 0:
            factor = row[column]
            rows[r] = [x - factor * y for x, y in zip(row, rows[pivot], strict=True)]


@pytest.mark.parametrize("seed", range(150))
def test_limits_that_nearly_repeat_each_other_cost_exactly_what_they_must(seed: int) -> None:
    problem = nearly_collinear(seed)
    solution = solve(problem)
    worth, broken = exact_optimum(problem)
    found = certify(problem, solution)
    units = np.abs(problem.weights).max(axis=1) * problem.attention.sum()
    scale = problem.value.max() * problem.attention.sum()
    assert solution.status is not Status.STOPPED
    assert found.support <= 0
    assert found.not_a_mixture <= 1e-12
    # The least violation is met to 2⁻⁴²; up to 5e-10 is within what counts as kept.
    assert float((solution.violation / units).sum()) <= float(broken) + 1e-10
    if broken > 1e-9:
        assert solution.status is Status.INFEASIBLE
    if broken == 0:
        assert solution.status is Status.OPTIMAL
    # Worth may be traded for violation at 2⁴³ at most: more only if the limits cannot hold together.
    if broken == 0 or broken > 1e-9:
        assert solution.objective == pytest.approx(float(worth), abs=1e-8 * scale)


def test_the_second_pass_takes_its_slates_within_caps_and_pins() -> None:
    rng = np.random.default_rng(1)
    value = rng.random(8)
    weights = value + 1e-12 * rng.normal(size=(4, 8))
    limits = np.sort(value)[:3].sum() * np.ones(4) + rng.normal(size=4) * 1e-12
    groups, caps = np.arange(8) % 3, np.array([1, 1, 2])
    structure = {"groups": groups, "caps": caps, "pinned": np.array([-1, 2, -1])}
    problem = SlateProblem(value, weights, limits, np.ones(3), **structure)
    solution = solve(problem)
    found = certify(problem, solution)
    assert found.not_a_mixture <= 1e-12
    assert found.support <= 0


class Clock:
    """Reads as many seconds as the second pass has taken steps."""

    def __init__(self) -> None:
        self.steps = 0

    def read(self) -> float:
        return float(self.steps)

    def step(self, *arguments: Any) -> int:
        self.steps += 1
        return solve_carefully(*arguments)


@pytest.mark.parametrize("seconds", [0, 1, 2])
def test_the_second_pass_stops_at_the_deadline_with_a_true_bound(
    seconds: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped = 0
    for seed in range(40):
        problem, clock = nearly_collinear(seed), Clock()
        monkeypatch.setattr(batch, "solve_carefully", clock.step)
        deadline = Deadline(clock.read, seconds)
        solution = only_solution(batch.run(problem.request, Settings(), batch.Span(0, 1, 100_000, deadline)))
        worth, broken = exact_optimum(problem)
        scale = problem.value.max() * problem.attention.sum()
        assert clock.steps <= seconds
        assert certify(problem, solution).not_a_mixture <= 1e-12
        if broken == 0:
            assert solution.upper_bound >= float(worth) - 1e-12 * scale
        stopped += solution.status is Status.STOPPED
    assert stopped > 0


def test_in_steps_the_second_pass_ends_where_it_ends_in_one_go() -> None:
    for seed in range(40):
        problem = nearly_collinear(seed)
        whole = solve(problem)
        stepwise = solve(problem, deadline=Deadline(lambda: 0.0, 1.0))
        assert stepwise.status is whole.status
        assert stepwise.objective == pytest.approx(whole.objective, rel=1e-9)
