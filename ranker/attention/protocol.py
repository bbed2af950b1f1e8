"""What every click model answers about sessions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ranker.attention.click_log import Sessions

    Floats: TypeAlias = NDArray[np.float64]
    Ints: TypeAlias = NDArray[np.int64]


class ClickModel(Protocol):
    """A fitted model of which items of a slate are looked at and clicked."""

    @property
    def name(self) -> str:
        """Returns the word the command line uses."""
        ...

    def examination(self, items: Ints) -> Floats:
        """Returns (s, k): P(position j is looked at), before any click is known."""
        ...

    def click_probabilities(self, items: Ints) -> Floats:
        """Returns (s, k): P(click at j), before any click is known; 0 where no item is shown."""
        ...

    def conditional_click_probabilities(self, sessions: Sessions) -> Floats:
        """Returns (s, k): P(click at j | the session's clicks above j); 0 where no item is shown."""
        ...
