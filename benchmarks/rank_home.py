"""A home with a small fitted model of 24 features, and creatives whose posterior has seen some clicks."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.decisions import publish_posterior, write_catalogue
from ranker.home import Home
from ranker.scoring.training import TrainingOptions, train_ctr

if TYPE_CHECKING:
    from pathlib import Path

NUM_FEATURES = 24
NUM_ROWS = 3000
DEVICES = ("phone", "desk")


def build_home(root: Path) -> Home:
    """Trains, writes the catalogue and publishes a posterior in an empty folder."""
    home = Home(root)
    home.schemas.mkdir(parents=True)
    schema, log = home.schemas / "page.toml", root / "log.csv"
    schema.write_text(_schema())
    _write_log(log)
    train_ctr(log, schema, home.models, TrainingOptions(seed=0, created_at=datetime(2026, 1, 1, tzinfo=UTC)))
    write_catalogue(home)
    publish_posterior(home, 1)
    return home


def _schema() -> str:
    device = '[[fields]]\nname = "device"\nkind = "categorical"\nscope = "context"\n'
    names = ", ".join(f'"{name}"' for name in ("<unknown>", *DEVICES))
    vocabulary = f"vocabulary = [{names}]\n"
    numeric = (
        f'[[fields]]\nname = "x{i}"\nkind = "numeric"\nscope = "candidate"\n' for i in range(NUM_FEATURES)
    )
    return 'schema_id = "page"\nlabel = "click"\n' + device + vocabulary + "".join(numeric)


def _write_log(path: Path) -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(NUM_ROWS, NUM_FEATURES))
    rate = 1 / (1 + np.exp(2.0 - features @ rng.normal(0.0, 0.2, NUM_FEATURES)))
    clicks = (rng.random(NUM_ROWS) < rate).astype(int)
    devices = rng.choice(DEVICES, NUM_ROWS)
    header = ["device", *(f"x{i}" for i in range(NUM_FEATURES)), "click"]
    rows = (
        ",".join([device, *(f"{x:.4f}" for x in row), str(click)])
        for device, row, click in zip(devices, features, clicks, strict=True)
    )
    path.write_text("\n".join([",".join(header), *rows]) + "\n")
