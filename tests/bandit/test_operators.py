from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from bandit.errors import CreativeError
from bandit.fm import logits
from bandit.operators import Operator, PairTables, pair_term


@pytest.mark.parametrize(
    ("operator", "expected"),
    [
        ("inner", 7.0 - 6.0),
        ("product", 7.0 - 24.0),
        ("plus", 8.0 + 4.0),
        ("max", 7.0 + 12.0),
        ("min", 1.0 - 8.0),
        ("concat", (1.0 - 8.0) + (14.0 + 9.0)),
    ],
)
def test_operators_by_hand(operator: str, expected: float) -> None:
    p, q, weights = np.array([1.0, -2.0]), np.array([7.0, 3.0]), np.array([[1.0, 4.0], [2.0, 3.0]])
    assert pair_term(Operator(operator), p, q, weights) == pytest.approx(expected)


def test_every_operator_is_served_exactly() -> None:
    rng = np.random.default_rng(0)
    sizes, offsets = (3, 2, 5), (0, 3, 5, 10)
    vectors, weights = rng.normal(size=(6, 10, 4)), rng.normal(size=(6, 2, 4))
    linear = rng.normal(size=10)
    pairs = list(combinations(range(3), 2))
    for operators in (
        [Operator.MAX, Operator.CONCAT, Operator.PRODUCT],
        [Operator.MIN, Operator.PLUS, Operator.INNER],
    ):
        tables = {
            (f, g): pair_term(
                operator,
                vectors[n, offsets[f] : offsets[f + 1], None],
                vectors[n, None, offsets[g] : offsets[g + 1]],
                weights[n],
            )
            for n, ((f, g), operator) in enumerate(zip(pairs, operators, strict=True))
        }
        served = PairTables(offsets, -1.0, linear, tables).served()
        assert served.factors.shape == (10, 2 + 3 + 2)
        for composition in np.ndindex(sizes):
            rows = np.array([[offsets[f] + composition[f] for f in range(3)]], np.int32)
            by_hand = (
                -1.0
                + linear[rows[0]].sum()
                + sum(t[composition[f], composition[g]] for (f, g), t in tables.items())
            )
            assert logits(served, rows)[0] == pytest.approx(by_hand)


def test_model_without_tables_is_additive() -> None:
    served = PairTables((0, 2, 4), 0.5, np.arange(4.0), {}).served()
    assert logits(served, np.array([[1, 3]], np.int32))[0] == 4.5


@pytest.mark.parametrize(("pair", "shape"), [((1, 0), (2, 2)), ((0, 2), (2, 2)), ((0, 1), (2, 3))])
def test_broken_table_is_named(pair: tuple[int, int], shape: tuple[int, int]) -> None:
    with pytest.raises(CreativeError, match="tables"):
        PairTables((0, 2, 4), 0.0, np.zeros(4), {pair: np.zeros(shape)})
