"""When callers hold back, with a server of known capacity and a clock that is set by hand."""

from __future__ import annotations

import numpy as np
import pytest

from ranker.throttle import FREE_REFUSALS, HALF_LIFE_SECONDS, HEADROOM, Throttle


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def run(throttle, clock, seconds, rate, capacity):
    """Calls evenly; the server lets in `capacity` of them a second. Returns calls sent and let in."""
    sent = let_in = 0
    room = 0.0
    for _ in range(int(seconds * rate)):
        clock.now += 1.0 / rate
        room = min(room + capacity / rate, 20.0)  # that many may wait
        if throttle.sends():
            sent += 1
            fits = room >= 1.0
            room -= fits
            let_in += fits
            throttle.learn(refused=not fits)
    return sent, let_in


def test_nothing_is_held_back_while_all_is_let_in():
    clock = Clock()
    assert run(Throttle(np.random.default_rng(0), clock), clock, 20, 100, 200) == (2000, 2000)


def test_the_first_refusals_hold_nothing_back():
    throttle = Throttle(np.random.default_rng(0), Clock())
    for _ in range(int(HEADROOM * FREE_REFUSALS) + 1):
        assert throttle.sends()
        throttle.learn(refused=True)


@pytest.mark.parametrize("overload", [2.0, 3.0, 10.0])
def test_under_overload_about_headroom_times_what_is_let_in_is_sent(overload):
    clock = Clock()
    throttle = Throttle(np.random.default_rng(0), clock)
    run(throttle, clock, 30, overload * 100, 100)
    sent, let_in = run(throttle, clock, 30, overload * 100, 100)
    # Binomial of about 3,750 calls: 5 standard deviations are below 300, a tenth of what is let in.
    assert sent == pytest.approx(HEADROOM * let_in, rel=0.1)
    assert let_in > 0.95 * 30 * 100  # the server has all it can do


def test_an_overload_that_ends_is_forgotten():
    clock = Clock()
    throttle = Throttle(np.random.default_rng(0), clock)
    run(throttle, clock, 30, 1000, 100)
    run(throttle, clock, 20 * HALF_LIFE_SECONDS, 100, 1e9)
    assert run(throttle, clock, 10, 100, 1e9) == (1000, 1000)


def test_a_server_that_lets_nothing_in_is_still_asked():
    clock = Clock()
    throttle = Throttle(np.random.default_rng(0), clock)
    run(throttle, clock, 30, 100, 0)
    sent, _ = run(throttle, clock, 30, 100, 0)
    assert 0 < sent < 600  # of 3,000
