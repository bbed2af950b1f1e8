"""Builds snapshots from a home directory."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from bandit import snapshot as posterior_store
from ranker.attention.attention_file import read_attention
from ranker.errors import InvalidInputError, NotFoundError
from ranker.rollout.rollout_file import ROLLOUT_FILE, read_rollout
from ranker.scoring.card import CARD_FILE
from ranker.scoring.ladder_file import LADDER_FILE, read_ladder
from ranker.scoring.model_store import model_directories
from ranker.scoring.onnx_scorer import OnnxScorer
from ranker.scoring.schema_file import read_schema
from ranker.snapshot import PosteriorOrigin, Snapshot

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ranker.attention.attention_file import AttentionFile
    from ranker.creatives import CreativeSelector
    from ranker.home import Home
    from ranker.rollout.plan import Rollout
    from ranker.scoring.ladder import Ladder
    from ranker.scoring.protocol import Scorer
    from ranker.scoring.schema import FeatureSchema

# Versions of each schema's model that stay loaded beside a ladder's, for requests that pin one.
KEPT_MODELS = 3


def load_snapshot(home: Home, last: Snapshot | None) -> Snapshot:
    """Returns what the home holds now, warm; `last` itself where nothing has changed.

    Raises errors of `ranker` and `bandit` naming the file that cannot be served.
    """
    directories = model_directories(home.models) if home.models.is_dir() else {}
    rollouts = {schema_id: read_rollout(home.models / schema_id / ROLLOUT_FILE) for schema_id in directories}
    ladders = _ladders(home, directories, rollouts)
    scorers = _scorers(directories, ladders, rollouts, last)
    selector, posterior = _posterior(home, last)
    loaded = Snapshot(
        _schemas(home, scorers, rollouts),
        scorers,
        selector,
        posterior,
        _attention(home, last),
        ladders,
        rollouts,
    )
    return last if last is not None and loaded == last else loaded


class HomeLoader:
    """Loads a home's snapshot, and again only where a file of the home has changed."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._seen: dict[Path, tuple[int, int]] = {}

    def __call__(self, last: Snapshot | None) -> Snapshot:
        """Returns what `load_snapshot` does."""
        seen = _state(self._home)  # before the files are read: what changes meanwhile is loaded the next time
        if last is not None and seen == self._seen:
            return last
        loaded = load_snapshot(self._home, last)
        self._seen = seen
        return loaded


def _state(home: Home) -> dict[Path, tuple[int, int]]:
    """Returns time and size of the files that tell what a home holds; versions do not change once written."""
    files = [
        *home.schemas.glob("*.toml"),
        *home.models.glob(f"*/*/{CARD_FILE}"),
        *home.models.glob(f"*/{LADDER_FILE}"),
        *home.models.glob(f"*/{ROLLOUT_FILE}"),
        *home.posteriors.glob(f"*/{posterior_store.MANIFEST}"),
        home.attention,
    ]
    state = {}
    for path in files:
        with suppress(FileNotFoundError):  # pruned since it was listed
            status = path.stat()
            state[path] = status.st_mtime_ns, status.st_size
    return state


def kept_selector(home: Home, version: str) -> CreativeSelector:
    """Returns the selector of a version, or raises NotFoundError where it is no longer kept."""
    if version not in (known for _, known in posterior_store.versions(home.posteriors)):
        raise NotFoundError("posterior_version", version, f"is no longer kept in {home.posteriors}")
    return posterior_store.load(home.posteriors, version).selector()


def _posterior(
    home: Home, last: Snapshot | None
) -> tuple[CreativeSelector, PosteriorOrigin] | tuple[None, None]:
    version = posterior_store.latest(home.posteriors)
    if version is None:
        return None, None
    if last is not None and last.selector is not None and last.selector.version == version and last.posterior:
        return last.selector, last.posterior
    stored = posterior_store.load(home.posteriors, version)
    selector = stored.selector()
    selector.warm_up()
    origin = stored.provenance
    return selector, PosteriorOrigin(
        origin.catalogue_version, origin.sequence, origin.created_at, origin.disagreement
    )


def _attention(home: Home, last: Snapshot | None) -> AttentionFile | None:
    if not home.attention.is_file():
        return None
    file = read_attention(home.attention)
    known = None if last is None else last.attention
    return known if known is not None and known.version == file.version else file


def _ladders(
    home: Home, directories: Mapping[str, list[Path]], rollouts: Mapping[str, Rollout]
) -> dict[str, Ladder]:
    """Reads the ladders that are served: those that the served model of their schema belongs to.

    While an experiment runs there is none, so that an arm is one model.
    """
    ladders = {}
    for schema_id, oldest_first in directories.items():
        path = home.models / schema_id / LADDER_FILE
        rollout = rollouts[schema_id]
        if rollout.experiment is not None or not path.is_file():
            continue
        ladder = read_ladder(path)
        versions = [rung.model_version for rung in ladder.rungs]
        if (rollout.pinned or oldest_first[-1].name) not in versions:
            continue
        for version in versions:
            if version not in {directory.name for directory in oldest_first}:
                raise NotFoundError(f"{path}: model_version", version, "no such model")
        ladders[schema_id] = ladder
    return ladders


def _scorers(
    directories: Mapping[str, list[Path]],
    ladders: Mapping[str, Ladder],
    rollouts: Mapping[str, Rollout],
    last: Snapshot | None,
) -> dict[str, dict[str, Scorer]]:
    """Loads the newest models, and all that a ladder or a rollout names."""
    scorers: dict[str, dict[str, Scorer]] = {}
    for schema_id, oldest_first in directories.items():
        named = rollouts[schema_id].versions
        missing = sorted(named - {directory.name for directory in oldest_first})
        if missing:
            raise NotFoundError(f"{schema_id}: {ROLLOUT_FILE}", missing[0], "no such model of this schema")
        known = {} if last is None else last.scorers.get(schema_id, {})
        rungs = ladders[schema_id].rungs if schema_id in ladders else ()
        kept = {directory.name for directory in oldest_first[-KEPT_MODELS:]}
        kept |= named | {rung.model_version for rung in rungs}
        scorers[schema_id] = {
            directory.name: known.get(directory.name) or _loaded(directory)
            for directory in oldest_first
            if directory.name in kept
        }
        for rung in rungs:
            _check_schema(scorers[schema_id], rung.model_version)
    return scorers


def _check_schema(versions: dict[str, Scorer], version: str) -> None:
    """Refuses a rung that reads other columns than the newest model, whose schema requests are read by."""
    newest = versions[next(reversed(versions))]
    if versions[version].schema != newest.schema:
        raise InvalidInputError(
            "rungs.model_version", version, f"its schema is not that of {newest.version}: no ladder of both"
        )


def _loaded(directory: Path) -> Scorer:
    scorer = OnnxScorer.load(directory)
    scorer.warm_up()
    return scorer


def _schemas(
    home: Home, scorers: Mapping[str, dict[str, Scorer]], rollouts: Mapping[str, Rollout]
) -> dict[str, FeatureSchema]:
    schemas = {}
    for path in sorted(home.schemas.glob("*.toml")):
        schema = read_schema(path)
        schemas[schema.schema_id] = schema
    # A model's own schema holds the vocabularies that it was trained with.
    for schema_id, versions in scorers.items():
        schemas[schema_id] = versions[rollouts[schema_id].pinned or next(reversed(versions))].schema
    return schemas
