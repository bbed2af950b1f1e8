"""Sequences by hand, against the exact capital, and watched at every row."""

from __future__ import annotations

import numpy as np
import pytest

from ranker.errors import InvalidInputError
from ranker.replay.confidence_sequence import (
    begin,
    empirical_bernstein_sequence,
    log_capitals,
    watch,
)

ENOUGH = np.log(2 / 0.05)


def test_the_first_bet_by_hand() -> None:
    # σ̂₀² = 1/4; λ₁ = √(2·log 40 / (0.25·1·log 2)) = 6.53 is cut at 0.75/0.5 = 1.5; 1 + 1.5·(1 − 0.5) = 1.75
    above, below = log_capitals(np.array([1.0]), 0.5, (0.0, 1.0), 0.95)
    assert np.exp(above[0]) == pytest.approx(1.75)
    assert np.exp(below[0]) == pytest.approx(0.25)


def test_watching_in_pieces_is_watching_at_once() -> None:
    terms = np.random.default_rng(1).random(3000)
    whole = watch(begin(0, 1, focus=0.5), terms)
    pieces = begin(0, 1, focus=0.5)
    for start in range(0, 3000, 700):
        pieces = watch(pieces, terms[start : start + 700])
    np.testing.assert_allclose(pieces.log_above, whole.log_above, rtol=1e-12, atol=1e-12)
    assert pieces.running.count == 3000


def test_the_interval_holds_every_mean_that_the_exact_capital_keeps() -> None:
    terms = np.random.default_rng(2).random(800) ** 3  # of mean 1/4
    found = watch(begin(0, 1, focus=0.25), terms).interval
    means = np.linspace(0.001, 0.999, 400)
    kept = [m for m in means if max(c.max() for c in log_capitals(terms, m, (0, 1), 0.95)) < ENOUGH]
    assert found.low <= kept[0]
    assert kept[-1] <= found.high
    # The grid is fine near its focus and coarse away from it: it costs less than a tenth of the width here.
    assert found.high - found.low < 1.1 * (kept[-1] - kept[0])
    assert 0.25 in found


def test_it_only_ever_narrows() -> None:
    rng = np.random.default_rng(3)
    sequence = begin(-1, 4, focus=0.0)
    before = sequence.interval
    for _ in range(20):
        sequence = watch(sequence, rng.choice([-1.0, 0.0, 3.0], 200, p=[0.1, 0.8, 0.1]))
        now = sequence.interval
        assert before.low <= now.low
        assert now.high <= before.high
        before = now
    assert now.low > 0  # the mean is 0.2


def test_the_evidence_is_the_capital_of_the_focus() -> None:
    terms = np.random.default_rng(4).random(500)
    sequence = watch(begin(0, 1, focus=0.3), terms)
    above, _ = log_capitals(terms, 0.3, (0, 1), 0.95)
    assert sequence.log_evidence(0.3) == pytest.approx(above[-1], rel=1e-9)
    with pytest.raises(InvalidInputError, match="focus"):
        sequence.log_evidence(0.3001234)


def test_sequences_watched_at_every_row_rarely_miss_the_mean_ever() -> None:
    rng = np.random.default_rng(5)
    missed_betting = missed_bernstein = 0
    for _ in range(300):
        weights = rng.choice([0.2, 5.0], 1500, p=[5 / 6, 1 / 6])
        terms = weights * (rng.random(1500) < 0.3)
        above, below = log_capitals(terms, 0.3, (0.0, 5.0), 0.95)
        missed_betting += max(above.max(), below.max()) >= ENOUGH
        low, high = empirical_bernstein_sequence(terms, 0.0, 5.0)
        missed_bernstein += bool(((low > 0.3) | (high < 0.3)).any())
    # At most 5 % ever miss: 15 of 300, and three binomial standard deviations (3.8) above are 26.
    assert missed_betting <= 26
    assert missed_bernstein <= 26


def test_betting_is_narrower_than_bernstein() -> None:
    terms = (np.random.default_rng(6).random(3000) < 0.02).astype(float)
    low, high = empirical_bernstein_sequence(terms, 0, 1)
    found = watch(begin(0, 1, focus=0.02), terms).interval
    assert found.high - found.low < high[-1] - low[-1]


@pytest.mark.parametrize(
    ("bounds", "focus", "level", "field"),
    [
        ((1, 0), 0.5, 0.95, "bounds"),
        ((0, np.inf), 0.5, 0.95, "bounds"),
        ((0, 1), 2, 0.95, "focus"),
        ((0, 1), 0.5, 1.0, "level"),
    ],
)
def test_a_sequence_that_cannot_be_begun_is_refused(
    bounds: tuple[float, float], focus: float, level: float, field: str
) -> None:
    with pytest.raises(InvalidInputError) as error:
        begin(*bounds, focus=focus, level=level)
    assert error.value.field == field


def test_a_term_outside_the_bounds_is_refused() -> None:
    with pytest.raises(InvalidInputError, match=r"terms\[1\]"):
        watch(begin(0, 1, focus=0.5), np.array([0.5, 1.5]))
