"""The loops of the models whose user reads from the top: one pass over the positions of each session.

α = attractiveness, s = satisfaction, λ = perseverance. A user at position j clicks with α, is then satisfied
with s and leaves, and otherwise goes on to j + 1 with λ.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from ranker.attention.kernel import kernel

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats: TypeAlias = NDArray[np.float64]
    Ints: TypeAlias = NDArray[np.int64]
    Bools: TypeAlias = NDArray[np.bool_]
    Data: TypeAlias = tuple[Ints, Bools, Floats]
    Parameters: TypeAlias = tuple[Floats, Floats, float]


@kernel
def expectations(data: Data, parameters: Parameters, tally: Floats, went_on: Floats) -> float:
    """Adds the expected counts of one EM step to the tallies; returns the log-likelihood.

    Data are items (s, k), clicks (s, k) and session weights (s,). `tally` (num_items, 4) holds clicked and
    looked at, satisfied and clicked; `went_on` (2,) how often users went on, and could have.
    """
    items, clicks, weights = data
    silent = np.ones(items.shape[1] + 1)
    total = 0.0
    for s in range(len(items)):
        if weights[s] == 0.0:
            continue
        size = items.shape[1]
        while items[s, size - 1] < 0:
            size -= 1
        last = size - 1
        while last >= 0 and not clicks[s, last]:
            last -= 1
        shown = items[s, :size]
        above = _above(shown[: last + 1], clicks[s], weights[s], parameters, (tally, went_on))
        below = _below(shown, last, weights[s], parameters, (silent, tally, went_on))
        total += weights[s] * (above + below)
    return total


@kernel
def _above(
    shown: Ints, clicks: Bools, weight: float, parameters: Parameters, tallies: tuple[Floats, Floats]
) -> float:
    """Counts the items down to the last click, all of which were looked at; returns log P of their clicks."""
    alpha, satisfaction, perseverance = parameters
    tally, went_on = tallies
    log_probability = 0.0
    for j in range(len(shown)):
        i = shown[j]
        tally[i, 1] += weight
        if clicks[j]:
            tally[i, 0] += weight
            log_probability += np.log(alpha[i])
        else:
            log_probability += np.log(1.0 - alpha[i])
        if j < len(shown) - 1:
            went_on += weight
            log_probability += np.log(perseverance)
            if clicks[j]:
                tally[i, 3] += weight
                log_probability += np.log(1.0 - satisfaction[i])
    return log_probability


@kernel
def _below(
    shown: Ints, last: int, weight: float, parameters: Parameters, tallies: tuple[Floats, Floats, Floats]
) -> float:
    """Counts the last click's satisfaction and what lies below it; returns log P(no click there).

    b_j = P(no click from j on | j looked at) = (1 − α_j)·(1 − λ + λ·b_{j+1}); the user who has left j goes
    on to j + 1 with λ·b_{j+1} / (1 − λ + λ·b_{j+1}), given that there is no click.
    """
    alpha, satisfaction, perseverance = parameters
    silent, tally, went_on = tallies
    size = len(shown)
    quit_rate = 1.0 - perseverance
    for j in range(size - 1, last, -1):
        beyond = quit_rate + perseverance * silent[j + 1] if j < size - 1 else 1.0
        silent[j] = (1.0 - alpha[shown[j]]) * beyond
    if last == size - 1:  # nothing below tells whether the last click satisfied
        return 0.0
    here, probability = weight, silent[0]
    if last >= 0:
        i = shown[last]
        beyond = quit_rate + perseverance * silent[last + 1]
        probability = satisfaction[i] + (1.0 - satisfaction[i]) * beyond
        tally[i, 2] += weight * satisfaction[i] / probability
        tally[i, 3] += weight
        here *= (1.0 - satisfaction[i]) / probability
        went_on[1] += here * beyond
        here *= perseverance * silent[last + 1]
        went_on[0] += here
    for j in range(last + 1, size):
        tally[shown[j], 1] += here
        if j < size - 1:
            went_on[1] += here
            beyond = quit_rate + perseverance * silent[j + 1]
            here *= perseverance * silent[j + 1] / beyond if beyond > 0.0 else 0.0
            went_on[0] += here
    return float(np.log(probability))


@kernel
def examination(items: Ints, parameters: Parameters, result: Floats) -> None:
    """Fills result (s, k) with e_{j+1} = e_j·λ·(1 − α_j·s_j), e_0 = 1."""
    alpha, satisfaction, perseverance = parameters
    for s in range(len(items)):
        here = 1.0
        for j in range(items.shape[1]):
            if items[s, j] < 0:
                break
            result[s, j] = here
            here *= perseverance * (1.0 - alpha[items[s, j]] * satisfaction[items[s, j]])


@kernel
def conditional_clicks(items: Ints, clicks: Bools, parameters: Parameters, result: Floats) -> None:
    """Fills result (s, k) with P(click | clicks above): α_j times the belief that the user is still there."""
    alpha, satisfaction, perseverance = parameters
    for s in range(len(items)):
        here = 1.0
        for j in range(items.shape[1]):
            i = items[s, j]
            if i < 0:
                break
            result[s, j] = here * alpha[i]
            if clicks[s, j]:
                here = perseverance * (1.0 - satisfaction[i])
            else:
                rest = 1.0 - here * alpha[i]
                here = perseverance * here * (1.0 - alpha[i]) / rest if rest > 0.0 else 0.0
