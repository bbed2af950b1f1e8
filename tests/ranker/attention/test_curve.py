from __future__ import annotations

import numpy as np
import pytest

from ranker.attention.curve import Curve, non_increasing
from ranker.errors import InvalidInputError


def curve_of(attention: list[float], clicks: list[float] | None = None, **changed: np.ndarray) -> Curve:
    a = np.array(attention)
    columns = {"low": a * 0.9, "high": a * 1.1, "impressions": np.full(len(a), 100.0)} | changed
    return Curve(a, clicks=np.array(clicks or [10.0] * len(a)), **columns)


def test_violators_are_pooled_by_clicks_on_the_log_scale() -> None:
    # log .2 and log .8 with weights 1 and 3: exp((log .2 + 3·log .8)/4) = .2^¼·.8^¾.
    pooled = non_increasing(curve_of([1.0, 0.2, 0.8, 0.1], [50, 1, 3, 5]))
    expected = 0.2**0.25 * 0.8**0.75
    np.testing.assert_allclose(pooled.attention, [1, expected, expected, 0.1])
    assert pooled.non_increasing
    assert (pooled.low <= pooled.attention).all()
    assert (pooled.attention <= pooled.high).all()


def test_no_position_passes_the_first() -> None:
    np.testing.assert_allclose(non_increasing(curve_of([1.0, 1.3, 0.5])).attention, [1, 1, 0.5])


def test_intervals_that_hold_a_falling_truth_hold_it_after_the_projection(rng: np.random.Generator) -> None:
    for _ in range(100):
        truth = np.concatenate([[1.0], np.sort(rng.uniform(0.1, 1, 5))[::-1]])
        low, high = truth * rng.uniform(0.5, 1, 6), truth * rng.uniform(1, 2, 6)
        low[0] = high[0] = 1.0
        raw = Curve(np.sqrt(low * high), low, high, np.full(6, 9.0), rng.uniform(1, 90, 6))
        projected = non_increasing(raw)
        assert (projected.low <= truth * (1 + 1e-12)).all()
        assert (truth <= projected.high * (1 + 1e-12)).all()


def test_a_falling_curve_stays_as_it_is() -> None:
    curve = curve_of([1.0, 0.5, 0.25])
    np.testing.assert_allclose(non_increasing(curve).attention, curve.attention, rtol=1e-15)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"low": np.array([0.9])}, r"curve.low.shape = \(1,\): must be one a position: \(2,\)"),
        ({"high": np.array([1.0, np.nan])}, r"curve.high\[1\] = nan: must be finite"),
        ({"low": np.array([0.9, 0.6])}, r"curve.attention\[1\] = 0.5: must lie in its interval 0.6..0.55"),
    ],
)
def test_a_broken_curve_is_named(changed: dict[str, np.ndarray], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        curve_of([1.0, 0.5], **changed)


def test_attention_of_zero_is_refused() -> None:
    with pytest.raises(InvalidInputError, match=r"curve.attention\[1\] = 0.0: must be positive"):
        curve_of([1.0, 0.0])
