"""How fast one pass with nine estimators and Plackett–Luce slate propensities are, beside obp 0.5.7."""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import numpy as np

from ranker.replay.estimators.plackett_luce import cascade_propensities, position_propensities
from ranker.replay.evaluation import values
from ranker.replay.logged_batch import WeightedRows
from ranker.replay.moments import accumulate

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Arrays: TypeAlias = dict[str, NDArray[Any]]

ROWS, ACTIONS, POSITIONS = 10_000, 80, 3
SLATES, ITEMS = 1_000, 10
COLUMN_ROWS = 2_000_000
BLOCK = 500


def make_arrays(rng: np.random.Generator) -> Arrays:
    """Make a log with dense predictions, shaped as the Open Bandit sample, and Plackett–Luce slates."""
    target = rng.dirichlet(np.ones(ACTIONS), size=POSITIONS).T[None]
    action, position = rng.integers(ACTIONS, size=ROWS), rng.integers(POSITIONS, size=ROWS)
    scores = rng.normal(size=(SLATES, ITEMS))
    return {
        "reward": (rng.random(ROWS) < 0.05).astype(float),
        "action": action,
        "position": position,
        "propensity": np.full(ROWS, 1 / ACTIONS),
        "target": target,
        "predicted": rng.uniform(0.0, 0.1, size=(ROWS, ACTIONS, POSITIONS)),
        "scores": scores,
        "slates": np.argsort(scores + rng.gumbel(size=scores.shape), axis=1)[:, ::-1][:, :POSITIONS].copy(),
    }


def dense_pass(arrays: Arrays) -> dict[str, float]:
    """Judge a policy given as a table from dense predictions `(n, A, k)`: all estimators."""
    rows = np.arange(ROWS)
    action, position = arrays["action"], arrays["position"]
    table = arrays["target"][0]
    weights = table[action, position] / arrays["propensity"]
    expected = _expected(arrays["predicted"], table)[position, rows]
    logged = arrays["predicted"][rows, action, position]
    return values(accumulate(WeightedRows(arrays["reward"], weights, logged, expected, rows)))


def _expected(predicted: NDArray[np.float64], table: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give Σₐ π(a at l)·q̂(a at l), `(k, n)`, by products over whole rows, zero off the position.

    They read the predictions as they lie in memory, and once: a block stays in the cache for all positions.
    """
    n, k = len(predicted), table.shape[1]
    spread = np.einsum("aj,jl->laj", table, np.eye(k)).reshape(k, -1)
    flat, expected = predicted.reshape(n, -1), np.empty((k, n))
    for first in range(0, n, BLOCK):
        for place, row in enumerate(spread):
            np.matmul(flat[first : first + BLOCK], row, out=expected[place, first : first + BLOCK])
    return expected


def slate_propensities(arrays: Arrays) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give the propensities of slates, of their beginnings, and of their items at their positions."""
    return (
        cascade_propensities(arrays["scores"], arrays["slates"]),
        position_propensities(arrays["scores"], arrays["slates"]),
    )


def speed(obp_python: str | None, rounds: int) -> dict[str, Any]:
    """Return rows and slates a second: median of the rounds, with the lowest and the highest."""
    rng = np.random.default_rng(3)
    arrays = make_arrays(rng)
    columns = WeightedRows(
        (rng.random(COLUMN_ROWS) < 0.05).astype(float),
        rng.gamma(2.0, 0.5, COLUMN_ROWS),
        rng.random(COLUMN_ROWS),
        rng.random(COLUMN_ROWS),
        np.arange(COLUMN_ROWS),
    )
    dense_pass(arrays)
    slate_propensities(arrays)
    found: dict[str, Any] = {
        "estimators_dense_rows_a_second": _rate(lambda: dense_pass(arrays), ROWS, 10 * rounds),
        "estimators_columns_rows_a_second": _rate(lambda: accumulate(columns), COLUMN_ROWS, rounds),
        "slates_a_second": _rate(lambda: slate_propensities(arrays), SLATES, 10 * rounds),
    }
    if obp_python is not None:
        found |= _beside_obp(arrays, obp_python, rounds, found)
    return found


def _rate(run: Any, count: int, rounds: int) -> dict[str, float]:
    rates = []
    for _ in range(rounds):
        started = time.perf_counter()
        run()
        rates.append(count / (time.perf_counter() - started))
    return {"median": float(np.median(rates)), "low": min(rates), "high": max(rates)}


def _beside_obp(arrays: Arrays, python: str, rounds: int, ours: dict[str, Any]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "arrays.npz"
        np.savez(path, **cast("Any", arrays))
        script = Path(__file__).parent / "replay_obp.py"
        done = subprocess.run(  # noqa: S603 (the interpreter that the user names)
            [python, str(script), str(path), str(rounds)], capture_output=True, text=True, check=True
        )
    theirs = json.loads(done.stdout.strip().splitlines()[-1])
    mine = dense_pass(arrays)
    worst = max(abs(mine[name] - value) for name, value in theirs["values"].items())
    cascade, position = slate_propensities(arrays)
    sums = (float(cascade[:, -1].sum() * POSITIONS), float(position.sum()), float(cascade.sum()))
    assert np.allclose(sums, theirs["slate_sums"], rtol=1e-9), (sums, theirs["slate_sums"])
    rows = sorted(ROWS / s for s in theirs["seconds"])
    slates = sorted(SLATES / s for s in theirs["slate_seconds"])
    dense, joint = ours["estimators_dense_rows_a_second"], ours["slates_a_second"]
    return {
        "obp_rows_a_second": {"median": float(np.median(rows)), "low": rows[0], "high": rows[-1]},
        "obp_slates_a_second": {"median": float(np.median(slates)), "low": slates[0], "high": slates[-1]},
        "times_obp_estimators": dense["median"] / float(np.median(rows)),
        "times_obp_slates": joint["median"] / float(np.median(slates)),
        "largest_difference_to_obp": worst,
    }
