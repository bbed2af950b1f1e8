"""Who comes when: sessions of users by the hours of the day."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ranker.simulation.parameters import WorldParameters
    from ranker.simulation.scenario import Traffic
    from ranker.simulation.streams import Streams

    Floats: TypeAlias = NDArray[np.float64]
    Ints: TypeAlias = NDArray[np.int64]

DAY_SECONDS = 86_400.0
HOUR_SECONDS = 3_600.0


@dataclass(frozen=True, slots=True, eq=False)
class Visits:
    """The requests of a batch in order of time, all `(B,)`; a batch lies within one day."""

    day: int
    number: NDArray[np.uint64]  # names the request, and its random streams
    seconds: Floats  # since the start of the run
    user: Ints
    segment: Ints
    depth: Ints  # requests of the same session before this one

    def __len__(self) -> int:
        return len(self.number)

    @property
    def hour(self) -> Ints:
        """Returns the hour of the day `(B,)`."""
        hours: Ints = (self.seconds % DAY_SECONDS // HOUR_SECONDS).astype(np.int64)
        return hours


class Arrivals(Protocol):
    """Decides who comes."""

    def batch(self, index: int) -> Visits:
        """Returns the visits of a batch; the same index gives the same visits."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class SessionArrivals:
    """Sessions start by the season's hours; each has a geometric number of requests, moments apart."""

    streams: Streams
    traffic: Traffic
    hour_edges: Floats  # (25,), share of a day's sessions that start before each hour
    user_segment: Ints  # (users,)

    @staticmethod
    def of(streams: Streams, traffic: Traffic, parameters: WorldParameters) -> SessionArrivals:
        """Returns the arrivals of fitted segments and hours; a user stays in one segment."""
        u = streams.uniforms("user segment", np.arange(traffic.users, dtype=np.uint64), 1)[:, 0]
        ends = np.cumsum(parameters.segments.shares)[:-1]
        edges = np.concatenate([[0.0], np.cumsum(parameters.season.volume)])
        return SessionArrivals(
            streams, traffic, edges / edges[-1], np.searchsorted(ends, u, side="right").astype(np.int64)
        )

    def batch(self, index: int) -> Visits:
        """Returns the visits of a batch; the same index gives the same visits."""
        traffic = self.traffic
        first = index * traffic.batch_sessions
        sessions = np.arange(first, first + traffic.batch_sessions, dtype=np.uint64)
        u = self.streams.uniforms("session", sessions, 3)
        day = first // traffic.sessions_per_day
        place = (
            first % traffic.sessions_per_day + np.arange(len(sessions)) + u[:, 0]
        ) / traffic.sessions_per_day
        start = np.interp(place, self.hour_edges, HOUR_SECONDS * np.arange(25.0))
        user = (u[:, 1] * traffic.users).astype(np.int64)
        length = self._length(u[:, 2])
        row = np.repeat(np.arange(len(sessions)), length)
        depth = np.arange(len(row)) - np.repeat(np.cumsum(length) - length, length)
        number = sessions[row] * np.uint64(traffic.max_depth) + depth.astype(np.uint64)
        gap = -traffic.gap_seconds * np.log1p(-self.streams.uniforms("gap", number, 1)[:, 0])
        waited = np.cumsum(np.where(depth > 0, gap, 0.0))
        waited -= waited[np.cumsum(length) - length][row]
        # Within its day: a batch must not look beyond it.
        seconds = day * DAY_SECONDS + np.minimum(start[row] + waited, DAY_SECONDS - 1e-3)
        order = np.argsort(seconds, kind="stable")
        return Visits(
            int(day), number[order], seconds[order], user[row[order]],
            self.user_segment[user[row[order]]], depth[order],
        )  # fmt: skip

    def _length(self, u: Floats) -> Ints:
        """Returns geometric lengths: P(more than m) = continues^m, cut at `max_depth`."""
        if self.traffic.continues == 0.0:
            return np.ones(len(u), np.int64)
        more = np.log1p(-u) / np.log(self.traffic.continues)
        length: Ints = np.minimum(1 + more, self.traffic.max_depth).astype(np.int64)
        return length
