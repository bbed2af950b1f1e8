"""One log that several policies wrote: each snapshot of a learning service is a logging policy."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from ranker.errors import InvalidInputError
from ranker.replay.estimators.rows import check_column, check_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats: TypeAlias = NDArray[np.float64]
    Integers: TypeAlias = NDArray[np.int64]


def balanced_weights(target: Floats, loggers: Floats, counts: Floats) -> Floats:
    """Return π(aᵢ|xᵢ) / Σⱼ (nⱼ/n)·πⱼ(aᵢ|xᵢ), `(n,)`: the log as if one mixture of all loggers had written it.

    `target` `(n,)`, `loggers` `(n, L)` what each logger would have done at every row, `counts` `(L,)` rows of
    each. Never larger than the weights of the worst logger, and finite where any logger covers the target.
    Source: Agarwal, Basu, Schnabel and Joachims (2017), "Effective evaluation using logged bandit feedback
    from multiple loggers".
    """
    if loggers.ndim != 2 or counts.shape != loggers.shape[1:]:
        raise InvalidInputError(
            "loggers.shape", loggers.shape, f"must be (n, L) with counts of {counts.shape}"
        )
    check_column("target", target, loggers.shape[:1])
    check_column("loggers", loggers, loggers.shape)
    if (counts < 0).any() or counts.sum() == 0:
        raise InvalidInputError("counts", counts.tolist(), "must be ≥ 0, and some rows there must be")
    mixture = loggers @ (counts / counts.sum())
    if (mixture <= 0).any():
        i = int(np.argmax(mixture <= 0))
        raise InvalidInputError(f"loggers[{i}]", loggers[i].tolist(), "no logger could have written this row")
    weights: Floats = target / mixture
    return weights


def weighted_multipliers(terms: Floats, loggers: Integers) -> Floats:
    """Return n / (σ²ⱼ·Σₗ nₗ/σ²ₗ) for the logger j of each row, `(n,)`: the loggers' estimates by precision.

    `terms` `(n,)` are those whose mean estimates the value, such as wᵢrᵢ or `dr_terms`; their mean times the
    multipliers is the combination of unbiased estimates of least variance.
    Source: Agarwal, Basu, Schnabel and Joachims (2017).
    """
    check_column("terms", terms, terms.shape)
    if loggers.shape != terms.shape:
        raise InvalidInputError("loggers.shape", loggers.shape, f"must be one a row: {terms.shape}")
    present, codes, counts = np.unique(loggers, return_inverse=True, return_counts=True)
    means = np.bincount(codes, terms) / counts
    variances = np.bincount(codes, (terms - means[codes]) ** 2) / counts
    if (variances == 0).any():
        j = int(present[np.argmin(variances)])
        raise InvalidInputError(f"loggers[{j}]", 0.0, "its terms do not vary: they tell no variance")
    multipliers: Floats = (terms.size / (variances * np.sum(counts / variances)))[codes]
    return multipliers


def weighted_ips(rewards: Floats, weights: Floats, loggers: Integers) -> float:
    """Estimate the value by `ips` within each logger's rows, combined by precision."""
    check_rows(rewards, weights)
    terms = weights * rewards
    return float(np.mean(terms * weighted_multipliers(terms, loggers)))
