"""The pseudo-inverse estimator's weights where slates were logged from explored mixtures: in closed form.

With 1ₛ `(k·n,)` for what a slate shows where, q = E_π 1ₛ and Γ = E_π₀ 1ₛ1ₛᵀ, the weight of a slate is
qᵀΓ⁺1ₛ (Swaminathan et al., 2017; `slate.pseudo_inverse_weights` for any Γ). Here Γ = ε·U + (1−ε)·Σₛ pₛ·1ₛ1ₛᵀ
with U of uniform slates, whose pseudo-inverse has three eigenvalues: on u and v whose positions sum to 1,

    uᵀU⁺v = 1 + (n−1)·(ρ − σ/k) + n(n−1)/(n−k)·(σ/k − k/n),    ρ = Σᵢⱼ uᵢⱼvᵢⱼ,  σ = Σᵢ (Σⱼ uᵢⱼ)(Σⱼ vᵢⱼ),

the last term 0 where n = k. The few slates of the mixture are an update of low rank (Woodbury, 1950).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats: TypeAlias = NDArray[np.float64]
    Integers: TypeAlias = NDArray[np.int64]


def mixture_weights(
    mixture: tuple[Integers, Floats], exploration_ratios: Floats, target: Floats, shown: Integers
) -> Floats:
    """Return qᵀΓ⁺1ₛ of each request, `(B,)`.

    The logging mixture has slates `(B, m, k)` with probabilities `(B, m)` and explores with ε `(B,)`;
    `target` `(B, n, k)` is P(candidate at position) under the target; `shown` `(B, k)` was logged. Without
    exploration Γ has the rank of the mixture, and what the target shows outside of it does not count.
    """
    slates, probabilities = mixture
    found = np.empty(len(shown))
    explored = exploration_ratios > 0
    for rows, weigh in ((explored, _explored), (~explored, _unexplored)):
        if rows.any():
            given = slates[rows], probabilities[rows]
            found[rows] = weigh(given, exploration_ratios[rows], target[rows], shown[rows])
    return found


def _explored(mixture: tuple[Integers, Floats], ratios: Floats, target: Floats, shown: Integers) -> Floats:
    """(1/ε)·[⟨q, s⟩ − ⟨q, V⟩D(I + ⟨V, V⟩D)⁻¹⟨V, s⟩], ⟨u, v⟩ = uᵀU⁺v, D = diag(p)·(1−ε)/ε."""
    slates, probabilities = mixture
    n, k = target.shape[1:]

    def inner(products: tuple[Floats, Floats]) -> Floats:
        same_place, same_item = products
        total: Floats = 1 + (n - 1) * (same_place - same_item / k)
        return total if n == k else total + n * (n - 1) / (n - k) * (same_item / k - k / n)

    one = shown[:, None, :]
    size = probabilities * ((1 - ratios) / ratios)[:, None]
    among = inner(_products(slates, slates))
    system = np.eye(slates.shape[1]) + among * size[:, None, :]
    solved = np.linalg.solve(system, inner(_products(slates, one)))[:, :, 0]
    reached = (inner(_expected(target, slates)) * size * solved).sum(axis=1)
    found: Floats = (inner(_expected(target, one))[:, 0] - reached) / ratios
    return found


def _unexplored(mixture: tuple[Integers, Floats], _: Floats, target: Floats, shown: Integers) -> Floats:
    """qᵀW(WᵀW)⁺²Wᵀ1ₛ for Γ = WWᵀ, W = V·√diag(p)."""
    slates, probabilities = mixture
    root = np.sqrt(probabilities)
    gram = _products(slates, slates)[0] * root[:, :, None] * root[:, None, :]
    inverse = np.linalg.pinv(gram, rcond=1e-10, hermitian=True)
    logged = (_products(slates, shown[:, None, :])[0][:, :, 0] * root)[:, :, None]
    wanted = (_expected(target, slates)[0] * root)[:, None, :]
    found: Floats = (wanted @ inverse @ inverse @ logged)[:, 0, 0]
    return found


def _products(left: Integers, right: Integers) -> tuple[Floats, Floats]:
    """Returns ρ and σ of slates `(B, l, k)` and `(B, r, k)`, each `(B, l, r)`."""
    same = left[:, :, None, :, None] == right[:, None, :, None, :]
    return (
        np.einsum("blrjj->blr", same.astype(np.float64)),
        same.sum(axis=(3, 4)).astype(np.float64),
    )


def _expected(target: Floats, slates: Integers) -> tuple[Floats, Floats]:
    """Returns ρ and σ of q `(B, n, k)` and slates `(B, r, k)`, each `(B, r)`."""
    anywhere = np.broadcast_to(target.sum(axis=2)[:, :, None], target.shape)
    there, somewhere = (np.take_along_axis(each, slates, axis=1).sum(axis=2) for each in (target, anywhere))
    return there, somewhere
