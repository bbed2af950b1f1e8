"""What the ladder's benchmark makes of answers."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.ladder import LADDER, Answer, Load, late, summary, verdict

LOAD = Load([b"", b""], {"good": np.array([0.2, 0.4]), "fast": np.array([0.4, 0.8])}, 1.0)


def answers(models: list[str]) -> list[Answer]:
    return [
        Answer(number % 2, 0.005, "OK" if model else "DEADLINE_EXCEEDED", model)
        for number, model in enumerate(models)
    ]


def test_a_late_answer_counts_as_the_click_rate() -> None:
    told = summary(answers(["good", "fast", "", "good"]), LOAD)
    assert told["in_time"] == 0.75
    assert told["log_loss"] == pytest.approx((0.2 + 0.8 + 0.4) / 3, abs=1e-6)
    assert told["log_loss_with_late"] == pytest.approx((0.2 + 0.8 + 1.0 + 0.4) / 4)
    assert told["models"] == {"fast": 0.3333, "good": 0.6667}
    assert told["in_time_interval"][0] < 0.75 < told["in_time_interval"][1]


def test_the_ladder_is_compared_with_the_best_model_that_was_in_time() -> None:
    runs = {LADDER: ["good", "good", "fast", "fast"], "good": ["good", "", "", "good"], "fast": ["fast"] * 4}
    told = verdict({name: answers(models) for name, models in runs.items()}, LOAD)
    assert told["ladder_in_time"]
    assert told["best_single"] == "fast"
    assert told["log_loss_difference"] == pytest.approx((-0.2 - 0.4) / 4)


def test_where_no_model_is_in_time_there_is_nothing_to_compare_with() -> None:
    assert verdict({LADDER: answers(["", "good"]), "good": answers(["", ""])}, LOAD) == {
        "ladder_in_time": False,
        "best_single": None,
    }


def test_late_calls_are_counted_by_deadline_and_status() -> None:
    told = late([Answer(0, 0.0025, "RESOURCE_EXHAUSTED"), *answers(["good", "", ""])])
    assert told["2-3 ms"] == {"calls": 1, "RESOURCE_EXHAUSTED": 1}
    assert told["4-6 ms"] == {"calls": 3, "DEADLINE_EXCEEDED": 2}
    assert told["20-50 ms"] == {"calls": 0}
