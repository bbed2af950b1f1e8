"""The evaluation on policies whose value is known beforehand."""

from __future__ import annotations

import numpy as np
import pytest

from ranker.demo.evaluation import ReplayedPolicy, evaluate
from ranker.demo.fixtures import BanditLog, read_log
from ranker.replay.diagnostics import Verdict

NUM_ROWS = 4000


def _policy(marginals: np.ndarray, rows: np.ndarray) -> ReplayedPolicy:
    shape = (len(rows), *marginals.shape)
    return ReplayedPolicy(rows, np.broadcast_to(marginals, shape), np.full(shape[:2], 0.004), 0.02)


def _log(rng: np.random.Generator, ctr: np.ndarray) -> BanditLog:
    items = rng.integers(80, size=NUM_ROWS)
    return BanditLog(
        items=items,
        positions=rng.integers(3, size=NUM_ROWS),
        clicks=(rng.random(NUM_ROWS) < ctr[items]).astype(float),
        propensities=np.full(NUM_ROWS, 1 / 80),
        users=np.ones((NUM_ROWS, 4), np.int64),
        affinity=np.zeros((NUM_ROWS, 80), np.float32),
        seconds=np.arange(NUM_ROWS, dtype=float),
    )


def test_the_uniform_policy_is_worth_what_the_uniform_log_earned() -> None:
    log = read_log("random")
    rows = np.arange(log.num_rows)
    found = evaluate(log, _policy(np.full((80, 3), 1 / 80), rows))
    for value in (found.by_position, found.pooled):
        assert [estimate.value for estimate in value.estimates] == pytest.approx([0.0038] * 3, abs=1e-12)
        assert value.difference.value == pytest.approx(0, abs=1e-12)
        assert value.diagnostics.effective_sample_size == pytest.approx(10_000)
        assert value.verdict is Verdict.NOT_ANSWERABLE


def test_a_policy_that_shows_the_clicked_items_is_found_better() -> None:
    ctr = np.where(np.arange(80) < 3, 0.9, 0.1)
    # Ours: items 0, 1, 2 at positions 0, 1, 2, with a share of 0.02 of uniform exploration.
    marginals = np.full((80, 3), 0.02 / 80)
    marginals[:3] += 0.98 * np.eye(3)
    found = evaluate(_log(np.random.default_rng(1), ctr), _policy(marginals, np.arange(NUM_ROWS)))
    # 0.98·0.9 + 0.02·0.13 = 0.885. A pooled term w·r is at most 26.2, of variance at most 26.2·0.885, so its
    # mean over 4,000 rows has a standard deviation of at most 0.076; four of them.
    assert found.pooled.estimates[0].value == pytest.approx(0.885, abs=4 * 0.076)
    assert found.pooled.verdict is Verdict.BETTER
    assert 0.885 in found.pooled.estimates[0].betting
    assert found.logging.value == pytest.approx(0.13, abs=4 * np.sqrt(0.13 * 0.87 / NUM_ROWS))


def test_fewer_rows_are_needed_for_larger_lifts_and_for_pooled_positions() -> None:
    marginals = np.full((80, 3), 0.02 / 80)
    marginals[:3] += 0.98 * np.eye(3)
    log = read_log("random")
    found = evaluate(log, _policy(marginals, np.arange(log.num_rows)))
    assert found.pooled.rows_needed[0.5] < found.pooled.rows_needed[0.1]
    assert found.pooled.rows_needed[0.1] < found.by_position.rows_needed[0.1]
