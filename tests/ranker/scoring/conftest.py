"""A click log with known probabilities, and a model trained on it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
from scipy.special import expit

from ranker.scoring.selection import Grid
from ranker.scoring.training import TrainingOptions, train_ctr

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SCHEMA = """
schema_id = "shop"
label = "click"

[[fields]]
name = "price"
kind = "numeric"
scope = "candidate"

[[fields]]
name = "site"
kind = "categorical"
scope = "context"

[[fields]]
name = "item"
kind = "categorical"
scope = "candidate"

[[fields]]
name = "hour"
kind = "numeric"
scope = "context"
"""
CREATED_AT = datetime(2020, 1, 2, tzinfo=UTC)
SMALL_GRID = Grid(weight_penalties=(1000.0, 30.0, 3.0), num_factors=(2,), factor_penalties=(30.0,))


@dataclass(frozen=True)
class LogFiles:
    data: Path
    schema: Path
    probabilities: np.ndarray


@pytest.fixture(autouse=True)
def _float_errors_are_errors() -> Iterator[None]:
    with np.errstate(divide="raise", over="raise", invalid="raise"):
        yield


def write_log(folder: Path, num_rows: int, base: float = -1.5, effect: float = 1.0, **more: Any) -> LogFiles:
    """Writes a log whose logit is base + effect · (0.5 price + an effect of site and of item)."""
    rng = np.random.default_rng(7)
    price, hour = rng.normal(size=num_rows), rng.uniform(0, 24, num_rows)
    site, item = rng.integers(0, 4, num_rows), rng.integers(0, 6, num_rows)
    effects = 0.5 * price + 0.4 * (site - 1.5) + 0.6 * np.sin(item)
    logits = base + effect * effects + more.pop("drift", 0.0)
    probabilities = expit(logits)
    columns = {
        "click": (rng.random(num_rows) < probabilities).astype(int),
        "item": [f"item {value}" for value in item],
        "price": price.astype(np.float32),
        "hour": hour.astype(np.float32),
        "site": [f"site {value}" for value in site],
        "not_in_schema": np.zeros(num_rows),
        **more,
    }
    folder.mkdir(exist_ok=True)
    parquet.write_table(pa.table(columns), folder / "log.parquet")
    time = 'time = "day"\n' if "day" in more else ""
    waits = 'age = "age"\ndelay = "delay"\n' if "age" in more else ""
    (folder / "schema.toml").write_text(time + waits + SCHEMA)
    return LogFiles(folder / "log.parquet", folder / "schema.toml", probabilities)


@pytest.fixture(scope="session")
def make_log() -> Callable[..., LogFiles]:
    return write_log


@pytest.fixture(scope="session")
def options() -> TrainingOptions:
    return TrainingOptions(seed=1, created_at=CREATED_AT, num_resamples=50, grid=SMALL_GRID)


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> LogFiles:
    return write_log(tmp_path_factory.mktemp("shop"), 10_000)


@pytest.fixture(scope="session")
def trained(files: LogFiles, options: TrainingOptions) -> Any:
    return train_ctr(files.data, files.schema, files.data.parent / "models", options)
