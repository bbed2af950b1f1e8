"""Prepares the home directory of the server: schemas, a trained CTR model, a creative catalogue."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet

from bandit.learner import CreativeLearner, LearnerSettings
from bandit.space import ContextField, CreativeCatalogue, CreativeSpace, Slot
from ranker.demo.fixtures import (
    DATA,
    INCOME_CLASSES,
    ITEM_LEVELS,
    USER_FEATURES,
    read_census,
    read_items,
    read_log,
)
from ranker.home import Home
from ranker.scoring import training
from ranker.scoring.schema import UNKNOWN
from ranker.scoring.selection import Grid
from ranker.scoring.training import TrainingOptions, train_ctr

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

FASHION, ADULT = "fashion", "adult"  # schema ids
INCOME_SLOT = "income"
TRAINING_SEED = 0


# 42 clicks cannot choose a penalty, so it is not left to them: a prior standard deviation of 1/√30 = 0.18 a
# feature says that the click rates of two items often differ by a quarter, and rarely by a factor of two.
GRID = Grid(weight_penalties=(30.0,), num_factors=())


def prepare_home(root: Path, report: Callable[[int, int, str], None] = lambda *_: None) -> Home:
    """Fill the directory, or leave it as it is where its inputs have not changed since it was filled.

    The CTR model learns from the log of the Thompson sampling policy; the uniformly random log stays unseen.
    """
    home, stamp = Home(root), root / "demo_inputs.json"
    inputs = _input_hashes()
    if stamp.is_file() and json.loads(stamp.read_text()) == inputs:
        return home
    for folder in (home.schemas, home.models, home.catalogue.parent, home.events.parent, root / "training"):
        folder.mkdir(parents=True, exist_ok=True)
    schema = _write_schema(home, FASHION, "click", fashion_fields(), time="seconds")
    _write_schema(home, ADULT, "right", adult_fields())
    home.catalogue.write_text(adult_catalogue().to_json())
    publish_prior(home)
    table = root / "training" / "fashion_bts.parquet"
    parquet.write_table(training_table(), table)
    options = TrainingOptions(TRAINING_SEED, datetime.now(UTC), num_resamples=200, grid=GRID)
    train_ctr(table, schema, home.models, options, report)
    # Last: a home that was interrupted is filled again.
    stamp.write_text(json.dumps(inputs, indent=1))
    return home


def fresh_copy(home: Home, root: Path) -> Home:
    """Copy what a server needs but neither events nor posteriors: each run starts from the same belief."""
    if root.exists():
        shutil.rmtree(root)
    copy = Home(root)
    shutil.copytree(home.schemas, copy.schemas)
    shutil.copytree(home.models, copy.models)
    for folder in (copy.catalogue.parent, copy.events.parent):
        folder.mkdir(parents=True)
    shutil.copy2(home.catalogue, copy.catalogue)
    publish_prior(copy)
    return copy


def publish_prior(home: Home) -> None:
    """Publish the belief that learning starts from, unless the home has learned already."""
    CreativeLearner(adult_catalogue(), home.posteriors, LearnerSettings()).start(time.time())


def fashion_fields() -> tuple[dict[str, object], ...]:
    """Describe the columns of the shop's requests: who looks, then what can be shown."""
    users = np.concatenate([read_log("bts").users, read_log("random").users]).max(axis=0)
    items = read_items()
    return (
        *(
            _categorical(name, "context", range(1, top + 1))
            for name, top in zip(USER_FEATURES, users, strict=True)
        ),
        {"name": "price", "kind": "numeric", "scope": "candidate"},
        {"name": "affinity", "kind": "numeric", "scope": "candidate"},
        _categorical("item_id", "candidate", range(items.num_items)),
        *(_categorical(name, "candidate", range(1, items.levels[name].max() + 1)) for name in ITEM_LEVELS),
    )


def adult_fields() -> tuple[dict[str, object], ...]:
    """Describe the columns of the census requests; the one candidate brings its score along."""
    return tuple(_categorical(name, "context", values) for name, values in read_census().fields.items())


def adult_catalogue() -> CreativeCatalogue:
    """Make the creative space of the AutoCO paper's protocol: two elements, the income classes, one slot."""
    # One id more than values: id 0 of a schema's field is the unknown value.
    fields = tuple(ContextField(name, len(values) + 1) for name, values in read_census().fields.items())
    space = CreativeSpace(ADULT, tuple(field.name for field in fields))
    return CreativeCatalogue(fields, (Slot(INCOME_SLOT, INCOME_CLASSES),), (space,))


def training_table() -> pa.Table:
    """Lay out the Thompson sampling log as one row an impression, in the schema's columns."""
    log, items = read_log("bts"), read_items()
    shown = np.arange(log.num_rows), log.items
    return pa.table(
        {
            "seconds": log.seconds,
            "click": log.clicks,
            **{name: _text(log.users[:, i]) for i, name in enumerate(USER_FEATURES)},
            "price": items.price[log.items],
            "affinity": log.affinity[shown],
            "item_id": _text(log.items),
            **{name: _text(items.levels[name][log.items]) for name in ITEM_LEVELS},
        }
    )


def _text(values: Iterable[int]) -> list[str]:
    return [str(int(value)) for value in values]


def _categorical(name: str, scope: str, values: Iterable[object]) -> dict[str, object]:
    return {"name": name, "kind": "categorical", "scope": scope, "vocabulary": [UNKNOWN, *map(str, values)]}


def _write_schema(
    home: Home, schema_id: str, label: str, fields: Sequence[dict[str, object]], time: str | None = None
) -> Path:
    # JSON strings and lists are TOML as well.
    lines = [f"schema_id = {json.dumps(schema_id)}", f"label = {json.dumps(label)}"]
    if time is not None:
        lines.append(f"time = {json.dumps(time)}")
    for field in fields:
        lines += ["", "[[fields]]", *(f"{key} = {json.dumps(value)}" for key, value in field.items())]
    path = home.schemas / f"{schema_id}.toml"
    path.write_text("\n".join(lines) + "\n")
    return path


def _input_hashes() -> dict[str, str]:
    """Name what the home is made from: the data, and the code that lays it out."""
    scoring = Path(training.__file__).parent
    sources = [*sorted(DATA.glob("*.parquet")), Path(__file__), *sorted(scoring.glob("*.py"))]
    return {
        f"{source.parent.name}/{source.name}": hashlib.sha256(source.read_bytes()).hexdigest()
        for source in sources
    }
