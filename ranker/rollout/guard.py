"""When an arm has left its bounds."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from ranker.rollout.plan import Bounds

# Scorings of an arm that are remembered, and how many make a judgement.
WINDOW = 200
MIN_SCORINGS = 50
# Clicks of the control, and clicks of the arm if it were calibrated like it, that make a judgement.
MIN_CLICKS = 20.0
# Standard errors beyond the bound: the data are looked at again and again.
NUM_ERRORS = 4.0


@dataclass(slots=True)
class ArmRecord:
    """What is known of an arm: clicks that came and were expected (Σ ctr·attention), and scoring times."""

    observed: float = 0.0
    expected: float = 0.0
    score_seconds: deque[float] = field(default_factory=lambda: deque(maxlen=WINDOW))

    @property
    def calibration(self) -> float:
        """Clicks per expected click."""
        return self.observed / self.expected if self.expected else math.nan


def calibration_leaves(bounds: Bounds, arm: ArmRecord, control: ArmRecord) -> bool:
    """Says whether an arm's calibration differs from the control's by more than the bound, beyond chance.

    R = (O/E)/(O₀/E₀), with a variance of log R of 1/O + 1/O₀ for Poisson counts. Taking the control for the
    measure leaves out what both arms share: the attention curve, and clicks that are still on their way.
    """
    if control.observed < MIN_CLICKS or arm.expected * control.calibration < MIN_CLICKS:
        return False
    observed = arm.observed + 0.5  # an arm without a click has a logarithm too
    log_ratio = math.log(observed / arm.expected / control.calibration)
    error = math.sqrt(1.0 / observed + 1.0 / control.observed)
    return abs(log_ratio) - NUM_ERRORS * error > math.log(bounds.max_calibration_ratio)


def latency_leaves(bounds: Bounds, arm: ArmRecord) -> bool:
    """Says whether more than one in ten of the latest scorings took longer than the bound."""
    if len(arm.score_seconds) < MIN_SCORINGS:
        return False
    return float(np.quantile(np.array(arm.score_seconds), 0.9)) > bounds.max_score_seconds
