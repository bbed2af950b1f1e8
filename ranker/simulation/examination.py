"""How users look at a slate and click: position-based, cascade, dynamic Bayesian network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats: TypeAlias = NDArray[np.float64]
    Bools: TypeAlias = NDArray[np.bool_]

# Uniforms that one position takes: for the look, the click, what follows the click.
DRAWS = 3


class Examination(Protocol):
    """Decides what is looked at and clicked."""

    def clicks(self, ctr: Floats, uniforms: Floats) -> tuple[Bools, Bools]:
        """Returns (looked at, clicked), both `(B, k)`, of ctr `(B, k)` and uniforms `(B, 3k)`."""
        ...

    def click_chances(self, ctr: Floats) -> Floats:
        """Returns P(click at each position) `(B, k)`."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class PositionBased:
    """Looks at position j with chance aⱼ, whatever stands elsewhere: P(click) = aⱼ·ctr."""

    attention: Floats  # (k,)

    def clicks(self, ctr: Floats, uniforms: Floats) -> tuple[Bools, Bools]:
        """Returns (looked at, clicked), both `(B, k)`."""
        look, click, _ = _thirds(uniforms)
        looked = look < self.attention
        return looked, looked & (click < ctr)

    def click_chances(self, ctr: Floats) -> Floats:
        """Returns P(click at each position) `(B, k)`."""
        return ctr * self.attention


@dataclass(frozen=True, slots=True)
class Chain:
    """Reads from the top; after a click leaves with chance s, else goes on with chance λ.

    The cascade of Craswell et al. (2008) has s = λ = 1; the DBN of Chapelle and Zhang (2009) any other.
    """

    satisfaction: float
    perseverance: float

    def clicks(self, ctr: Floats, uniforms: Floats) -> tuple[Bools, Bools]:
        """Returns (looked at, clicked), both `(B, k)`."""
        go_on, click, satisfied = _thirds(uniforms)
        looked = np.zeros(ctr.shape, np.bool_)
        clicked = np.zeros(ctr.shape, np.bool_)
        reading = np.ones(len(ctr), np.bool_)
        for j in range(ctr.shape[1]):
            looked[:, j] = reading
            clicked[:, j] = reading & (click[:, j] < ctr[:, j])
            left = clicked[:, j] & (satisfied[:, j] < self.satisfaction)
            reading = reading & ~left & (go_on[:, j] < self.perseverance)
        return looked, clicked

    def click_chances(self, ctr: Floats) -> Floats:
        """Returns P(click at each position) `(B, k)`: ctrⱼ·Π_{i<j} λ(1 − s·ctrᵢ)."""
        stays = self.perseverance * (1.0 - self.satisfaction * ctr)
        reached = np.concatenate([np.ones((len(ctr), 1)), stays[:, :-1].cumprod(axis=1)], axis=1)
        chances: Floats = ctr * reached
        return chances


def _thirds(uniforms: Floats) -> tuple[Floats, Floats, Floats]:
    k = uniforms.shape[1] // DRAWS
    return uniforms[:, :k], uniforms[:, k : 2 * k], uniforms[:, 2 * k :]
