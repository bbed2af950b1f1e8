"""The names of the methods: apart, so that the command line knows them without the numerics."""

from __future__ import annotations

from enum import StrEnum


class Method(StrEnum):
    """How attention is estimated."""

    PBM = "pbm"  # position-based model, maximum likelihood
    HARVEST = "harvest"  # intervention harvesting, all pairs of positions
    CHAIN = "chain"  # intervention harvesting, adjacent positions only
    RANDOMISED = "randomised"  # click rates of shuffled slates
    CASCADE = "cascade"
    SDBN = "sdbn"  # simplified dynamic Bayesian network
    DBN = "dbn"  # dynamic Bayesian network
