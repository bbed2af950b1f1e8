from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from ranker.solver import double_double
from ranker.solver.kernel import strict_entry


@strict_entry
def operate(x: tuple[float, float], y: tuple[float, float]) -> tuple[tuple[float, float], ...]:
    """Returns sum, difference, product and quotient, and the errors of the leading halves."""
    return (
        double_double.plus(x, y),
        double_double.minus(x, y),
        double_double.times(x, y),
        double_double.over(x, y),
        double_double.two_sum(x[0], y[0]),
        double_double.two_product(x[0], y[0]),
    )


def exact(x: tuple[float, float]) -> Fraction:
    return Fraction(x[0]) + Fraction(x[1])


def random_pair(rng: np.random.Generator) -> tuple[float, float]:
    hi = rng.normal() * 10.0 ** rng.integers(-12, 13)
    return float(hi), float(hi * rng.uniform(-5e-17, 5e-17))


@pytest.mark.parametrize("seed", range(300))
def test_each_operation_has_a_hundred_bits(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, y = random_pair(rng), random_pair(rng)
    if seed % 3 == 0:
        y = (-x[0], 0.7 * x[1])
    found = operate(x, y)
    a, b = exact(x), exact(y)
    for result, expected in zip(found[:4], (a + b, a - b, a * b, a / b), strict=True):
        assert abs(exact(result) - expected) <= abs(expected) / 2**100
    assert exact(found[4]) == Fraction(x[0]) + Fraction(y[0])
    assert exact(found[5]) == Fraction(x[0]) * Fraction(y[0])


def test_the_smaller_half_decides_between_equal_larger_ones() -> None:
    assert double_double.exceeds.py_func((1.0, 1e-20), (1.0, 0.0))
    assert not double_double.exceeds.py_func((1.0, 0.0), (1.0, 0.0))
