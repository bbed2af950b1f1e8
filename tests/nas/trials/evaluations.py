"""Evaluations that worker processes import by name."""

from __future__ import annotations

import time

from nas.space import Architecture
from nas.trial import Trial


def worth(architecture: Architecture) -> Trial:
    return Trial(architecture, float(sum(architecture)))


def slow_worth(architecture: Architecture) -> Trial:
    time.sleep(0.15)
    return worth(architecture)


def broken(architecture: Architecture) -> Trial:
    raise ZeroDivisionError(architecture)
