"""Real logs: each policy's value from the other's log, and every golden estimate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ranker.replay.estimators import (
    direct_method,
    dr,
    dr_terms,
    dros,
    ips,
    optimistically_shrunk,
    sndr,
    snips,
    sub_gaussian_dr,
    sub_gaussian_ips,
    switch_dr,
    switched,
)
from ranker.replay.estimators.slope import tune
from ranker.replay.evaluation import evaluate, logged_value
from ranker.replay.logged_batch import weighted_rows
from ranker.replay.moments import accumulate, add, no_rows
from ranker.replay.policies import TablePolicy
from ranker.replay.propensity_check import check_propensities, inverse_sums
from ranker.replay.readers import read_log

if TYPE_CHECKING:
    from pathlib import Path

    from ranker.replay.logged_batch import LoggedBatch, Policy
    from ranker.replay.moments import Moments

SWITCHES = (1, 5, 10, 50, 100, 500, np.inf)
SHRINKAGES = (1, 5, 10, 50, 100, 500, 1000, 10_000, np.inf)


def golden(path: Path) -> dict[str, float]:
    """Return the difference of each of our estimates to the golden one."""
    data = dict(np.load(path))
    rows, action, position = np.arange(len(data["reward"])), data["action"], data["position"]
    table, predicted = data["ad"][0], data["q"]
    weights = table[action, position] / data["pscore"]
    rewards = data["reward"].astype(float)
    logged = predicted[rows, action, position]
    target = (predicted[rows, :, position] * table.T[position]).sum(axis=1)
    columns = (rewards, weights, logged, target)

    def switch_terms(threshold: float) -> Any:
        return dr_terms(rewards, switched(weights, threshold), logged, target)

    def dros_terms(strength: float) -> Any:
        return dr_terms(rewards, optimistically_shrunk(weights, strength), logged, target)

    found = {
        "dm": direct_method(target),
        "ipw": ips(rewards, weights),
        "snipw": snips(rewards, weights),
        "dr": dr(*columns),
        "sndr": sndr(*columns),
        "switch1": switch_dr(*columns, 1.0),
        "dros100": dros(*columns, 100.0),
        "sg-ipw": sub_gaussian_ips(rewards, weights, 0.01),
        "sg-dr": sub_gaussian_dr(*columns, 0.01),
        "switch_slope": float(switch_terms(tune(SWITCHES, switch_terms)).mean()),
        "dros_slope": float(dros_terms(tune(SHRINKAGES, dros_terms)).mean()),
    }
    differences = {name: abs(value - float(data[f"res_{name}"])) for name, value in found.items()}
    differences["relative value 1.1981263157894735"] = abs(
        found["ipw"] / float(rewards.mean()) - 1.1981263157894735
    )
    return differences


def crossed(folder: Path, campaign: str) -> list[dict[str, Any]]:
    """Return each policy's value from the other's log, beside its own log's mean reward."""
    logs = {
        name: list(read_log(folder / f"{name}__{campaign}__{campaign}.csv")) for name in ("random", "bts")
    }
    policies = {name: _shown_shares(name, batches) for name, batches in logs.items()}
    rows = []
    for target, source in (("bts", "random"), ("random", "bts")):
        sums = _sums(logs[source], policies[target])
        rng = np.random.default_rng(1)
        estimate = evaluate(sums, rng, with_model=False)["SNIPS"]
        truth, own = logged_value(_sums(logs[target], policies[target]), rng)
        rows.append(
            {
                "campaign": campaign,
                "target": target,
                "log": source,
                "estimate": estimate.value,
                "interval": [estimate.interval.low, estimate.interval.high],
                "on_policy": truth,
                "on_policy_interval": [own.low, own.high],
                "contains_on_policy": truth in estimate.interval,
                "effective_sample_size": estimate.diagnostics.effective_sample_size,
                "mean_weight": estimate.diagnostics.mean_weight,
                "verdict": estimate.verdict,
                "reasons": list(estimate.reasons),
                "rows_needed": estimate.rows_needed,
                "propensities_believable": check_propensities(inverse_sums(logs[source])).believable,
            }
        )
    return rows


def _shown_shares(name: str, batches: list[LoggedBatch]) -> TablePolicy:
    """What a policy did on its own log, by position; neither of these two looks at the context."""
    actions = batches[-1].action_names
    num_positions = 1 + max(int(batch.positions.max()) for batch in batches)
    counts = np.zeros((len(actions), num_positions))
    for batch in batches:
        np.add.at(counts, (batch.actions, batch.positions), 1.0)
    if name == "random":
        counts[:] = 1.0
    shares = counts / counts.sum(axis=0)
    return TablePolicy(
        name, {action: tuple(map(float, row)) for action, row in zip(actions, shares, strict=True)}
    )


def _sums(batches: list[LoggedBatch], policy: Policy) -> Moments:
    total = no_rows()
    for batch in batches:
        total = add(total, accumulate(weighted_rows(batch, policy)))
    return total
