"""Programs of a handful of instructions, by hand and evolved."""

from __future__ import annotations

import numpy as np
import pytest

from nas.errors import SearchError
from nas.formula import ADD, CONSTANT, DOT, MUL, SCALE, SUB, VEC_ADD, VEC_MUL, FormulaTask, ProgramShape
from nas.space import Architecture
from nas.strategies.automl_zero import AutoMlZero

SHAPE = ProgramShape(setup=2, predict=2, learn=4)


def task(target: str, shape: ProgramShape = SHAPE) -> FormulaTask:
    rng = np.random.default_rng(1)
    u, v = rng.normal(size=(2, 150, 4))
    planted = {"dot": (u * v).sum(axis=1), "linear": u @ np.array([1.0, -2.0, 0.5, 0.0])}[target]
    return FormulaTask(u, v, planted, 100, shape)


def program(*instructions: tuple[int, int, int, int]) -> Architecture:
    return tuple(part for instruction in instructions for part in instruction)


NOTHING = SHAPE.nothing


def test_a_dot_product_predicts_a_dot_product() -> None:
    written = program(NOTHING, NOTHING, (DOT, 1, 0, 1), NOTHING, *[NOTHING] * 4)
    assert task("dot").evaluate(written).quality == pytest.approx(1.0)
    assert SHAPE.describe(written) == "setup:\npredict:\n  s1 = v0 · v1\nlearn:"


def test_doing_nothing_is_worth_the_spread_of_the_target() -> None:
    planted = task("dot")
    error = float((planted.target[100:] ** 2).mean())
    assert planted.evaluate(SHAPE.empty).quality == pytest.approx(1.0 / (1.0 + error))


def test_gradient_descent_can_be_written_and_learns() -> None:
    descent = program(
        (CONSTANT, 2, 2, 0),  # s2 = 0.1, the rate
        NOTHING,
        (DOT, 1, 0, 2),  # v2 holds the weights
        NOTHING,
        (SUB, 3, 0, 1),
        (MUL, 3, 3, 2),
        (SCALE, 3, 3, 0),
        (VEC_ADD, 2, 2, 3),
    )
    assert task("linear").evaluate(descent).quality > 0.99


def test_learning_sees_the_label_and_predicting_does_not() -> None:
    cheat = program(NOTHING, NOTHING, (ADD, 1, 0, 0), NOTHING, *[NOTHING] * 4)
    planted = task("dot")
    assert planted.evaluate(cheat).quality == planted.evaluate(SHAPE.empty).quality


def test_a_program_that_explodes_is_worth_nothing() -> None:
    squares = program((CONSTANT, 2, 0, 0), (ADD, 2, 2, 2), (MUL, 2, 2, 2), (MUL, 1, 2, 2), *[NOTHING] * 4)
    assert task("dot").evaluate(squares).quality == 0.0


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_evolution_rediscovers_the_dot_product_from_empty_programs(seed: int) -> None:
    planted = task("dot")
    search = AutoMlZero(SHAPE, np.random.default_rng(seed))
    for _ in range(10_000):
        trial = planted.evaluate(search.ask())
        search.tell(trial)
        if trial.quality > 1.0 - 1e-9:
            break
    assert trial.quality > 1.0 - 1e-9
    code = SHAPE.describe(trial.architecture)
    assert " · v" in code or "⊙" in code


def test_changes_stay_in_the_space_and_reach_every_kind() -> None:
    search = AutoMlZero(SHAPE, np.random.default_rng(1))
    start = program(*[(VEC_MUL, 1, 2, 3)] * 8)
    changed = [search.changed(start) for _ in range(300)]
    for child in changed:
        SHAPE.space.check(child)
    differences = {sum(a != b for a, b in zip(child, start, strict=True)) for child in changed}
    assert {0, 1} <= differences
    assert max(differences) > 8


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: ProgramShape(predict=0), r"shape\.predict = 0"),
        (lambda: FormulaTask(np.ones((3, 2)), np.ones((3, 1)), np.ones(3), 1, SHAPE), r"task\.first\.shape"),
        (
            lambda: FormulaTask(np.ones((3, 2)), np.ones((3, 2)), np.ones(3), 3, SHAPE),
            r"task\.num_learned = 3",
        ),
        (lambda: task("dot").evaluate((0,)), "architecture = "),
        (lambda: AutoMlZero(SHAPE, np.random.default_rng(1)).changed((0,)), "program = "),
    ],
)
def test_wrong_input_is_named(make: object, said: str) -> None:
    with pytest.raises(SearchError, match=said):
        make()  # type: ignore[operator]
