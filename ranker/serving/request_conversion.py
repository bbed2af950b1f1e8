"""Reads protobuf requests into the domain, and writes the domain's requests for the client."""

from __future__ import annotations

import hashlib
import time
import uuid
from functools import lru_cache
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from ads.ranker.v1 import event_pb2, ranker_pb2
from ranker.errors import InvalidInputError
from ranker.events.records import Outcome
from ranker.slate import (
    Basis,
    Candidates,
    Constraint,
    Context,
    Degradation,
    Mode,
    RankRequest,
    Relation,
)
from ranker.slate_rules import FREE, SlateRules

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

# Callers say by this header how urgent a call of Rank is: low, normal (the default) or high.
PRIORITY_HEADER = "adranker-priority"
# And by this one that they accept any degraded answer, as `mode.degradation` of their message says.
DEGRADATION_HEADER = "adranker-degradation"
Number = TypeVar("Number", np.float32, np.int64)

RELATIONS = {
    ranker_pb2.RELATION_AT_MOST: Relation.AT_MOST,
    ranker_pb2.RELATION_AT_LEAST: Relation.AT_LEAST,
}
# Callers ask for the same limits again and again: so many are read once.
KNOWN_CONSTRAINTS = 1024
BASES = {
    ranker_pb2.BASIS_UNSPECIFIED: Basis.ABSOLUTE,
    ranker_pb2.BASIS_ABSOLUTE: Basis.ABSOLUTE,
    ranker_pb2.BASIS_SHARE_OF_ATTENTION: Basis.SHARE_OF_ATTENTION,
}
DEGRADATIONS = {
    ranker_pb2.DEGRADATION_UNSPECIFIED: Degradation.SMALLER_MODEL,
    ranker_pb2.DEGRADATION_NONE: Degradation.NONE,
    ranker_pb2.DEGRADATION_SMALLER_MODEL: Degradation.SMALLER_MODEL,
    ranker_pb2.DEGRADATION_ANY: Degradation.ANY,
}
DEGRADATION_TO_PROTO = {degradation: number for number, degradation in DEGRADATIONS.items()}
RELATION_TO_PROTO = {relation: number for number, relation in RELATIONS.items()}
BASIS_TO_PROTO = {basis: number for number, basis in BASES.items()}


def request_from_proto(message: ranker_pb2.RankRequest) -> RankRequest:
    """Returns the request, or raises InvalidInputError naming the field that is wrong."""
    constraints = tuple([_constraint(i, c.SerializeToString()) for i, c in enumerate(message.constraints)])
    return RankRequest(
        request_id=message.request_id or uuid.uuid4().hex,
        schema_id=message.schema_id,
        model_version=message.model_version,
        context=Context(
            np.array(message.context.numeric, dtype=np.float32),
            np.array(message.context.categorical, dtype=np.int64),
        ),
        candidates=_candidates(message.candidates),
        num_positions=message.num_positions,
        attention=np.array(message.attention) if message.attention else None,
        constraints=constraints,
        constraint_weights=_constraint_weights(message.constraint_weights, constraints),
        mode=_mode(message.mode),
        content_hash=content_hash(message),
        unit_id=message.unit_id,
        rules=_rules(message.rules, message.candidates.ids) if message.HasField("rules") else None,
    )


def content_hash(message: ranker_pb2.RankRequest) -> str:
    """Names the request's content, to tell a retry from a second use of its id."""
    return hashlib.blake2b(message.SerializeToString(deterministic=True), digest_size=16).hexdigest()


def _candidates(message: ranker_pb2.Candidates) -> Candidates:
    return Candidates(
        ids=tuple(message.ids),
        bids=np.array(message.bids),
        # No matrix is one without columns: right for a schema without such fields, else refused by its shape.
        numeric=_float_matrix("candidates.numeric", message.numeric)
        if message.HasField("numeric")
        else np.empty((len(message.ids), 0), np.float32),
        categorical=_id_matrix("candidates.categorical", message.categorical)
        if message.HasField("categorical")
        else np.empty((len(message.ids), 0), np.int64),
        creative_space_ids=tuple(message.creative_space_ids),
        ctr=np.array(message.ctr) if message.ctr else None,
    )


def _float_matrix(name: str, message: ranker_pb2.FloatMatrix) -> NDArray[np.float32]:
    if message.WhichOneof("data") == "values_f32le":
        if len(message.values_f32le) % 4:
            raise InvalidInputError(
                f"{name}.values_f32le.length", len(message.values_f32le), "4 bytes a value"
            )
        values = np.frombuffer(message.values_f32le, dtype="<f4").astype(np.float32, copy=False)
    else:
        values = np.array(message.values.values, dtype=np.float32)
    return _shaped(name, values, (message.num_rows, message.num_columns))


def _id_matrix(name: str, message: ranker_pb2.IdMatrix) -> NDArray[np.int64]:
    return _shaped(name, np.array(message.ids, dtype=np.int64), (message.num_rows, message.num_columns))


def _shaped(name: str, values: NDArray[Number], shape: tuple[int, int]) -> NDArray[Number]:
    if values.size != shape[0] * shape[1]:
        raise InvalidInputError(
            f"{name}.length",
            values.size,
            f"num_rows × num_columns = {shape[0]} × {shape[1]} values are announced",
        )
    return values.reshape(shape)


def _mode(message: ranker_pb2.Mode) -> Mode:
    if message.degradation not in DEGRADATIONS:
        raise InvalidInputError("mode.degradation", message.degradation, "must lie in 0 … 3")
    degradation = DEGRADATIONS[message.degradation]
    return Mode(message.no_exploration, message.no_log, message.no_default_reward, degradation)


@lru_cache(KNOWN_CONSTRAINTS)
def _constraint(index: int, raw: bytes) -> Constraint:
    message, where = ranker_pb2.Constraint.FromString(raw), f"constraints[{index}]"
    if message.relation not in RELATIONS:
        raise InvalidInputError(f"{where}.relation", message.relation, "must be AT_MOST (1) or AT_LEAST (2)")
    if message.basis not in BASES:
        raise InvalidInputError(
            f"{where}.basis", message.basis, "must be ABSOLUTE (1) or SHARE_OF_ATTENTION (2)"
        )
    return Constraint(
        name=message.name,
        relation=RELATIONS[message.relation],
        limit=message.limit,
        basis=BASES[message.basis],
        violation_price=message.violation_price if message.HasField("violation_price") else None,
        position_weights=tuple(message.position_weights),
    )


def _rules(message: ranker_pb2.SlateRules, ids: Sequence[str]) -> SlateRules:
    place = {name: i for i, name in enumerate(ids)} | {"": FREE}
    for j, name in enumerate(message.pinned):
        if name not in place:
            raise InvalidInputError(f"rules.pinned[{j}]", name, "no such candidate")
    pinned = tuple(place[name] for name in message.pinned)
    return SlateRules(tuple(message.groups), tuple(message.caps), pinned)


def _rules_to_proto(rules: SlateRules, ids: Sequence[str]) -> ranker_pb2.SlateRules:
    pinned = ["" if i == FREE else ids[i] for i in rules.pinned]
    return ranker_pb2.SlateRules(groups=rules.groups, caps=rules.caps, pinned=pinned)


def _constraint_weights(
    message: ranker_pb2.ConstraintWeights, constraints: tuple[Constraint, ...]
) -> NDArray[np.float64]:
    """Returns the rows `(K, n)` in the order of the constraints."""
    names = list(message.constraint_names)
    weights = _float_matrix("constraint_weights.weights", message.weights)
    if len(names) != len(weights):
        raise InvalidInputError(
            "constraint_weights.weights.num_rows", len(weights), f"names are {len(names)}"
        )
    if names == [c.name for c in constraints]:
        return weights.astype(np.float64)
    known = {c.name for c in constraints}
    row = {name: i for i, name in enumerate(names)}
    for i, name in enumerate(names):
        if name not in known:
            raise InvalidInputError(
                f"constraint_weights.constraint_names[{i}]",
                name,
                f"no such constraint; named are {sorted(known)}",
            )
        if row[name] != i:
            raise InvalidInputError(
                f"constraint_weights.constraint_names[{i}]", name, "appears more than once"
            )
    for i, constraint in enumerate(constraints):
        if constraint.name not in row:
            raise InvalidInputError(
                f"constraints[{i}].name", constraint.name, "has no row in constraint_weights"
            )
    return weights[[row[c.name] for c in constraints]].astype(np.float64)


def outcome_from_proto(message: event_pb2.Outcome) -> Outcome:
    """Returns the outcome, or raises InvalidInputError naming the field that is wrong."""
    stamped = message.HasField("occurred_at")
    return Outcome(
        event_id=message.event_id,
        decision_id=message.decision_id,
        position=message.position,
        event_type=message.event_type,
        reward=message.reward,
        occurred_at=message.occurred_at.seconds + message.occurred_at.nanos / 1e9 if stamped else time.time(),
    )


def rank_headers(request: RankRequest, priority: str) -> tuple[tuple[str, str], ...]:
    """Returns what the headers of a call of Rank say: all that is decided before its message is read."""
    headers = ((PRIORITY_HEADER, priority),)
    if request.mode.degradation is Degradation.ANY:
        return (*headers, (DEGRADATION_HEADER, Degradation.ANY.value))
    return headers


def request_to_proto(request: RankRequest) -> ranker_pb2.RankRequest:
    """Writes a request; arrays travel as packed little-endian bytes."""
    message = ranker_pb2.RankRequest(
        request_id=request.request_id,
        schema_id=request.schema_id,
        model_version=request.model_version,
        unit_id=request.unit_id,
        rules=None if request.rules is None else _rules_to_proto(request.rules, request.candidates.ids),
        context=ranker_pb2.Context(
            numeric=request.context.numeric.tolist(), categorical=request.context.categorical.tolist()
        ),
        candidates=_candidates_to_proto(request.candidates),
        num_positions=request.num_positions,
        attention=[] if request.attention is None else request.attention.tolist(),
        constraints=[_constraint_to_proto(c) for c in request.constraints],
        mode=ranker_pb2.Mode(
            no_exploration=request.mode.no_exploration,
            no_log=request.mode.no_log,
            no_default_reward=request.mode.no_default_reward,
            degradation=DEGRADATION_TO_PROTO[request.mode.degradation],
        ),
    )
    if request.constraints:
        message.constraint_weights.constraint_names.extend(c.name for c in request.constraints)
        message.constraint_weights.weights.CopyFrom(_float_matrix_to_proto(request.constraint_weights))
    return message


def _candidates_to_proto(candidates: Candidates) -> ranker_pb2.Candidates:
    ids = candidates.categorical
    return ranker_pb2.Candidates(
        ids=candidates.ids,
        numeric=_float_matrix_to_proto(candidates.numeric),
        categorical=ranker_pb2.IdMatrix(
            num_rows=ids.shape[0], num_columns=ids.shape[1], ids=ids.ravel().tolist()
        ),
        bids=candidates.bids.tolist(),
        creative_space_ids=candidates.creative_space_ids,
        ctr=[] if candidates.ctr is None else candidates.ctr.tolist(),
    )


def _float_matrix_to_proto(matrix: NDArray[np.floating]) -> ranker_pb2.FloatMatrix:
    return ranker_pb2.FloatMatrix(
        num_rows=matrix.shape[0], num_columns=matrix.shape[1], values_f32le=matrix.astype("<f4").tobytes()
    )


def _constraint_to_proto(constraint: Constraint) -> ranker_pb2.Constraint:
    return ranker_pb2.Constraint(
        name=constraint.name,
        relation=RELATION_TO_PROTO[constraint.relation],
        basis=BASIS_TO_PROTO[constraint.basis],
        limit=constraint.limit,
        violation_price=constraint.violation_price,
        position_weights=constraint.position_weights,
    )


def outcome_to_proto(outcome: Outcome) -> event_pb2.Outcome:
    """Writes an outcome."""
    message = event_pb2.Outcome(
        event_id=outcome.event_id,
        decision_id=outcome.decision_id,
        position=outcome.position,
        event_type=outcome.event_type,
        reward=outcome.reward,
    )
    message.occurred_at.FromNanoseconds(round(outcome.occurred_at * 1e9))
    return message
