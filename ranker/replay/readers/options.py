"""What is read of a log, and where it lies."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from ranker.errors import InvalidInputError


class LogFormat(StrEnum):
    """How a log is written."""

    EXPORT = "export"  # our event store's Parquet: decisions.parquet or decisions/date=*/hour=*/*.parquet
    OPEN_BANDIT = "open_bandit"  # CSVs of the Open Bandit Dataset
    TABLE = "table"  # columns action, reward, propensity and what is optional: .parquet or .csv
    DSJSON = "dsjson"  # Vowpal Wabbit's decision service JSON, one event a line


class ActionOf(StrEnum):
    """What the action of a row of our export is."""

    CANDIDATE = "candidate"
    CREATIVE = "creative"  # the composition, under its own propensity; rows without creatives are left out


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """How a log is read."""

    format: LogFormat | None = None  # None: told by the path
    contexts: tuple[str, ...] = ()  # columns that policies and models want
    action_of: ActionOf = ActionOf.CANDIDATE
    max_bad_ratio: float = 0.01  # more unusable rows than this are an error
    batch_rows: int = 65_536

    def __post_init__(self) -> None:
        if not 0 <= self.max_bad_ratio <= 1:
            raise InvalidInputError("max_bad_ratio", self.max_bad_ratio, "must lie in [0, 1]")
        if self.batch_rows < 1:
            raise InvalidInputError("batch_rows", self.batch_rows, "must be at least 1")


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a log that one worker reads: a file, or one row group of a Parquet file."""

    file: str
    format: LogFormat
    row_group: int | None = None
    first_row: int = 1
