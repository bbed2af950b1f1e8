"""A captured request as bytes: one byte of schema version, then MessagePack with every field by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from ranker.errors import RankerError, StateError
from ranker.slate import Basis, Candidates, Constraint, Context, Degradation, Mode, RankRequest, Relation
from ranker.slate_rules import SlateRules

if TYPE_CHECKING:
    from numpy.typing import NDArray

# As in `codec`: a new field with a default needs no new version.
VERSION = 1
_DTYPES = {"f4": np.float32, "f8": np.float64, "i8": np.int64}


def encode_request(request: RankRequest) -> bytes:
    """Give the bytes of a request; every number keeps every bit."""
    candidates, context, mode = request.candidates, request.context, request.mode
    rules = request.rules
    content = {
        "request_id": request.request_id,
        "schema_id": request.schema_id,
        "model_version": request.model_version,
        "content_hash": request.content_hash,
        "num_positions": request.num_positions,
        "context": [_array(context.numeric), _array(context.categorical)],
        "ids": candidates.ids,
        "bids": _array(candidates.bids),
        "features": [_array(candidates.numeric), _array(candidates.categorical)],
        "creative_space_ids": candidates.creative_space_ids,
        "ctr": None if candidates.ctr is None else _array(candidates.ctr),
        "attention": None if request.attention is None else _array(request.attention),
        "constraints": [
            (c.name, c.relation.value, float(c.limit), c.basis.value, c.violation_price, *c.position_weights)
            for c in request.constraints
        ],
        "constraint_weights": _array(request.constraint_weights),
        "mode": [
            mode.no_exploration,
            mode.no_log,
            mode.no_default_reward,
            mode.degradation.value,
        ],
        "unit_id": request.unit_id,
        "rules": None if rules is None else [rules.groups, rules.caps, rules.pinned],
    }
    return bytes((VERSION,)) + msgspec.msgpack.encode(content)


def decode_request(record: bytes) -> RankRequest:
    """Read a request back; StateError where the bytes are not one, or newer than this code."""
    if not record or record[0] != VERSION:
        raise StateError("request.record_version", record[:1].hex(), f"this release reads version {VERSION}")
    try:
        return _request(msgspec.msgpack.decode(memoryview(record)[1:]))
    except (msgspec.DecodeError, RankerError, KeyError, TypeError, ValueError) as error:
        raise StateError("request.record", record[:16].hex(), f"is damaged: {error}") from error


def _request(content: dict[str, Any]) -> RankRequest:
    numeric, categorical = (_read(each) for each in content["features"])
    rules = content.get("rules")
    ctr, attention = (
        None if content[name] is None else _read(content[name]) for name in ("ctr", "attention")
    )
    return RankRequest(
        request_id=content["request_id"],
        schema_id=content["schema_id"],
        context=Context(*(_read(each) for each in content["context"])),
        candidates=Candidates(
            tuple(content["ids"]),
            _read(content["bids"]),
            numeric,
            categorical,
            tuple(content["creative_space_ids"]),
            ctr,
        ),
        num_positions=content["num_positions"],
        constraints=tuple(
            Constraint(name, Relation(relation), limit, Basis(basis), price, tuple(position_weights))
            for name, relation, limit, basis, price, *position_weights in content["constraints"]
        ),
        constraint_weights=_read(content["constraint_weights"]),
        attention=attention,
        model_version=content["model_version"],
        mode=Mode(*content["mode"][:3], *map(Degradation, content["mode"][3:])),
        content_hash=content["content_hash"],
        unit_id=content.get("unit_id", ""),
        rules=None if rules is None else SlateRules(*map(tuple, rules)),
    )


def _array(values: NDArray[Any]) -> tuple[str, tuple[int, ...], bytes]:
    kind = values.dtype.str[1:]
    return kind, values.shape, values.astype(f"<{kind}", copy=False).tobytes()


def _read(kept: tuple[str, list[int], bytes]) -> NDArray[Any]:
    kind, shape, content = kept
    array: NDArray[Any] = np.frombuffer(content, f"<{kind}").astype(_DTYPES[kind]).reshape(shape)
    return array
