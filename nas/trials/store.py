"""Keeps the trials of a search in SQL, each leased to one worker at a time."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from enum import StrEnum
from math import isnan
from typing import TYPE_CHECKING, Any, Self

from sqlalchemy import and_, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from nas.errors import SearchError
from nas.trial import Trial
from nas.trials.tables import SEARCHES, TRIALS, connect

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sqlalchemy import ColumnElement

    from nas.space import Architecture


class State(StrEnum):
    """Where a trial is."""

    WAITING = "waiting"
    LEASED = "leased"
    FINISHED = "finished"
    FAILED = "failed"


@dataclass(frozen=True)
class LeaseSettings:
    """How long workers hold trials."""

    seconds: float = 60.0
    """A worker that says nothing for so long has lost its trial. Clocks may differ by much less than this."""
    max_attempts: int = 3
    """A trial that was begun so often and never finished has failed."""

    def __post_init__(self) -> None:
        if not self.seconds > 0.0:
            raise SearchError("lease.seconds", self.seconds, "must be positive")
        if self.max_attempts < 1:
            raise SearchError("lease.max_attempts", self.max_attempts, "must be at least 1")


@dataclass(frozen=True)
class Claim:
    """A trial leased to a worker; number and attempt together prove whose it is."""

    number: int
    architecture: Architecture
    attempt: int


@dataclass(frozen=True)
class StoredTrial:
    """What the store knows of a trial."""

    number: int
    architecture: Architecture
    state: State
    attempt: int
    trial: Trial | None
    """The result, once it is finished."""
    error: str


class TrialStore:
    """The trials of one search: proposed by number, claimed, held by heartbeats, finished once.

    Every change is one statement that names the attempt it belongs to. So a worker that was thought dead and
    comes back changes nothing, and workers need no other bond than the database.
    """

    def __init__(
        self,
        url: str,
        search_id: str,
        lease: LeaseSettings | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._engine = connect(url)
        self._search_id = search_id
        self._lease = lease or LeaseSettings()
        self._clock = clock
        self._mine = TRIALS.c.search_id == search_id

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._engine.dispose()

    @property
    def lease(self) -> LeaseSettings:
        """How long workers hold trials."""
        return self._lease

    def describe(self, description: Mapping[str, Any]) -> None:
        """Writes down what this search is, or checks that it still is the same.

        Raises:
            SearchError: the store holds another search of that name; the first differing key is named.
        """
        text = json.dumps(description, sort_keys=True)
        try:
            with self._engine.begin() as connection:
                connection.execute(insert(SEARCHES).values(search_id=self._search_id, description=text))
        except IntegrityError:
            with self._engine.connect() as connection:
                found = connection.scalar(
                    select(SEARCHES.c.description).where(SEARCHES.c.search_id == self._search_id)
                )
            known, new = json.loads(found or "{}"), json.loads(text)
            for key in sorted({*known, *new}):
                if known.get(key) != new.get(key):
                    raise SearchError(
                        f"search[{self._search_id}].{key}", new.get(key), f"was begun with {known.get(key)!r}"
                    ) from None

    def propose(self, number: int, architecture: Architecture) -> None:
        """Adds a trial, waiting for a worker; the same one again changes nothing.

        Raises:
            SearchError: another architecture has that number: the search was begun by other code.
        """
        row = {
            "search_id": self._search_id,
            "number": number,
            "architecture": json.dumps(architecture),
            "state": State.WAITING,
            "attempt": 0,
            "owner": "",
            "lease_expires": 0.0,
            "error": "",
        }
        try:
            with self._engine.begin() as connection:
                connection.execute(insert(TRIALS).values(**row))
        except IntegrityError:
            known = self.get(number).architecture
            if known != architecture:
                raise SearchError(
                    f"trial[{number}]", architecture, f"is stored as {known}: it was begun by another search"
                ) from None

    def claim(self, owner: str) -> Claim | None:
        """Leases the first trial that waits, or whose worker has died; None where there is none.

        A trial that died with as many workers as it may is failed instead.
        """
        now, spent = self._clock(), TRIALS.c.attempt >= self._lease.max_attempts
        dead = and_(TRIALS.c.state == State.LEASED, TRIALS.c.lease_expires <= now)
        with self._engine.begin() as connection:
            connection.execute(
                update(TRIALS)
                .where(self._mine, dead, spent)
                .values(state=State.FAILED, error="its workers died")
            )
        free = and_(self._mine, or_(TRIALS.c.state == State.WAITING, dead))
        first = select(TRIALS.c.number).where(free).order_by(TRIALS.c.number).limit(1)
        taken = (
            update(TRIALS)
            .where(free, TRIALS.c.number == first.with_for_update(skip_locked=True).scalar_subquery())
            .values(
                state=State.LEASED,
                attempt=TRIALS.c.attempt + 1,
                owner=owner,
                lease_expires=now + self._lease.seconds,
            )
            .returning(TRIALS.c.number, TRIALS.c.architecture, TRIALS.c.attempt)
        )
        with self._engine.begin() as connection:
            row = connection.execute(taken).one_or_none()
        return None if row is None else Claim(row.number, _parsed(row.architecture), row.attempt)

    def heartbeat(self, claim: Claim) -> bool:
        """Prolongs a lease; False where it was lost."""
        return self._change(claim, lease_expires=self._clock() + self._lease.seconds)

    def finish(self, claim: Claim, trial: Trial) -> bool:
        """Stores the result; False, and nothing changes, where the lease was lost."""
        if trial.architecture != claim.architecture:
            raise SearchError(
                "trial.architecture", trial.architecture, f"was claimed as {claim.architecture}"
            )
        latency = None if isnan(trial.latency) else trial.latency
        return self._change(claim, state=State.FINISHED, quality=trial.quality, latency=latency)

    def fail(self, claim: Claim, error: str) -> bool:
        """Gives a trial back that could not be evaluated; after too many attempts it has failed."""
        again = claim.attempt < self._lease.max_attempts
        return self._change(claim, state=State.WAITING if again else State.FAILED, error=error)

    def release(self, owner: str) -> int:
        """Ends the leases of a worker that is known to be dead, and says how many there were."""
        held = and_(self._mine, TRIALS.c.state == State.LEASED, TRIALS.c.owner == owner)
        with self._engine.begin() as connection:
            return connection.execute(update(TRIALS).where(held).values(lease_expires=0.0)).rowcount

    def get(self, number: int) -> StoredTrial:
        """Returns a trial.

        Raises:
            SearchError: there is none of that number.
        """
        with self._engine.connect() as connection:
            row = connection.execute(
                select(TRIALS).where(self._mine, TRIALS.c.number == number)
            ).one_or_none()
        if row is None:
            raise SearchError("number", number, f"search {self._search_id!r} has no such trial")
        architecture = _parsed(row.architecture)
        done = row.state == State.FINISHED
        latency = {} if row.latency is None else {"latency": row.latency}
        trial = Trial(architecture, row.quality, **latency) if done else None
        return StoredTrial(number, architecture, State(row.state), row.attempt, trial, row.error)

    def counts(self) -> dict[State, int]:
        """Counts the trials in each state."""
        query = select(TRIALS.c.state, func.count()).where(self._mine).group_by(TRIALS.c.state)
        with self._engine.connect() as connection:
            found = {State(state): int(count) for state, count in connection.execute(query)}
        return {state: found.get(state, 0) for state in State}

    def _change(self, claim: Claim, **values: object) -> bool:
        """Changes a trial if the claim still holds; an expired lease that no one took still does."""
        held: ColumnElement[bool] = and_(
            self._mine,
            TRIALS.c.number == claim.number,
            TRIALS.c.attempt == claim.attempt,
            TRIALS.c.state == State.LEASED,
        )
        with self._engine.begin() as connection:
            return connection.execute(update(TRIALS).where(held).values(**values)).rowcount == 1


def _parsed(text: str) -> Architecture:
    return tuple(json.loads(text))
