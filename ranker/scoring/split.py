"""Divides a click log into parts that train, choose and judge, and builds vocabularies from the first."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ranker.errors import InvalidInputError
from ranker.scoring.schema import UNKNOWN

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ranker.scoring.dataset import ClickLog
    from ranker.scoring.schema import FeatureSchema

TRAIN_SHARE = 0.6
VALIDATION_SHARE = 0.2


@dataclass(frozen=True)
class Split:
    """Row numbers: `train` fits weights, `validation` chooses and calibrates, `test` is looked at once."""

    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    test: NDArray[np.int64]
    method: str

    def parts(self) -> dict[str, NDArray[np.int64]]:
        """Returns the parts by name."""
        return {"train": self.train, "validation": self.validation, "test": self.test}


def split_rows(log: ClickLog, seed: int) -> Split:
    """Returns 60 % training, 20 % validation and 20 % test rows.

    With times the parts follow each other and no instant is in two of them, as the model will be used: on
    later traffic. Without, a hash of seed and row number decides, so that appending rows moves no other row.
    Raises InvalidInputError when a part lacks clicks or non-clicks.
    """
    if log.time is None:
        place: NDArray[Any] = hash_uniform(np.arange(len(log.clicks)), seed)
        cuts = [TRAIN_SHARE, TRAIN_SHARE + VALIDATION_SHARE]
    else:
        place = log.time
        ordered = np.sort(place)
        cuts = [ordered[int(share * len(place))] for share in (TRAIN_SHARE, TRAIN_SHARE + VALIDATION_SHARE)]
    split = Split(
        train=np.flatnonzero(place < cuts[0]),
        validation=np.flatnonzero((place >= cuts[0]) & (place < cuts[1])),
        test=np.flatnonzero(place >= cuts[1]),
        method="hash" if log.time is None else "time",
    )
    for name, rows in split.parts().items():
        clicks = int(log.clicks[rows].sum())
        if not 0 < clicks < len(rows):
            raise InvalidInputError(
                f"clicks of the {name} part",
                f"{clicks} of {len(rows)}",
                "each part needs rows with and without a click",
            )
    return split


def hash_uniform(keys: NDArray[np.int64], seed: int) -> NDArray[np.float64]:
    """Returns a number in [0, 1) for each key (n,): SplitMix64 (Steele, Lea, Flood 2014) of key and seed."""
    step = np.uint64(0x9E3779B97F4A7C15)
    # A scalar product would warn of the overflow that is meant.
    state = (keys.astype(np.uint64) + np.uint64(1)) * step + np.array([seed], np.uint64) * np.uint64(
        0xD1B54A32D192ED03
    )
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    state ^= state >> np.uint64(31)
    uniform: NDArray[np.float64] = (state >> np.uint64(11)).astype(np.float64) / 2.0**53
    return uniform


def complete_schema(schema: FeatureSchema, log: ClickLog, train: NDArray[np.int64]) -> FeatureSchema:
    """Returns the schema with the vocabularies that it leaves out, built from training rows alone.

    Values of later rows must stay unknown: that they exist is knowledge of the future.
    """
    built = {}
    for field, values in zip(schema.categorical_fields, log.categorical, strict=True):
        if field.vocabulary is None and field.size is None:
            counts = Counter(values.take(train).to_pylist())
            known = sorted(
                value for value, count in counts.items() if count >= field.min_count and value != UNKNOWN
            )
            built[field.name] = replace(field, vocabulary=(UNKNOWN, *known))
    return replace(schema, fields=tuple(built.get(field.name, field) for field in schema.fields))
