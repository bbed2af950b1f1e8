"""Importance weights of what an action consists of instead of the action itself (MIPS).

A creative is a composition of elements, and there are far more compositions than elements. Where the reward
depends on the action only through its embedding e, the weight of e is enough and varies less.
Source: Saito and Joachims (2022), "Off-policy evaluation for large action spaces via embeddings".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from ranker.errors import InvalidInputError
from ranker.replay.estimators.rows import check_column

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats: TypeAlias = NDArray[np.float64]
    Integers: TypeAlias = NDArray[np.int64]


def embedding_codes(elements: Integers, slots: tuple[int, ...]) -> Integers:
    """Return a code an action, `(A,)`: equal where the compositions `(A, S)` agree in these slots.

    Fewer slots mean smaller weights and more bias: `slope` chooses among nested sets of them.
    """
    if elements.ndim != 2 or any(not 0 <= s < elements.shape[1] for s in slots):
        raise InvalidInputError("slots", slots, f"must name slots of {elements.shape}")
    if not slots:
        return np.zeros(len(elements), dtype=np.int64)
    _, codes = np.unique(elements[:, list(slots)], axis=0, return_inverse=True)
    return codes.reshape(-1).astype(np.int64)


def embedding_weights(target: Floats, logging: Floats, codes: Integers, actions: Integers) -> Floats:
    """Return Σ π(a|xᵢ) / Σ π₀(a|xᵢ) over the actions a of the same embedding as aᵢ, `(n,)`.

    `target` and `logging` `(n, A)` are distributions over all actions, `codes` `(A,)` their embeddings,
    `actions` `(n,)` what was logged.
    """
    if target.shape != logging.shape or target.ndim != 2:
        raise InvalidInputError("target.shape", target.shape, f"must be (n, A), as logging: {logging.shape}")
    check_column("target", target, target.shape)
    check_column("logging", logging, target.shape)
    if codes.shape != target.shape[1:] or actions.shape != target.shape[:1]:
        raise InvalidInputError("codes.shape", codes.shape, f"must be one an action of {target.shape}")
    members = (codes == np.arange(int(codes.max()) + 1)[:, None]).astype(float).T  # (A, E)
    rows, shown = np.arange(len(actions)), codes[actions]
    below = (logging @ members)[rows, shown]
    if (below <= 0).any():
        i = int(np.argmax(below <= 0))
        raise InvalidInputError(f"logging[{i}]", 0.0, "gives what was logged no chance")
    weights: Floats = (target @ members)[rows, shown] / below
    return weights


def mean_weight_by_embedding(weights: Floats, shown: Integers) -> Floats:
    """Return E[w | e] as the mean over the rows of the same embedding `shown` `(n,)`, `(n,)`.

    For logs that carry only the propensity of what was shown; leaves the context out.
    """
    check_column("weights", weights, shown.shape)
    _, codes, counts = np.unique(shown, return_inverse=True, return_counts=True)
    means: Floats = (np.bincount(codes, weights) / counts)[codes]
    return means
