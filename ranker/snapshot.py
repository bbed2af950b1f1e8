"""The versions that serve at one moment, swapped as a whole: no request sees half of a change."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from ranker.errors import NotFoundError, StateError
from ranker.rollout.plan import Assignment, Rollout, assign

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from ranker.attention.attention_file import AttentionFile
    from ranker.creatives import CreativeSelector
    from ranker.scoring.ladder import Ladder
    from ranker.scoring.protocol import Scorer
    from ranker.scoring.schema import FeatureSchema

DCG_DISCOUNT = "dcg"


@dataclass(frozen=True, slots=True)
class PosteriorOrigin:
    """Where the selector's posterior comes from."""

    catalogue_version: str
    sequence: int  # the last joined event that it has learned from
    created_at: float  # seconds since the epoch
    disagreement: float | None = None  # of its click rates with the reference fit's, where compared


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Schemas by id, CTR models by schema and version (newest last), and the creative selector."""

    schemas: Mapping[str, FeatureSchema]
    scorers: Mapping[str, dict[str, Scorer]]
    selector: CreativeSelector | None = None
    posterior: PosteriorOrigin | None = None  # of the selector
    attention: AttentionFile | None = None  # None: the discount of DCG
    ladders: Mapping[str, Ladder] = field(default_factory=dict)  # by schema; all rungs are among the scorers
    rollouts: Mapping[str, Rollout] = field(default_factory=dict)  # by schema; none: the newest model
    assigned: Assignment | None = None  # of a kept decision that is made again; None: as the rollouts say

    def schema(self, schema_id: str) -> FeatureSchema:
        """Returns the schema, or raises NotFoundError."""
        if schema_id not in self.schemas:
            raise NotFoundError("schema_id", schema_id, f"unknown; served are {sorted(self.schemas)}")
        return self.schemas[schema_id]

    def assignment(self, schema_id: str, unit_id: str) -> Assignment:
        """Returns which model answers a unit's requests that pin none."""
        return self.assigned or assign(self.rollouts.get(schema_id, Rollout()), unit_id)

    def default_version(self, schema_id: str) -> str:
        """Returns the model that answers units in no arm."""
        return self.scorer(schema_id, self.rollouts.get(schema_id, Rollout()).pinned).version

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

    def default_attention(self, num_positions: int, context: Mapping[str, int]) -> NDArray[np.float64]:
        """Returns the attention `(num_positions,)` of requests that bring none.

        Without a file it is aⱼ = 1/log₂(j + 2), the discount of DCG (Järvelin & Kekäläinen 2002). Raises
        InvalidInputError where the file has not that many positions.
        """
        if self.attention is None:
            discount: NDArray[np.float64] = 1.0 / np.log2(np.arange(num_positions) + 2.0)
            return discount
        return self.attention.served(num_positions, context)

    @property
    def attention_version(self) -> str:
        """The version of the default attention."""
        return DCG_DISCOUNT if self.attention is None else self.attention.version

    def creative_selector(self) -> CreativeSelector:
        """Returns the selector, or raises StateError where the service has no creative catalogue."""
        if self.selector is None:
            raise StateError("candidates.creative_space_ids", "", "this service has no creative catalogue")
        return self.selector
