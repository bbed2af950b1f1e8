"""What the ranker asks of a CTR model, whatever computes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ranker.scoring.schema import FeatureSchema


class Scorer(Protocol):
    """A CTR model: P(click given looked at) of every candidate of a request."""

    @property
    def version(self) -> str:
        """Names the model's content: equal versions give equal scores."""

    @property
    def schema(self) -> FeatureSchema:
        """The columns that `score` takes, in order."""

    def score(
        self,
        context_numeric: NDArray[np.float32],
        context_categorical: NDArray[np.int64],
        numeric: NDArray[np.float32],
        categorical: NDArray[np.int64],
    ) -> NDArray[np.float64]:
        """Returns the ctr (n,) of n candidates.

        Takes the context's columns (dc,) and (cc,) and the candidates' (n, d) and (n, c) in schema order.
        Raises InvalidInputError for a wrong shape, a number that is not finite or an id out of range.
        """

    def warm_up(self) -> None:
        """Pays the costs of a first call before the first request."""
