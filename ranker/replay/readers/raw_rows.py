"""From columns as a file has them to rows that can be used: what is wrong is counted, never guessed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ranker.replay.logged_batch import Defect, LoggedBatch, Rejection

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Floats: TypeAlias = NDArray[np.float64]
    Flags: TypeAlias = NDArray[np.bool_]
    Integers: TypeAlias = NDArray[np.int64]

_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
_MIX = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))


@dataclass(slots=True)
class Names:
    """Numbers names in the order in which a stream meets them."""

    codes: dict[str, int] = field(default_factory=dict)

    def encode(self, column: pa.Array) -> Integers:
        """Return the code of each name, `(n,)`; null is an empty name."""
        encoded = column.cast(pa.string()).fill_null("").dictionary_encode()
        known = [self.codes.setdefault(name, len(self.codes)) for name in encoded.dictionary.to_pylist()]
        codes: Integers = np.array(known, dtype=np.int64)[encoded.indices.to_numpy(zero_copy_only=False)]
        return codes

    def __iter__(self) -> Any:
        return iter(self.codes)


@dataclass(frozen=True, slots=True)
class RawRows:
    """Columns of equal length, of whatever type the file gives them."""

    file: str
    numbers: Integers  # (n,), of the rows in the file
    action: pa.Array
    reward: pa.Array
    propensity: pa.Array
    position: pa.Array | None = None  # None: all at position 0
    logger: pa.Array | None = None  # None: one logging policy
    request: pa.Array | None = None  # None: each row is a request of its own
    contexts: Mapping[str, pa.Array] = field(default_factory=dict)
    named: Mapping[str, str] = field(default_factory=dict)  # our word → the file's, in messages
    first_position: int = 0  # the log's number for the first position
    rewards_may_be_pending: bool = False
    refused: tuple[tuple[Defect, str, Flags], ...] = ()  # found by the reader itself: reason, column, rows


def believe(raw: RawRows, actions: Names, loggers: Names) -> LoggedBatch:
    """Keep the rows that can be used; each other row counts once, under its first defect."""
    n = len(raw.action)
    reward, propensity = floats(raw.reward), floats(raw.propensity)
    position = np.zeros(n) if raw.position is None else floats(raw.position) - raw.first_position
    kept = np.ones(n, dtype=bool)
    rejected = []
    for defect, column, wrong in _defects(raw, reward, propensity, position):
        new = wrong & kept
        kept &= ~wrong
        if new.any():
            rejected.append(_rejection(raw, defect, column, new))
    rows = pa.array(np.flatnonzero(kept))
    return LoggedBatch(
        actions=actions.encode(raw.action.take(rows)),
        rewards=reward[kept],
        propensities=propensity[kept],
        positions=position[kept].astype(np.int64),
        loggers=_loggers(raw, rows, loggers),
        requests=(raw.numbers if raw.request is None else request_numbers(raw.request))[kept],
        contexts={name: plain(column.take(rows)) for name, column in raw.contexts.items()},
        action_names=tuple(actions),
        logger_names=tuple(loggers) or ("",),
        rejected=tuple(rejected),
    )


def _loggers(raw: RawRows, rows: pa.Array, loggers: Names) -> Integers:
    if raw.logger is None:
        loggers.codes.setdefault("", 0)
        return np.zeros(len(rows), dtype=np.int64)
    return loggers.encode(raw.logger.take(rows))


def _defects(
    raw: RawRows, reward: Floats, propensity: Floats, position: Floats
) -> list[tuple[Defect, str, Flags]]:
    no_reward = ~np.isfinite(reward)
    absent = _flags(pc.is_null(raw.reward)) if raw.rewards_may_be_pending else np.zeros(len(reward), bool)
    return [
        *raw.refused,
        (Defect.NO_ACTION, "action", _flags(pc.is_null(raw.action)) | _empty(raw.action)),
        (Defect.REWARD_PENDING, "reward", absent),
        (Defect.NO_REWARD, "reward", no_reward),
        (Defect.NO_PROPENSITY, "propensity", np.isnan(propensity)),
        (Defect.PROPENSITY_OUT_OF_RANGE, "propensity", ~((propensity > 0) & (propensity <= 1))),
        (Defect.POSITION_OUT_OF_RANGE, "position", ~((position >= 0) & (position == np.floor(position)))),
    ]


def _rejection(raw: RawRows, defect: Defect, column: str, rows: Flags) -> Rejection:
    first = int(np.argmax(rows))
    cells = getattr(raw, column, None)
    return Rejection(
        defect=defect,
        count=int(rows.sum()),
        file=raw.file,
        row=int(raw.numbers[first]),
        column=raw.named.get(column, column),
        value="" if cells is None else str(cells[first].as_py()),
    )


def floats(column: pa.Array) -> Floats:
    """Return `(n,)`: numbers, NaN where there is none or where text is no number."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        column = pc.utf8_trim_whitespace(column)
        column = pc.if_else(pc.match_substring_regex(column, _NUMBER), column, pa.scalar(None, column.type))
    elif pa.types.is_boolean(column.type):
        column = column.cast(pa.int8())
    elif not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type)):
        return np.full(len(column), np.nan)
    numbers: Floats = column.cast(pa.float64()).fill_null(np.nan).to_numpy(zero_copy_only=False)
    return numbers


def plain(column: pa.Array) -> NDArray[Any]:
    """Return `(n,)`: numbers as float64, anything else as strings."""
    kind = column.type
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind):
        return floats(column)
    text: NDArray[Any] = column.cast(pa.string()).fill_null("").to_numpy(zero_copy_only=False)
    return text


def request_numbers(column: pa.Array) -> Integers:
    """Return a number a request, `(n,)`, ≥ 0: ids are hashed, equal ones to equal numbers."""
    if pa.types.is_integer(column.type):
        words = column.cast(pa.int64()).fill_null(0).to_numpy().view(np.uint64)[:, None]
    else:
        text = column.cast(pa.string()).fill_null("").to_numpy(zero_copy_only=False)
        data = np.char.encode(text.astype(str), "utf-8")
        width = -(-max(data.itemsize, 1) // 8) * 8
        words = data.astype(f"S{width}").view(np.uint64).reshape(len(column), -1)
    mixed = np.zeros(len(column), dtype=np.uint64)
    for word in words.T:
        # The finaliser of splitmix64 (Steele, Lea and Flood, 2014); a null word only mixes what is there.
        changed = mixed ^ word
        changed = (changed ^ (changed >> np.uint64(30))) * _MIX[0]
        changed = (changed ^ (changed >> np.uint64(27))) * _MIX[1]
        mixed = np.where(word == 0, mixed, changed ^ (changed >> np.uint64(31)))
    return (mixed >> np.uint64(1)).astype(np.int64)


def _flags(column: Any) -> Flags:
    found: Flags = column.to_numpy(zero_copy_only=False)
    return found


def _empty(column: pa.Array) -> Flags:
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        return np.zeros(len(column), dtype=bool)
    return _flags(pc.equal(column.fill_null(""), ""))
