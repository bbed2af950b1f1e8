"""Arithmetic on unevaluated sums hi + lo of two floats: 106 bits, for where 53 do not decide.

Compiled without leave to fuse products and sums: the errors below are exact only if each is rounded.
"""

from __future__ import annotations

from ranker.solver.kernel import strict_kernel

Pair = tuple[float, float]
"""hi + lo with |lo| ≤ ulp(hi) / 2."""

SPLITTER = 134217729.0
"""2²⁷ + 1: splits 53 bits into two halves whose products are exact (Dekker 1971)."""


@strict_kernel
def two_sum(a: float, b: float) -> Pair:
    """Returns a + b without error (Knuth 1969)."""
    total = a + b
    b_part = total - a
    return total, (a - (total - b_part)) + (b - b_part)


@strict_kernel
def normal(hi: float, lo: float) -> Pair:
    """Returns hi + lo without error, where |hi| ≥ |lo| (Dekker 1971)."""
    total = hi + lo
    return total, lo - (total - hi)


@strict_kernel
def two_product(a: float, b: float) -> Pair:
    """Returns a × b without error (Dekker 1971; Veltkamp 1968)."""
    product = a * b
    part = SPLITTER * a
    a_hi = part - (part - a)
    a_lo = a - a_hi
    part = SPLITTER * b
    b_hi = part - (part - b)
    b_lo = b - b_hi
    return product, ((a_hi * b_hi - product) + a_hi * b_lo + a_lo * b_hi) + a_lo * b_lo


@strict_kernel
def plus(x: Pair, y: Pair) -> Pair:
    """Returns x + y, with a relative error below 2⁻¹⁰⁴ (Hida, Li and Bailey 2001, accurate addition)."""
    hi, lo = two_sum(x[0], y[0])
    other, rest = two_sum(x[1], y[1])
    hi, lo = normal(hi, lo + other)
    return normal(hi, lo + rest)


@strict_kernel
def minus(x: Pair, y: Pair) -> Pair:
    """Returns x − y."""
    return plus(x, (-y[0], -y[1]))


@strict_kernel
def times(x: Pair, y: Pair) -> Pair:
    """Returns x × y, with a relative error below 2⁻¹⁰² (Hida, Li and Bailey 2001)."""
    hi, lo = two_product(x[0], y[0])
    return normal(hi, lo + (x[0] * y[1] + x[1] * y[0]))


@strict_kernel
def over(x: Pair, y: Pair) -> Pair:
    """Returns x / y by long division in three digits (Hida, Li and Bailey 2001)."""
    first = x[0] / y[0]
    rest = minus(x, times(y, (first, 0.0)))
    second = rest[0] / y[0]
    rest = minus(rest, times(y, (second, 0.0)))
    return plus(normal(first, second), (rest[0] / y[0], 0.0))


@strict_kernel
def exceeds(x: Pair, y: Pair) -> bool:
    """Says whether x > y."""
    return bool(x[0] > y[0] or (x[0] == y[0] and x[1] > y[1]))
