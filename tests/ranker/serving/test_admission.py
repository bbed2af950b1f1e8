"""Who is let in, by hand; the effect under overload is measured by benchmarks/overload.py."""

from __future__ import annotations

import pytest

from ranker.errors import OverloadedError
from ranker.serving.admission import DECAY, Admission


def lets_in(admission: Admission, remaining: float | None) -> bool:
    """Returns whether a call gets in while another is answered."""
    with admission.admitted(None):
        try:
            with admission.admitted(remaining):
                return True
        except OverloadedError:
            return False


def test_everybody_is_let_in_before_anything_is_known_but_those_who_are_gone():
    assert lets_in(Admission(), 0.001)
    assert not lets_in(Admission(), -0.001)


def test_who_leaves_before_the_answer_is_refused_with_the_time_to_retry_after():
    admission = Admission()
    admission.observe(0.02)  # mean 20 ms, deviation 10 ms: up to 20 + 4 · 10
    assert lets_in(admission, 0.0601)
    assert lets_in(admission, None)
    with (
        admission.admitted(None),
        pytest.raises(OverloadedError, match=r"'under 60 ms left': the answer takes up to 60 ms") as refused,
        admission.admitted(0.059),
    ):
        pass
    assert refused.value.retry_seconds == pytest.approx(0.06)


def test_an_idle_server_tries_every_call_that_is_not_gone():
    admission = Admission()
    admission.observe(10.0)
    with admission.admitted(0.001):
        pass
    with pytest.raises(OverloadedError), admission.admitted(0.0):
        pass


def test_a_failed_answer_leaves_the_server_idle():
    admission = Admission()
    admission.observe(10.0)
    with pytest.raises(KeyError), admission.admitted(None):
        raise KeyError
    with admission.admitted(0.001):
        pass


def test_answers_that_vary_need_more_room():
    steady, varying = Admission(), Admission()
    for i in range(200):
        steady.observe(0.02)
        varying.observe(0.01 if i % 2 else 0.03)
    assert lets_in(steady, 0.021)
    # Mean 20 ms, mean deviation about 10 ms.
    assert not lets_in(varying, 0.055)


def test_the_estimate_follows_the_answers():
    admission = Admission()
    admission.observe(1.0)
    for _ in range(200):
        admission.observe(0.01)
    assert lets_in(admission, 0.02)


def test_one_stall_turns_nobody_away():
    admission = Admission()
    for _ in range(200):
        admission.observe(0.003)
    admission.observe(0.040)
    # Counted as 6 ms: mean 3 + 3/8, mean deviation 3/4.
    assert lets_in(admission, 0.0065)


def test_where_all_answers_are_slow_it_is_known_after_a_few():
    admission = Admission()
    for _ in range(200):
        admission.observe(0.003)
    for _ in range(12):
        admission.observe(0.040)
    assert not lets_in(admission, 0.040)


def test_after_a_stall_calls_get_in_again():
    admission = Admission()
    admission.observe(1.0)
    refused = 0
    while not lets_in(admission, 0.1):
        refused += 1
    # 3 · 0.98ⁿ < 0.1
    assert DECAY == 0.98
    assert refused == pytest.approx(169, abs=1)


def test_time_that_an_answer_takes_only_because_the_caller_has_it_is_told_apart():
    admission = Admission()
    with admission.admitted(None):
        assert admission.spared == 0.0
        admission.spare(0.03)
        assert admission.spared == 0.03
    with admission.admitted(None):
        assert admission.spared == 0.0
