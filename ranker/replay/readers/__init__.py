"""Readers of logs: our export, the Open Bandit Dataset, plain tables, Vowpal Wabbit's dsjson."""

from ranker.replay.readers.options import ActionOf, LogFormat, Part, ReadOptions
from ranker.replay.readers.reading import check_ratio, parts_of, read_frame, read_log, read_part

__all__ = [
    "ActionOf",
    "LogFormat",
    "Part",
    "ReadOptions",
    "check_ratio",
    "parts_of",
    "read_frame",
    "read_log",
    "read_part",
]
