"""The Parquet tables of the export: their columns, and one row of each from what is stored.

`decisions` has a row for every shown position, `mixtures` one for every decision, `outcomes` one for every
outcome that was kept, `requests` one for every captured request. All carry `decision_id`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import pyarrow as pa
from msgspec import to_builtins

if TYPE_CHECKING:
    from ranker.slate import Creative, Decision, ShownAd

_TIME = pa.timestamp("us", tz="UTC")

DECISIONS = pa.schema(
    [
        ("decision_id", pa.string()),
        ("created_at", _TIME),
        ("position", pa.int32()),
        ("candidate_id", pa.string()),
        ("ctr", pa.float64()),
        ("value", pa.float64()),
        ("attention", pa.float64()),
        ("propensity", pa.float64()),  # of this candidate at this position
        ("slate_propensity", pa.float64()),
        ("exploration_ratio", pa.float64()),
        ("creative_space_id", pa.string()),  # null: an ad without creatives, as in the seven that follow
        ("creative_elements", pa.map_(pa.string(), pa.string())),
        ("creative_propensity", pa.float64()),
        ("creative_draw", pa.int64()),
        ("creative_floor", pa.float64()),
        ("creative_feasible_hash", pa.string()),
        ("creative_pool_seed", pa.int64()),
        ("creative_exact", pa.bool_()),
        ("schema_id", pa.string()),
        ("model_version", pa.string()),
        ("posterior_version", pa.string()),
        ("attention_version", pa.string()),  # "": the request brought its own attention
        ("experiment", pa.string()),  # "", as the arm: in none
        ("arm", pa.string()),
        ("degradation", pa.string()),  # "": nothing was given up
        ("context", pa.map_(pa.string(), pa.int64())),
        ("sequence", pa.int64()),  # of joining; null, as in the next two: not joined yet
        ("reward", pa.float64()),
        ("expired", pa.bool_()),
    ]
)
_CONSTRAINT = pa.struct(
    [
        ("name", pa.string()),
        ("relation", pa.string()),
        ("limit", pa.float64()),
        ("expected_use", pa.float64()),
        ("slack", pa.float64()),
        ("dual", pa.float64()),
        ("met", pa.bool_()),
    ]
)
MIXTURES = pa.schema(
    [
        ("decision_id", pa.string()),
        ("created_at", _TIME),
        ("request_hash", pa.string()),
        ("num_positions", pa.int32()),
        ("candidate_ids", pa.list_(pa.string())),
        ("ctr", pa.list_(pa.float64())),
        ("slates", pa.list_(pa.list_(pa.int32()))),  # indices into candidate_ids
        ("probabilities", pa.list_(pa.float64())),
        ("exploration_ratio", pa.float64()),
        ("slate_propensity", pa.float64()),
        ("constraints", pa.list_(_CONSTRAINT)),
        ("degradation", pa.string()),
        ("solver_status", pa.string()),
        ("solver_steps", pa.int64()),
        ("expected_objective", pa.float64()),
        ("objective_bound", pa.float64()),
        ("default_reward", pa.bool_()),
        ("stage_seconds", pa.map_(pa.string(), pa.float64())),
    ]
)
OUTCOMES = pa.schema(
    [
        ("event_id", pa.string()),
        ("decision_id", pa.string()),
        ("position", pa.int32()),
        ("event_type", pa.string()),
        ("reward", pa.float64()),
        ("occurred_at", _TIME),
        ("received_at", _TIME),
        ("status", pa.string()),
    ]
)
REQUESTS = pa.schema(
    [
        ("decision_id", pa.string()),
        ("created_at", _TIME),
        ("record", pa.binary()),  # as `ranker.events.request_codec` reads it
    ]
)

Row: TypeAlias = dict[str, Any]


def position_rows(decision: Decision, rewards: dict[int, tuple[int, float, bool]]) -> list[Row]:
    """Give the rows of a decision in `decisions`; rewards are (sequence, reward, expired) by position."""
    return [
        _position_row(decision, position, ad) | _reward_cells(rewards.get(position))
        for position, ad in enumerate(decision.shown)
    ]


def _position_row(decision: Decision, position: int, ad: ShownAd) -> Row:
    return {
        "decision_id": decision.decision_id,
        "created_at": microseconds(decision.created_at),
        "position": position,
        "candidate_id": ad.candidate_id,
        "ctr": ad.ctr,
        "value": ad.value,
        "attention": ad.attention,
        "propensity": ad.propensity,
        "slate_propensity": decision.slate_propensity,
        "exploration_ratio": decision.exploration_ratio,
        **_creative_cells(ad.creative),
        "schema_id": decision.schema_id,
        "model_version": decision.model_version,
        "posterior_version": decision.posterior_version,
        "attention_version": decision.attention_version,
        "experiment": decision.experiment,
        "arm": decision.arm,
        "degradation": decision.degradation,
        "context": list(decision.context.items()),
    }


def _creative_cells(creative: Creative | None) -> Row:
    if creative is None:
        return {}
    return {
        "creative_space_id": creative.space_id,
        "creative_elements": list(creative.elements.items()),
        "creative_propensity": creative.propensity,
        "creative_draw": creative.draw,
        "creative_floor": creative.floor,
        "creative_feasible_hash": creative.feasible_hash,
        "creative_pool_seed": creative.pool_seed,
        "creative_exact": creative.exact,
    }


def _reward_cells(joined: tuple[int, float, bool] | None) -> Row:
    return {} if joined is None else dict(zip(("sequence", "reward", "expired"), joined, strict=True))


def mixture_row(decision: Decision) -> Row:
    """Give the row of a decision in `mixtures`."""
    plain: Row = to_builtins(decision)  # names that are no columns are left out by Arrow
    return plain | {
        "created_at": microseconds(decision.created_at),
        "num_positions": len(decision.shown),
        "stage_seconds": list(decision.stage_seconds.items()),
    }


def microseconds(seconds: float) -> int:
    """Give the time since the epoch as Parquet's timestamps count it."""
    return round(seconds * 1e6)
