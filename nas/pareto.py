"""Trade-offs between quality and latency: fronts, their ranks and their hypervolume."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    from nas.space import FloatArray


def front(quality: FloatArray, latency: FloatArray) -> npt.NDArray[np.intp]:
    """Finds the points that no other one beats: at least as good and as fast, and better in one.

    Of equal points the first stays. Both inputs (n,), quality the higher and latency the lower the better.
    Returns indices by rising latency, and therefore by rising quality.
    """
    order = np.lexsort((-quality, latency))
    best = np.maximum.accumulate(quality[order])
    kept = np.concatenate([[True], best[1:] > best[:-1]])[: len(order)]
    chosen: npt.NDArray[np.intp] = order[kept]
    return chosen


def ranks(quality: FloatArray, latency: FloatArray) -> npt.NDArray[np.intp]:
    """Numbers fronts from 0: what is left when the fronts before are taken away, (n,).

    Source: Deb et al. 2002, A fast and elitist multiobjective genetic algorithm: NSGA-II, section III-A.
    """
    worse = (quality[None] >= quality[:, None]) & (latency[None] <= latency[:, None])
    worse &= (quality[None] > quality[:, None]) | (latency[None] < latency[:, None])
    rank = np.full(len(quality), -1, np.intp)
    level = 0
    while (rank < 0).any():
        open_points = rank < 0
        rank[open_points & ~(worse & open_points[None]).any(axis=1)] = level
        level += 1
    return rank


def crowding(quality: FloatArray, latency: FloatArray) -> FloatArray:
    """Measures how much room points of one front have, (n,): the sides of the box between their neighbours.

    Ends have infinite room. Source: Deb et al. 2002, section III-B.
    """
    room = np.zeros(len(quality))
    for values in (quality, latency):
        order = np.argsort(values, kind="stable")
        spread = values[order[-1]] - values[order[0]]
        room[order[[0, -1]]] = np.inf
        if spread > 0.0:
            room[order[1:-1]] += (values[order[2:]] - values[order[:-2]]) / spread
    return room


def hypervolume(quality: FloatArray, latency: FloatArray, worst: tuple[float, float]) -> float:
    """Measures the area that a set of points (n,), (n,) beats, down to a worst (quality, latency).

    Points beyond the worst add nothing. Source: Zitzler and Thiele 1998, Multiobjective optimization using
    evolutionary algorithms.
    """
    inside = (quality > worst[0]) & (latency < worst[1])
    if not inside.any():
        return 0.0
    quality, latency = quality[inside], latency[inside]
    chosen = front(quality, latency)
    heights = np.diff(quality[chosen], prepend=worst[0])
    return float(np.sum(heights * (worst[1] - latency[chosen])))
