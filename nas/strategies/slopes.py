"""What strategies by gradient need: a loss that is differentiable in the shares of operations."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias, runtime_checkable

import numpy as np

from nas.errors import SearchError

if TYPE_CHECKING:
    from nas.space import Architecture, FloatArray, SearchSpace
    from nas.trial import Trial

Shares: TypeAlias = "tuple[FloatArray, ...]"
"""For every block the share of each operation."""


class Relaxation(Protocol):
    """A weight-sharing net whose operations are mixed by shares, as `nas.supernet.mixture` has it.

    Anything else that gives slopes will do, such as the expectation of a table's values.
    """

    def learn(self, shares: Shares) -> None:
        """Does one step on the weights, with these shares."""
        ...

    def slopes(self, shares: Shares) -> Shares:
        """Gives ∂ loss / ∂ share on data that the weights do not learn from."""
        ...


@runtime_checkable
class UnrolledRelaxation(Relaxation, Protocol):
    """A relaxation that knows how its weights answer to the shares."""

    def unrolled_slopes(self, shares: Shares, look_ahead: float) -> Shares:
        """Gives d loss / d share where the weights first do a step of size `look_ahead` under the shares."""
        ...


class LogitDescent:
    """Adam on the logits of every block (Kingma and Ba 2015), β = (0.5, 0.999) as in DARTS."""

    def __init__(self, sizes: tuple[int, ...], rate: float) -> None:
        self.logits = tuple(np.zeros(size) for size in sizes)
        self._rate = rate
        self._mean = tuple(np.zeros(size) for size in sizes)
        self._square = tuple(np.zeros(size) for size in sizes)
        self._steps = 0

    @property
    def shares(self) -> Shares:
        """The softmax of each block's logits."""
        return tuple(softmax(logits) for logits in self.logits)

    @property
    def mode(self) -> Architecture:
        """The operation of the largest logit in every block."""
        return tuple(int(logits.argmax()) for logits in self.logits)

    def step(self, slopes: Shares) -> None:
        """Moves the logits against ∂ loss / ∂ logit."""
        self._steps += 1
        for logits, mean, square, slope in zip(self.logits, self._mean, self._square, slopes, strict=True):
            mean += 0.5 * (slope - mean)
            square += 0.001 * (slope**2 - square)
            unbiased = np.sqrt(square / (1.0 - 0.999**self._steps))
            logits -= self._rate * mean / (1.0 - 0.5**self._steps) / (unbiased + 1e-12)


@dataclass(frozen=True)
class DescentSettings:
    """How long and how fast the logits are moved."""

    rate: float = 0.03
    """Step of Adam on the logits."""
    steps: int = 50
    """Steps before each architecture that is proposed."""

    def __post_init__(self) -> None:
        for name in ("rate", "steps"):
            if not getattr(self, name) > 0:
                raise SearchError(name, getattr(self, name), "must be positive")


class GradientStrategy(ABC):
    """Searches by steps on weights and logits, and proposes the operations of the largest logits.

    Trials teach nothing here, since the slopes have said it.
    """

    def __init__(
        self, space: SearchSpace, relaxation: Relaxation, settings: DescentSettings | None = None
    ) -> None:
        settings = settings or DescentSettings()
        self._space = space
        self._relaxation = relaxation
        self._num_steps = settings.steps
        self._descent = LogitDescent(space.sizes, settings.rate)

    @property
    def shares(self) -> Shares:
        """The share, or chance, of each operation."""
        return self._descent.shares

    def ask(self) -> Architecture:
        """Searches on, then proposes the operations of the largest shares."""
        for _ in range(self._num_steps):
            self._step()
        return self._descent.mode

    def tell(self, trial: Trial) -> None:
        """Checks the trial."""
        self._space.check(trial.architecture)

    @abstractmethod
    def _step(self) -> None:
        """Moves the weights, then the logits."""


class DrawingStrategy(GradientStrategy):
    """One that runs operations drawn by their chances instead of mixtures of them."""

    def __init__(
        self,
        space: SearchSpace,
        relaxation: Relaxation,
        rng: np.random.Generator,
        settings: DescentSettings | None = None,
    ) -> None:
        super().__init__(space, relaxation, settings)
        self._rng = rng

    def _gates(self, shares: FloatArray) -> FloatArray:
        """Lets one operation through, by its share: 1 for it, 0 for the others."""
        gates = np.zeros(len(shares))
        gates[self._rng.choice(len(shares), p=shares)] = 1.0
        return gates


def softmax(logits: FloatArray) -> FloatArray:
    """exp z / Σ exp z."""
    weights = np.exp(logits - logits.max())
    total: FloatArray = weights / weights.sum()
    return total


def through_softmax(shares: FloatArray, slope: FloatArray) -> FloatArray:
    """∂/∂z_i = p_i (g_i − Σ_j p_j g_j), of p = softmax(z) and g = ∂/∂p."""
    back: FloatArray = shares * (slope - shares @ slope)
    return back
