"""The click log as arrays: one row a shown item, or one row a session for the models that need the order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from ranker.errors import InvalidInputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats: TypeAlias = NDArray[np.float64]
    Ints: TypeAlias = NDArray[np.int64]
    Bools: TypeAlias = NDArray[np.bool_]

MAX_POSITIONS = 1000
NO_ITEM = -1


@dataclass(frozen=True, slots=True)
class ClickLog:
    """What was shown where, and whether it was clicked; N rows.

    An item is whatever has one attractiveness: an ad, or an ad for one query or segment.
    """

    session: Ints  # (N,), rows of one slate share it
    position: Ints  # (N,), from 0
    item: Ints  # (N,), codes from 0
    click: Bools  # (N,)
    context: Ints | None = None  # (N,), codes of `context_names`; None: the log has no contexts
    context_names: tuple[str, ...] = ()
    randomised: Bools | None = None  # (N,), rows whose slate was shuffled; None: not known
    # (N,), codes of the ranker's version: placements within one do not follow from its own clicks
    version: Ints | None = None
    context_fields: tuple[str, ...] = ()  # what `context_names` name: ("device",) of device=phone

    def __post_init__(self) -> None:
        num_rows = len(self.session)
        if num_rows == 0:
            raise InvalidInputError("log.num_rows", 0, "the log is empty")
        for name in ("session", "position", "item", "click", "context", "randomised", "version"):
            column = getattr(self, name)
            if column is not None and column.shape != (num_rows,):
                raise InvalidInputError(
                    f"log.{name}.shape", column.shape, f"must be one a row: ({num_rows},)"
                )
        for name in ("session", "position", "item", "context", "version"):
            _check_codes(name, getattr(self, name))
        if self.click.dtype != np.bool_:
            raise InvalidInputError("log.click.dtype", str(self.click.dtype), "must be bool")
        if self.num_positions > MAX_POSITIONS:
            raise InvalidInputError(
                "log.position", self.num_positions - 1, f"must be below {MAX_POSITIONS}; positions start at 0"
            )
        if self.context is not None and int(self.context.max()) >= len(self.context_names):
            raise InvalidInputError("log.context", int(self.context.max()), "has no name in context_names")
        self._check_positions()

    def _check_positions(self) -> None:
        if int(self.position.min()) > 0:
            raise InvalidInputError(
                "log.position", int(self.position.min()), "no row has position 0: positions start at 0"
            )
        _, dense = np.unique(self.session, return_inverse=True)
        key = np.sort(dense * self.num_positions + self.position)
        twice = key[1:] == key[:-1]
        if twice.any():
            at = int(key[int(np.argmax(twice))])
            session = int(np.unique(self.session)[at // self.num_positions])
            raise InvalidInputError(
                "log.position", at % self.num_positions, f"appears more than once in session {session}"
            )

    @property
    def num_positions(self) -> int:
        """Returns k: one more than the last position."""
        return int(self.position.max()) + 1

    @property
    def num_items(self) -> int:
        """Returns one more than the largest item code."""
        return int(self.item.max()) + 1

    def rows(self, kept: Bools) -> ClickLog:
        """Returns the log of the `kept` rows `(N,)`."""
        return ClickLog(
            self.session[kept],
            self.position[kept],
            self.item[kept],
            self.click[kept],
            None if self.context is None else self.context[kept],
            self.context_names,
            None if self.randomised is None else self.randomised[kept],
            None if self.version is None else self.version[kept],
            self.context_fields,
        )


@dataclass(frozen=True, slots=True)
class Sessions:
    """The slates with their clicks; s sessions, k positions, short slates padded with NO_ITEM at the end."""

    items: Ints  # (s, k)
    clicks: Bools  # (s, k)
    num_items: int  # all codes are below

    def __post_init__(self) -> None:
        if self.items.ndim != 2 or 0 in self.items.shape:
            raise InvalidInputError("sessions.items.shape", self.items.shape, "must be (sessions, positions)")
        if self.clicks.shape != self.items.shape:
            raise InvalidInputError(
                "sessions.clicks.shape", self.clicks.shape, f"must be that of items: {self.items.shape}"
            )
        if int(self.items.min()) < NO_ITEM:
            raise InvalidInputError(
                "sessions.items", int(self.items.min()), "codes start at 0; -1 is no item"
            )
        if int(self.items.max()) >= self.num_items:
            raise InvalidInputError(
                "sessions.items", int(self.items.max()), f"must be below num_items = {self.num_items}"
            )
        if (self.items[:, 0] == NO_ITEM).any():
            row = int(np.argmax(self.items[:, 0] == NO_ITEM))
            raise InvalidInputError(f"sessions[{row}].position", 0, "every session shows its first position")
        empty = self.items == NO_ITEM
        for wrong, problem in (
            (empty[:, :-1] & ~empty[:, 1:], "is missing while a later position of the session is not"),
            (empty & self.clicks, "is clicked, but shows no item"),
        ):
            if wrong.any():
                row, position = (int(v) for v in np.argwhere(wrong)[0])
                raise InvalidInputError(f"sessions[{row}].position", position, problem)

    @property
    def shown(self) -> Bools:
        """Returns (s, k): where an item was shown."""
        shown: Bools = self.items != NO_ITEM
        return shown

    def rows(self, kept: Ints | Bools) -> Sessions:
        """Returns the `kept` sessions, a mask or indices."""
        return Sessions(self.items[kept], self.clicks[kept], self.num_items)


def to_sessions(log: ClickLog) -> Sessions:
    """Returns the sessions of a log, in the order of their codes."""
    codes, row = np.unique(log.session, return_inverse=True)
    items = np.full((len(codes), log.num_positions), NO_ITEM, np.int64)
    clicks = np.zeros(items.shape, np.bool_)
    items[row, log.position] = log.item
    clicks[row, log.position] = log.click
    return Sessions(items, clicks, log.num_items)


def to_log(sessions: Sessions) -> ClickLog:
    """Returns one row a shown item, session after session."""
    session, position = np.nonzero(sessions.shown)
    return ClickLog(session, position, sessions.items[session, position], sessions.clicks[session, position])


def _check_codes(name: str, column: Ints | None) -> None:
    if column is None:
        return
    if column.dtype.kind not in "iu":
        raise InvalidInputError(f"log.{name}.dtype", str(column.dtype), "must be integers")
    if int(column.min()) < 0:
        row = int(np.argmax(column < 0))
        raise InvalidInputError(f"log.{name}[{row}]", int(column[row]), "must not be negative")
