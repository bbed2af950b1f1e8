"""The gate: it promotes what is better, never what only looks so, and notices a log that changed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from ranker.errors import InvalidInputError, RankerError, StateError
from ranker.replay.gate import Decision, GateRows, GateSettings, look, open_gate
from ranker.replay.gate_file import read_gate, write_gate

SPLIT = GateSettings(max_weight=2.0, max_incumbent_weight=2.0)


def _split(rng: np.random.Generator, n: int, old: float, new: float) -> GateRows:
    """An experiment that shows each policy to half of the requests."""
    candidate = rng.random(n) < 0.5
    rewards = (rng.random(n) < np.where(candidate, new, old)).astype(float)
    return GateRows(rewards, 2.0 * candidate, 2.0 * ~candidate)


def _joined(*parts: GateRows) -> list[GateRows]:
    return list(parts)


def test_a_better_candidate_is_promoted_and_a_worse_one_rejected() -> None:
    rng = np.random.default_rng(1)
    better = look(open_gate(SPLIT), [_split(rng, 20_000, 0.2, 0.3)])
    worse = look(open_gate(SPLIT), [_split(rng, 20_000, 0.3, 0.2)])
    assert (better.decision, worse.decision) == (Decision.PROMOTE, Decision.REJECT)
    assert 0.1 in better.interval


def test_too_few_rows_decide_nothing() -> None:
    rows = GateRows(np.ones(500), np.tile([2.0, 0.0], 250), np.tile([0.0, 2.0], 250))
    rows.rewards[1::2] = 0
    gate = look(open_gate(SPLIT), [rows])
    assert gate.interval.low > 0
    assert gate.decision is Decision.WAIT


def test_equal_policies_that_are_peeked_at_daily_are_rarely_promoted() -> None:
    rng = np.random.default_rng(2)
    promoted = 0
    for _ in range(100):
        gate, days = open_gate(SPLIT), []
        for _ in range(10):
            days.append(_split(rng, 400, 0.2, 0.2))
            gate = look(gate, days)
            if gate.decision is Decision.PROMOTE:
                promoted += 1
                break
    # Ever at most 2.5 % on this side: 2.5 of 100, three binomial standard deviations (1.6) above are 7.
    assert promoted <= 7


def test_the_daily_looks_come_to_the_same_as_one_look() -> None:
    rng = np.random.default_rng(3)
    days = [_split(rng, 700, 0.2, 0.25) for _ in range(4)]
    gate = open_gate(SPLIT)
    for day in range(1, 5):
        gate = look(gate, days[:day])
    once = look(open_gate(SPLIT), days)
    assert gate.digest == once.digest
    assert gate.interval.low == pytest.approx(once.interval.low)
    assert gate.num_rows == 2800


def test_a_log_whose_judged_rows_changed_is_refused() -> None:
    rng = np.random.default_rng(4)
    rows = _split(rng, 300, 0.2, 0.2)
    gate = look(open_gate(SPLIT), [rows])
    changed = GateRows(1 - rows.rewards, rows.weights, rows.incumbent_weights)
    with pytest.raises(StateError, match="have changed"):
        look(gate, [changed, _split(rng, 10, 0.2, 0.2)])
    with pytest.raises(StateError, match="some are gone"):
        look(gate, [GateRows(rows.rewards[:100], rows.weights[:100], rows.incumbent_weights[:100])])


def test_a_reward_beyond_its_maximum_is_named_with_its_row() -> None:
    rows = GateRows(np.array([0.0, 3.0]), np.ones(2), np.ones(2))
    with pytest.raises(InvalidInputError) as error:
        look(open_gate(SPLIT), [rows])
    assert error.value.field == "reward of row 2"


def test_weights_that_cannot_be_right_block_the_gate() -> None:
    rng = np.random.default_rng(5)
    rewards = (rng.random(5000) < 0.5).astype(float)
    rows = GateRows(rewards, rng.choice([1.4, 1.6], 5000), np.ones(5000))
    assert look(open_gate(GateSettings(max_weight=2.0)), [rows]).decision is Decision.WRONG_WEIGHTS


def test_the_state_survives_the_file(tmp_path: Path) -> None:
    gate = look(open_gate(SPLIT), [_split(np.random.default_rng(6), 1500, 0.2, 0.3)])
    write_gate(gate, tmp_path / "gate.json")
    again = read_gate(tmp_path / "gate.json", SPLIT)
    assert (again.num_rows, again.digest, again.decision) == (gate.num_rows, gate.digest, gate.decision)
    assert again.interval == gate.interval


def test_no_state_begins_a_test(tmp_path: Path) -> None:
    assert read_gate(tmp_path / "none.json", SPLIT).num_rows == 0


def test_settings_may_not_change_midway(tmp_path: Path) -> None:
    write_gate(open_gate(SPLIT), tmp_path / "gate.json")
    with pytest.raises(StateError, match="max_weight"):
        read_gate(tmp_path / "gate.json", GateSettings(max_weight=3.0, max_incumbent_weight=2.0))


@pytest.mark.parametrize("text", ["{", "[]", "{}", json.dumps({"version": 9})])
def test_a_broken_state_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "gate.json").write_text(text)
    with pytest.raises(RankerError, match="state"):
        read_gate(tmp_path / "gate.json", SPLIT)


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"max_weight": 0.0}, "max_weight"),
        ({"max_weight": np.inf}, "max_weight"),
        ({"max_weight": 0.5}, "max_weight"),
        ({"max_weight": 2.0, "max_reward": -1.0}, "max_reward"),
        ({"max_weight": 2.0, "max_incumbent_weight": 0.0}, "max_incumbent_weight"),
        ({"max_weight": 2.0, "level": 1.0}, "level"),
        ({"max_weight": 2.0, "min_rows": 0}, "min_rows"),
    ],
)
def test_settings_without_meaning_are_named(settings: dict[str, float], field: str) -> None:
    with pytest.raises(InvalidInputError) as error:
        GateSettings(**settings)  # type: ignore[arg-type]
    assert error.value.field == field
