"""A trained CTR model in numpy: the reference that an exported network must equal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from scipy.special import expit

from ranker.scoring.rows import assemble_rows

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ranker.scoring.calibration import Calibration
    from ranker.scoring.design import Design
    from ranker.scoring.fm import FactorizationMachine
    from ranker.scoring.schema import FeatureSchema


@dataclass(frozen=True)
class CtrModel:
    """ctr = σ(calibration(z(design(row))))."""

    design: Design
    machine: FactorizationMachine
    calibration: Calibration

    def raw_logits(self, numeric: NDArray[np.float32], categorical: NDArray[np.int64]) -> NDArray[np.float64]:
        """Returns z (n,) before calibration."""
        return self.machine.logits(self.design.features(numeric, categorical))

    def predict(self, numeric: NDArray[np.float32], categorical: NDArray[np.int64]) -> NDArray[np.float64]:
        """Returns the ctr (n,) of rows (n, d) and (n, c)."""
        ctr: NDArray[np.float64] = expit(self.calibration.apply(self.raw_logits(numeric, categorical)))
        return ctr


@dataclass(frozen=True)
class NumpyScorer:
    """A `Scorer` without any runtime but numpy and scipy."""

    version: str
    schema: FeatureSchema
    model: CtrModel

    def score(
        self,
        context_numeric: NDArray[np.float32],
        context_categorical: NDArray[np.int64],
        numeric: NDArray[np.float32],
        categorical: NDArray[np.int64],
    ) -> NDArray[np.float64]:
        """Returns the ctr (n,) of n candidates; see `Scorer.score`."""
        rows = assemble_rows(self.schema, context_numeric, context_categorical, numeric, categorical)
        return self.model.predict(*rows)

    def warm_up(self) -> None:
        """Does nothing: a first call costs what any call does."""
