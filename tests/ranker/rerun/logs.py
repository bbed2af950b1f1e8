"""Small logs of real decisions, made by the decider and exported."""

import numpy as np

from ranker.decider import Decider
from ranker.events.export import export_parquet
from ranker.events.records import Outcome
from ranker.events.sqlite_store import SqliteEventStore
from ranker.pipeline import PipelineSettings
from ranker.scoring.schema import FeatureSchema, Field
from ranker.slate import Basis, Candidates, Constraint, Context, RankRequest, Relation
from ranker.snapshot import Snapshot
from ranker.stages import StageTimer

SCHEMA = FeatureSchema("shop", "click", (Field("device", "categorical", "context", size=3),))
SNAPSHOT = Snapshot({"shop": SCHEMA}, {})
KEY = b"key"


def request(number, ctr=(0.5, 0.2, 0.1), limit=0.6, **changes):
    n = len(ctr)
    fields = {
        "request_id": f"r{number}",
        "schema_id": "shop",
        "context": Context(categorical=np.array([1 + number % 2])),
        "candidates": Candidates(tuple(f"ad{i}" for i in range(n)), np.ones(n), ctr=np.array(ctr)),
        "num_positions": 1,
        "constraints": (Constraint("first", Relation.AT_MOST, limit, Basis.SHARE_OF_ATTENTION),),
        "constraint_weights": np.eye(1, n),
        "attention": np.ones(1),
        "content_hash": f"hash {number}",
    }
    return RankRequest(**fields | changes)


def write_log(folder, requests, *, ratio=0.2, capture=1.0, clicks=lambda _: 0.0):
    """Serves, rewards every shown ad by `clicks`, exports; returns the decisions."""
    with SqliteEventStore(folder / "events.db") as store:
        decider = Decider(lambda: SNAPSHOT, store, PipelineSettings(ratio, KEY), capture)
        decisions = [decider.decide(each, StageTimer()) for each in requests]
        outcomes = [
            Outcome(f"{d.decision_id}/{j}", d.decision_id, j, "click", clicks(d), d.created_at)
            for d in decisions
            for j in range(len(d.shown))
            if clicks(d) is not None
        ]
        store.record_outcomes(outcomes).result()
        export_parquet(folder / "events.db", folder / "log")
    return decisions
