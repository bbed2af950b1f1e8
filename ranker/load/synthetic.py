"""Requests that fit what a home serves, with random features: what a load is made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ranker.errors import InvalidInputError
from ranker.slate import Basis, Candidates, Constraint, Context, RankRequest, Relation

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ranker.scoring.schema import FeatureSchema


@dataclass(frozen=True, slots=True)
class RequestShape:
    """How large a request is."""

    num_candidates: int = 100
    num_positions: int = 10
    num_constraints: int = 5
    creative_spaces: tuple[str, ...] = ()  # candidates take turns; (): no creatives

    def __post_init__(self) -> None:
        if self.num_constraints < 0:
            raise InvalidInputError("num_constraints", self.num_constraints, "must not be negative")
        if not 1 <= self.num_positions <= self.num_candidates:
            raise InvalidInputError(
                "num_positions", self.num_positions, f"must lie in 1 … num_candidates = {self.num_candidates}"
            )


def synthetic_request(
    schema: FeatureSchema, shape: RequestShape, request_id: str, rng: np.random.Generator
) -> RankRequest:
    """Returns one request: normal features, any ids, log-normal bids.

    Constraint q holds the share of attention of a random tenth of the candidates to at most 15 %: about half
    of them bind, and all can be met.
    """
    n = shape.num_candidates
    categorical = len(schema.context_categorical)
    sizes = schema.num_ids
    members = rng.random((shape.num_constraints, n)) < 0.1
    return RankRequest(
        request_id=request_id,
        schema_id=schema.schema_id,
        context=Context(
            rng.normal(size=len(schema.context_numeric)).astype(np.float32), _ids(sizes[:categorical], rng)
        ),
        candidates=Candidates(
            ids=tuple(f"ad{i}" for i in range(n)),
            bids=rng.lognormal(size=n),
            numeric=rng.normal(size=(n, len(schema.candidate_numeric))).astype(np.float32),
            categorical=np.stack([_ids(sizes[categorical:], rng) for _ in range(n)]),
            creative_space_ids=_spaces(shape, n),
        ),
        num_positions=shape.num_positions,
        constraints=tuple(
            Constraint(f"group {q}", Relation.AT_MOST, 0.15, Basis.SHARE_OF_ATTENTION)
            for q in range(shape.num_constraints)
        ),
        constraint_weights=members.astype(np.float64),
    )


def _ids(sizes: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    return rng.integers(0, sizes) if len(sizes) else np.empty(0, np.int64)


def _spaces(shape: RequestShape, n: int) -> tuple[str, ...]:
    spaces = shape.creative_spaces
    return tuple(spaces[i % len(spaces)] for i in range(n)) if spaces else ()
