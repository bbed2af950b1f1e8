"""Policies of many requests: each row is what one request's policy says."""

from __future__ import annotations

import numpy as np
import pytest

from ranker.exploration import ExploredMixture
from ranker.explored_mixtures import ExploredMixtures


def test_draws_and_propensities_by_hand() -> None:
    slates = np.array([[[0, 1], [2, 1]], [[1, 0], [0, 0]]])  # the second has one slate only
    many = ExploredMixtures(
        slates, np.array([[0.75, 0.25], [1.0, 0.0]]), np.array([2, 1]), 3, np.array([0.0, 0.6])
    )
    drawn = many.draw(np.array([0.75, 0.9999]))
    assert drawn.tolist() == [[2, 1], [1, 0]]
    served, marginals = many.propensities(drawn)
    # Six slates of two out of three; each of three candidates at a position.
    assert served == pytest.approx([0.25, 0.4 + 0.6 / 6])
    assert marginals.ravel() == pytest.approx([0.25, 1.0, 0.4 + 0.6 / 3, 0.4 + 0.6 / 3])


@pytest.mark.parametrize(("size", "k"), [(1, 1), (2, 4), (3, 1), (9, 5), (20, 12)])
def test_rows_are_those_of_one_policy_to_the_last_bit(size: int, k: int) -> None:
    rng = np.random.default_rng(size)
    n, num = k + 3, 40
    slates = rng.permuted(np.tile(np.arange(n), (num, size, 1)), axis=2)[..., :k]
    slates[::3, -1] = slates[::3, 0]  # the same slate twice
    sizes = rng.integers(1, size + 1, num)
    probabilities = rng.random((num, size)) * (np.arange(size) < sizes[:, None])
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    ratios, uniforms = rng.uniform(0, 0.9, num), rng.random(num)
    many = ExploredMixtures(slates, probabilities, sizes, n, ratios)
    drawn = many.draw(uniforms)
    served, marginals = many.propensities(drawn)
    for b in range(num):
        one = ExploredMixture(slates[b, : sizes[b]], probabilities[b, : sizes[b]], n, float(ratios[b]))
        assert drawn[b].tolist() == one.draw(Drawn(1.0, float(uniforms[b]))).tolist()
        chance, standing = one.propensities(drawn[b])
        assert served[b] == chance
        assert marginals[b].tolist() == standing.tolist()


class Drawn:
    """A stream whose first numbers are known."""

    def __init__(self, *numbers: float) -> None:
        self.numbers = np.array(numbers)

    def random(self, _size: int) -> np.ndarray:
        return self.numbers
