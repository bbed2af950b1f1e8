"""The versions that serve at one moment, swapped as a whole: no request sees half of a change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ranker.errors import NotFoundError, StateError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ranker.creatives import CreativeSelector
    from ranker.scoring.protocol import Scorer
    from ranker.scoring.schema import FeatureSchema


@dataclass(frozen=True, slots=True)
class PosteriorOrigin:
    """Where the selector's posterior comes from."""

    catalogue_version: str
    sequence: int  # the last joined event that it has learned from
    created_at: float  # seconds since the epoch


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Schemas by id, CTR models by schema and version (newest last), and the creative selector."""

    schemas: Mapping[str, FeatureSchema]
    scorers: Mapping[str, dict[str, Scorer]]
    selector: CreativeSelector | None = None
    posterior: PosteriorOrigin | None = None  # of the selector

    def schema(self, schema_id: str) -> FeatureSchema:
        """Returns the schema, or raises NotFoundError."""
        if schema_id not in self.schemas:
            raise NotFoundError("schema_id", schema_id, f"unknown; served are {sorted(self.schemas)}")
        return self.schemas[schema_id]

    def scorer(self, schema_id: str, version: str) -> Scorer:
        """Returns the schema's model of that version (the newest for ""), or raises NotFoundError."""
        versions = self.scorers.get(schema_id, {})
        if not versions:
            raise NotFoundError("schema_id", schema_id, "has no CTR model: train one, or send candidates.ctr")
        if not version:
            return versions[next(reversed(versions))]
        if version not in versions:
            raise NotFoundError(
                "model_version", version, f"unknown for {schema_id}; served are {list(versions)}"
            )
        return versions[version]

    def creative_selector(self) -> CreativeSelector:
        """Returns the selector, or raises StateError where the service has no creative catalogue."""
        if self.selector is None:
            raise StateError("candidates.creative_space_ids", "", "this service has no creative catalogue")
        return self.selector
