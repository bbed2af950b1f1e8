"""Platt scaling, drawn towards leaving a model as it is where clicks are few."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import minimize

from ranker.scoring.fm import log_loss, slopes

if TYPE_CHECKING:
    from numpy.typing import NDArray

PRIOR_DEVIATION = 0.3


@dataclass(frozen=True)
class Calibration:
    """ctr = σ(scale · z + shift)."""

    scale: float = 1.0
    shift: float = 0.0

    def apply(self, logits: NDArray[np.float64]) -> NDArray[np.float64]:
        """Returns the calibrated logits (n,)."""
        return self.scale * logits + self.shift


def fit_calibration(
    logits: NDArray[np.float64],
    clicks: NDArray[np.float64],
    prior_deviation: float = PRIOR_DEVIATION,
    shares: NDArray[np.float64] | None = None,
) -> Calibration:
    """Minimises Σ log loss of a (z − z̄) + z̄ + b over a ≥ 0 and b, plus ½ [(a − 1)² + b²] / prior_deviation².

    Platt, "Probabilistic Outputs for Support Vector Machines" (1999), with a Gaussian prior around the
    identity in place of his smoothed targets: a validation part of eight clicks would move the base rate by a
    third, and fix no slope at all. Centred at the mean logit z̄, slope and shift are nearly independent. A
    thousand clicks overrule the prior. `shares` are those of `log_loss`.
    """
    centre = float(logits.mean())
    centred = logits - centre
    precision = prior_deviation**-2

    def objective(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        slope, shift = parameters
        calibrated = slope * centred + centre + shift
        residuals = slopes(calibrated, clicks, shares)
        loss = log_loss(calibrated, clicks, shares).sum() + 0.5 * precision * ((slope - 1.0) ** 2 + shift**2)
        gradient = [residuals @ centred + precision * (slope - 1.0), residuals.sum() + precision * shift]
        return float(loss), np.array(gradient)

    # A negative slope would turn the ranking round.
    result = minimize(
        objective,
        np.array([1.0, 0.0]),
        jac=True,
        method="L-BFGS-B",
        bounds=[(0.0, None), (None, None)],
        options={"gtol": 1e-9, "ftol": 1e-15},
    )
    slope, shift = (float(value) for value in result.x)
    return Calibration(scale=slope, shift=centre + shift - slope * centre)
