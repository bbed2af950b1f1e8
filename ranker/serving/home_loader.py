"""Builds snapshots from a home directory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bandit import snapshot as posterior_store
from ranker.scoring.model_store import model_directories
from ranker.scoring.onnx_scorer import OnnxScorer
from ranker.scoring.schema_file import read_schema
from ranker.snapshot import PosteriorOrigin, Snapshot

if TYPE_CHECKING:
    from pathlib import Path

    from ranker.home import Home
    from ranker.scoring.protocol import Scorer
    from ranker.scoring.schema import FeatureSchema

# Versions of each schema's model that stay loaded, for requests that pin one.
KEPT_MODELS = 3


def load_snapshot(home: Home, last: Snapshot | None) -> Snapshot:
    """Returns what the home holds now, warm; `last` itself where nothing has changed.

    Raises errors of `ranker` and `bandit` naming the file that cannot be served.
    """
    scorers = _scorers(home, last)
    version = posterior_store.latest(home.posteriors)
    same_models = last is not None and {k: list(v) for k, v in last.scorers.items()} == {
        k: list(v) for k, v in scorers.items()
    }
    schemas = _schemas(home, scorers)
    same_posterior = last is not None and version == (last.selector.version if last.selector else None)
    if last is not None and same_models and same_posterior and schemas == last.schemas:
        return last
    if version is None:
        return Snapshot(schemas, scorers)
    if last is not None and last.selector is not None and last.selector.version == version:
        return Snapshot(schemas, scorers, last.selector, last.posterior)
    stored = posterior_store.load(home.posteriors, version)
    selector = stored.selector()
    selector.warm_up()
    origin = stored.provenance
    return Snapshot(
        schemas,
        scorers,
        selector,
        PosteriorOrigin(origin.catalogue_version, origin.sequence, origin.created_at),
    )


def _scorers(home: Home, last: Snapshot | None) -> dict[str, dict[str, Scorer]]:
    scorers: dict[str, dict[str, Scorer]] = {}
    if not home.models.is_dir():
        return scorers
    for schema_id, directories in model_directories(home.models).items():
        known = {} if last is None else last.scorers.get(schema_id, {})
        scorers[schema_id] = {
            directory.name: known.get(directory.name) or _loaded(directory)
            for directory in directories[-KEPT_MODELS:]
        }
    return scorers


def _loaded(directory: Path) -> Scorer:
    scorer = OnnxScorer.load(directory)
    scorer.warm_up()
    return scorer


def _schemas(home: Home, scorers: dict[str, dict[str, Scorer]]) -> dict[str, FeatureSchema]:
    schemas = {}
    for path in sorted(home.schemas.glob("*.toml")):
        schema = read_schema(path)
        schemas[schema.schema_id] = schema
    # A model's own schema holds the vocabularies that it was trained with.
    for schema_id, versions in scorers.items():
        schemas[schema_id] = versions[next(reversed(versions))].schema
    return schemas
