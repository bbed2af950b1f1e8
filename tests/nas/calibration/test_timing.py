"""Timings on a clock that the test winds."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from nas.calibration.timing import TimingSettings, measure
from nas.errors import SearchError


class Machine:
    """Its clock moves by what its models take, times how busy it is."""

    def __init__(self) -> None:
        self.now = 0.0
        self.num_runs = 0
        self.busy: Callable[[int], float] = lambda _: 1.0
        self.order: list[int] = []

    def clock(self) -> float:
        return self.now

    def model(self, name: int, seconds: float) -> Callable[[], None]:
        def run() -> None:
            self.now += seconds * self.busy(self.num_runs)
            self.num_runs += 1
            if not self.order or self.order[-1] != name:
                self.order.append(name)

        return run


SETTINGS = TimingSettings(rounds=3, warm_up=1, visit_seconds=1e-9, min_runs=4, probe_every=2)


def test_a_quiet_machine_gives_the_times_themselves() -> None:
    machine = Machine()
    runs = [machine.model(i, 1.0 + i) for i in range(3)]
    timings = measure(runs, machine.model(-1, 1.0), SETTINGS, np.random.default_rng(1), machine.clock)
    for index, timing in enumerate(timings):
        assert (timing.p50, timing.p99) == pytest.approx((1.0 + index, 1.0 + index))
        assert (timing.num_runs, timing.num_rejected) == (12, 0)
        assert timing.spread == pytest.approx(0.0, abs=1e-9)


def test_models_take_turns_and_the_probe_runs_between_them() -> None:
    machine = Machine()
    runs = [machine.model(i, 1.0) for i in range(4)]
    measure(runs, machine.model(-1, 1.0), SETTINGS, np.random.default_rng(1), machine.clock)
    rounds = np.array(machine.order).tolist()
    # A round: probe, two models, probe, two models, probe; the next begins with its own probe.
    first = [model for model in rounds[:6] if model >= 0]
    assert rounds[0] == rounds[3] == -1
    assert sorted(first) == [0, 1, 2, 3]


def test_visits_beside_a_slow_probe_are_measured_again() -> None:
    machine = Machine()
    # A round of two models: 4 visits of 5 runs. The second round is slow.
    machine.busy = lambda run: 3.0 if 20 <= run < 40 else 1.0
    runs = [machine.model(i, 1.0 + i) for i in range(2)]
    timings = measure(runs, machine.model(-1, 1.0), SETTINGS, np.random.default_rng(1), machine.clock)
    for index, timing in enumerate(timings):
        assert timing.p50 == pytest.approx(1.0 + index)
        assert timing.num_rejected >= 1
        assert timing.num_runs >= 12


def test_a_visit_that_stands_out_by_itself_is_left_out() -> None:
    machine = Machine()
    slow = iter([1.0] * 5 + [2.0] * 5 + [1.0] * 100)

    def model() -> None:
        machine.now += next(slow)

    (timing,) = measure([model], machine.model(-1, 1.0), SETTINGS, np.random.default_rng(1), machine.clock)
    assert timing.p99 == pytest.approx(1.0)
    assert timing.num_rejected == 1


@pytest.mark.parametrize("name", ["rounds", "min_runs", "probe_every", "visit_seconds", "drift"])
def test_a_wrong_setting_is_named(name: str) -> None:
    with pytest.raises(SearchError, match=rf"timing\.{name} = 0"):
        TimingSettings(**{name: 0})  # type: ignore[arg-type]
