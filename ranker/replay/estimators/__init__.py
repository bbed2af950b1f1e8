"""Estimates of a target policy's value from rows that a logging policy wrote: pure functions."""

from ranker.replay.estimators.doubly_robust import (
    direct_method,
    dr,
    dr_terms,
    dros,
    mrdr_sample_weights,
    optimistically_shrunk,
    sndr,
    sub_gaussian_dr,
    switch_dr,
    switched,
)
from ranker.replay.estimators.rows import check_rows
from ranker.replay.estimators.weighting import (
    clipped,
    clipped_ips,
    ips,
    snips,
    sub_gaussian,
    sub_gaussian_ips,
)

__all__ = [
    "check_rows",
    "clipped",
    "clipped_ips",
    "direct_method",
    "dr",
    "dr_terms",
    "dros",
    "ips",
    "mrdr_sample_weights",
    "optimistically_shrunk",
    "sndr",
    "snips",
    "sub_gaussian",
    "sub_gaussian_dr",
    "sub_gaussian_ips",
    "switch_dr",
    "switched",
]
