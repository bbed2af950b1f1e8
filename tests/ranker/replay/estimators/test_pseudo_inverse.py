"""The closed form against the pseudo-inverse of the whole matrix."""

import numpy as np
import pytest

from ranker.replay.estimators.pseudo_inverse import mixture_weights
from ranker.replay.estimators.slate import pseudo_inverse_weights
from ranker.replay.marginals import pair_marginals, position_marginals


@pytest.mark.parametrize(("n", "k"), [(5, 3), (4, 4), (6, 1), (2, 2)])
@pytest.mark.parametrize("ratio", [0.02, 0.6, 0.0])
def test_weights_are_those_of_the_dense_pseudo_inverse(n: int, k: int, ratio: float) -> None:
    rng = np.random.default_rng([n, k])
    for _ in range(5):
        slates = np.array([[rng.permutation(n)[:k] for _ in range(2)]])
        # A slate without probability stands where a mixture has fewer; it must not count.
        slates = np.concatenate((slates, np.zeros((1, 1, k), np.int64)), axis=1)
        shares = np.append(rng.dirichlet(np.ones(2)), 0.0)[None]
        other = position_marginals(np.array([rng.permutation(n)[:k]]), np.ones(1), n, 0.3)
        shown = rng.permutation(n)[:k] if ratio > 0 else slates[0, 1]
        found = mixture_weights((slates, shares), np.array([ratio]), other[None], shown[None])
        pairs = pair_marginals(slates[0, :2], shares[0, :2], n, ratio)
        expected = pseudo_inverse_weights(shown[None], pairs, other.T)
        np.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-9)


def test_the_policy_that_logged_weighs_one() -> None:
    slates, shares = np.array([[[0, 1], [2, 1]]]), np.array([[0.75, 0.25]])
    target = position_marginals(slates, shares, 4, np.array([0.1]))
    for shown in ([0, 1], [3, 2]):
        found = mixture_weights((slates, shares), np.array([0.1]), target, np.array([shown]))
        np.testing.assert_allclose(found, 1.0, atol=1e-12)
