"""Finds the versions that a kept decision names: those that are served, else those on the disk."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache, partial
from typing import TYPE_CHECKING

from ranker.errors import NotFoundError
from ranker.rollout.plan import Assignment
from ranker.scoring.onnx_scorer import OnnxScorer
from ranker.serving.home_loader import kept_selector

if TYPE_CHECKING:
    from collections.abc import Callable

    from ranker.home import Home
    from ranker.scoring.protocol import Scorer
    from ranker.slate import Decision
    from ranker.snapshot import Snapshot

# Models and posteriors, of each, that stay loaded beside the served ones.
KEPT = 4


class DecisionVersions:
    """Makes snapshots of one decision's versions; threads may share it."""

    def __init__(self, home: Home, current_snapshot: Callable[[], Snapshot]) -> None:
        self._current_snapshot = current_snapshot
        self._model = lru_cache(KEPT)(partial(_model, home))
        self._selector = lru_cache(KEPT)(partial(kept_selector, home))

    def snapshot_of(self, decision: Decision) -> Snapshot:
        """Returns what the decision was made from; NotFoundError where a version is no longer kept."""
        served, schema_id = self._current_snapshot(), decision.schema_id
        snapshot = served
        if decision.model_version:
            known = served.scorers.get(schema_id, {})
            scorer = known.get(decision.model_version) or self._model(schema_id, decision.model_version)
            snapshot = replace(
                snapshot,
                schemas={schema_id: scorer.schema},
                scorers={schema_id: {scorer.version: scorer}},
                assigned=Assignment(scorer.version, decision.experiment, decision.arm),
            )
        version = decision.posterior_version
        if version and (served.selector is None or served.selector.version != version):
            snapshot = replace(snapshot, selector=self._selector(version), posterior=None)
        return snapshot


def _model(home: Home, schema_id: str, version: str) -> Scorer:
    directory = home.models / schema_id / version
    if not directory.is_dir():
        raise NotFoundError("model_version", version, f"is no longer kept in {directory.parent}")
    return OnnxScorer.load(directory)
