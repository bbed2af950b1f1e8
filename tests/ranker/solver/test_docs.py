"""The guide's examples run, and come out as it says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ranker.solver import Status

GUIDE = Path(__file__).parents[3] / "docs" / "solver.md"


def run_example(heading: str, until: str = "") -> dict[str, Any]:
    """Runs the code under a heading, up to the line that starts with `until`; returns its variables."""
    found = re.search(rf"^## {heading}\n.*?```python\n(.*?)```", GUIDE.read_text(), re.DOTALL | re.MULTILINE)
    assert found is not None
    code = found.group(1)
    assert until in code
    variables: dict[str, Any] = {}
    exec(code.split(until)[0] if until else code, variables)  # noqa: S102 (our own guide)
    return variables


def test_the_first_example_mixes_two_slates() -> None:
    solution = run_example("Example")["solution"]
    assert sorted(solution.slates.tolist()) == [[0], [1]]
    assert solution.probabilities == pytest.approx([0.5, 0.5])
    assert (solution.objective, solution.upper_bound, solution.dual[0]) == pytest.approx((1.5, 1.5, 1.0))


def test_the_example_in_the_products_words_is_mixed_as_it_says() -> None:
    variables = run_example("In the product's words", until="clash = ")
    solution = variables["solution"]
    chances = dict(zip(map(tuple, solution.slates.tolist()), solution.probabilities, strict=True))
    assert chances == pytest.approx({(0, 3, 4): 5 / 9, (0, 2, 4): 4 / 9})
    assert solution.dual == pytest.approx([0.0, 1 / 6, 0.0])
    assert variables["one"].slates.tolist() == [[0, 3, 4]]


def test_the_limit_that_cannot_hold_is_the_one_that_is_named() -> None:
    solution = run_example("In the product's words", until="prices = ")["solution"]
    assert solution.status is Status.INFEASIBLE
    assert solution.violation == pytest.approx([0.0, 0.0, 0.2])
    assert np.flatnonzero(solution.infeasibility_proof).tolist() == [2]


def test_at_a_price_it_is_missed_and_paid_for() -> None:
    variables = run_example("In the product's words")
    solution, problem = variables["solution"], variables["problem"]
    assert solution.status is Status.OPTIMAL
    worth = solution.probabilities @ (problem.value[solution.slates] @ problem.attention)
    assert solution.objective + 2.0 * 0.2 == pytest.approx(worth)


def test_the_video_stands_on_top_half_of_the_time() -> None:
    assert run_example("Weights by position")["solution"].objective == pytest.approx(3.75)
