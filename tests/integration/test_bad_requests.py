"""Every kind of bad request, one broken field at a time, over real gRPC."""

from __future__ import annotations

from collections.abc import Callable

import grpc
import numpy as np
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from prometheus_client import generate_latest

from ads.ranker.v1 import ranker_pb2, ranker_pb2_grpc
from ranker.serving.request_conversion import request_to_proto
from ranker.slate import Basis, Constraint, Relation

INVALID, NOT_FOUND, STATE = (
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.FAILED_PRECONDITION,
)
Message = ranker_pb2.RankRequest
Break = Callable[[Message], object]


def set_matrix(message: Message, index: int, value: float) -> None:
    values = np.frombuffer(message.candidates.numeric.values_f32le, "<f4").copy()
    values[index] = value
    message.candidates.numeric.values_f32le = values.tobytes()


def drop_constraint_weights(message: Message) -> None:
    message.ClearField("constraint_weights")


def rename_weights(message: Message) -> None:
    message.constraint_weights.constraint_names[0] = "nobody"


CASES: dict[str, tuple[Break, grpc.StatusCode, str, str]] = {
    "no candidates": (lambda m: m.ClearField("candidates"), INVALID, "candidates.ids", "[]"),
    "missing matrix": (
        lambda m: m.candidates.ClearField("numeric"),
        INVALID,
        "candidates.numeric.shape",
        "(6, 0)",
    ),
    "too few rows": (
        lambda m: m.candidates.numeric.MergeFrom(ranker_pb2.FloatMatrix(num_rows=5, values_f32le=bytes(20))),
        INVALID,
        "candidates.numeric.num_rows",
        "5",
    ),
    "shape and data differ": (
        lambda m: setattr(m.candidates.numeric, "num_rows", 7),
        INVALID,
        "candidates.numeric.length",
        "6",
    ),
    "half a float": (
        lambda m: setattr(m.candidates.numeric, "values_f32le", b"123"),
        INVALID,
        "candidates.numeric.values_f32le.length",
        "3",
    ),
    "NaN feature": (lambda m: set_matrix(m, 2, np.nan), INVALID, "price[2]", "nan"),
    "infinite feature": (lambda m: set_matrix(m, 0, np.inf), INVALID, "price[0]", "inf"),
    "categorical id out of range": (
        lambda m: m.candidates.categorical.ids.__setitem__(1, 9),
        INVALID,
        "brand[1]",
        "9",
    ),
    "context too short": (
        lambda m: m.context.ClearField("categorical"),
        INVALID,
        "context.categorical.length",
        "0",
    ),
    "context id out of range": (
        lambda m: m.context.categorical.__setitem__(0, 7),
        INVALID,
        "context[device]",
        "7",
    ),
    "unknown schema": (lambda m: setattr(m, "schema_id", "nowhere"), NOT_FOUND, "schema_id", "nowhere"),
    "unknown model": (lambda m: setattr(m, "model_version", "v0"), NOT_FOUND, "model_version", "v0"),
    "unknown creative space": (
        lambda m: m.candidates.creative_space_ids.__setitem__(slice(None), ["nothing"] * 6),
        NOT_FOUND,
        "space_id",
        "nothing",
    ),
    "creative space that needs more context": (
        lambda m: m.candidates.creative_space_ids.__setitem__(slice(None), ["seasonal"] * 6),
        STATE,
        "context[season]",
        "None",
    ),
    "too few creative spaces": (
        lambda m: m.candidates.creative_space_ids.pop(),
        INVALID,
        "candidates.creative_space_ids",
        "5",
    ),
    "duplicate candidate": (
        lambda m: m.candidates.ids.__setitem__(3, "ad1"),
        INVALID,
        "candidates.ids",
        "ad1",
    ),
    "no positions": (lambda m: setattr(m, "num_positions", 0), INVALID, "num_positions", "0"),
    "more positions than candidates": (
        lambda m: setattr(m, "num_positions", 7),
        INVALID,
        "num_positions",
        "7",
    ),
    "too many positions": (lambda m: setattr(m, "num_positions", 501), INVALID, "num_positions", "501"),
    "candidate without id": (
        lambda m: m.candidates.ids.__setitem__(2, ""),
        INVALID,
        "candidates.ids[2]",
        "",
    ),
    "huge bid": (lambda m: m.candidates.bids.__setitem__(1, 1e308), INVALID, "candidates.bids[1]", "1e+308"),
    "huge limit": (
        lambda m: setattr(m.constraints[0], "limit", -1e308),
        INVALID,
        "constraints[new].limit",
        "-1e+308",
    ),
    "long schema id": (
        lambda m: setattr(m, "schema_id", "x" * 100_000),
        NOT_FOUND,
        "schema_id",
        "x" * 255 + "…",
    ),
    "scores and a pinned model": (
        lambda m: (m.candidates.ctr.extend([0.5] * 6), setattr(m, "model_version", "v1")),
        INVALID,
        "model_version",
        "v1",
    ),
    "negative bid": (lambda m: m.candidates.bids.__setitem__(4, -0.5), INVALID, "candidates.bids[4]", "-0.5"),
    "missing bids": (lambda m: m.candidates.ClearField("bids"), INVALID, "candidates.bids.shape", "(0,)"),
    "infinite bid": (
        lambda m: m.candidates.bids.__setitem__(0, np.inf),
        INVALID,
        "candidates.bids[0]",
        "inf",
    ),
    "score above 1": (
        lambda m: m.candidates.ctr.extend([0.5] * 5 + [1.5]),
        INVALID,
        "candidates.ctr[5]",
        "1.5",
    ),
    "rising attention": (lambda m: m.attention.extend([1.0, 0.5, 0.6]), INVALID, "attention[2]", "0.6"),
    "attention above 1": (lambda m: m.attention.extend([1.5, 1.0, 0.5]), INVALID, "attention[0]", "1.5"),
    "attention of zero": (lambda m: m.attention.extend([1.0, 0.5, 0.0]), INVALID, "attention[2]", "0.0"),
    "attention of another length": (lambda m: m.attention.extend([1.0]), INVALID, "attention.shape", "(1,)"),
    "constraint without weights": (drop_constraint_weights, INVALID, "constraints[0].name", "new"),
    "weights of an unknown constraint": (
        rename_weights,
        INVALID,
        "constraint_weights.constraint_names[0]",
        "nobody",
    ),
    "constraint without relation": (
        lambda m: m.constraints[0].ClearField("relation"),
        INVALID,
        "constraints[0].relation",
        "0",
    ),
    "infinite limit": (
        lambda m: setattr(m.constraints[0], "limit", np.inf),
        INVALID,
        "constraints[new].limit",
        "inf",
    ),
    "free violation": (
        lambda m: setattr(m.constraints[0], "violation_price", 0.0),
        INVALID,
        "constraints[new].violation_price",
        "0.0",
    ),
    "position weights of another length": (
        lambda m: m.constraints[0].position_weights.extend([1.0, 1.0]),
        INVALID,
        "constraints[new].position_weights.length",
        "2",
    ),
    "position weight of NaN": (
        lambda m: m.constraints[0].position_weights.extend([1.0, np.nan, 0.0]),
        INVALID,
        "constraints[new].position_weights[1]",
        "nan",
    ),
    "rules with exploration": (
        lambda m: m.rules.pinned.extend(["", "", "ad1"]),
        INVALID,
        "mode.no_exploration",
        "False",
    ),
    "unknown pinned candidate": (
        lambda m: m.rules.pinned.extend(["", "nobody", ""]),
        INVALID,
        "rules.pinned[1]",
        "nobody",
    ),
    "groups without caps": (
        lambda m: m.rules.groups.extend([0] * 6),
        INVALID,
        "rules.groups",
        "0",
    ),
    "constraint named twice": (
        lambda m: m.constraints.append(m.constraints[0]),
        INVALID,
        "constraints.name",
        "new",
    ),
}


@pytest.fixture
def message(make_request) -> Message:
    return request_to_proto(
        make_request(
            constraints=(Constraint("new", Relation.AT_LEAST, 0.2, Basis.SHARE_OF_ATTENTION),),
            constraint_weights=np.eye(1, 6),
        )
    )


@pytest.fixture
def stub(server):
    with grpc.insecure_channel(server.address) as channel:
        yield ranker_pb2_grpc.RankerServiceStub(channel)


def refusal(call: Callable[[], object]) -> tuple[grpc.StatusCode, error_details_pb2.ErrorInfo, str]:
    """Returns code, ErrorInfo and the field of BadRequest of a call that is refused."""
    with pytest.raises(grpc.RpcError) as caught:
        call()
    status = rpc_status.from_call(caught.value)
    info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    assert any(detail.Unpack(info) for detail in status.details)
    assert any(detail.Unpack(bad) for detail in status.details)
    return caught.value.code(), info, bad.field_violations[0].field


def test_the_unbroken_request_is_answered(stub, message):
    assert len(stub.Rank(message).slate) == 3


@pytest.mark.parametrize("case", CASES)
def test_a_bad_request_is_refused_by_field_and_value(case, stub, message, server):
    break_it, code, field, value = CASES[case]
    break_it(message)
    got_code, info, violated = refusal(lambda: stub.Rank(message))
    assert (got_code, info.metadata["field"], info.metadata["value"]) == (code, field, value)
    assert violated == field
    line = f'adranker_rpc_calls_total{{code="{code.name}",method="Rank"}} 1.0'
    assert line in generate_latest(server.parts.metrics.registry).decode()


def test_an_oversized_message_is_refused_with_its_size(stub, message):
    message.candidates.numeric.values_f32le = bytes(4 * 1024 * 1024)
    code, info, _ = refusal(lambda: stub.Rank(message))
    assert code is INVALID
    assert info.metadata["field"] == "message.num_bytes"
    assert info.metadata["value"] == str(message.ByteSize())


def test_bytes_that_are_no_message_are_refused(server):
    with grpc.insecure_channel(server.address) as channel:
        rank = channel.unary_unary("/ads.ranker.v1.RankerService/Rank")
        code, info, _ = refusal(lambda: rank(b"\xff\xff\xff"))
    assert code is INVALID
    assert info.metadata["field"] == "message"


def test_a_batch_that_is_too_long_is_refused(stub):
    batch = ranker_pb2.BatchRankRequest(requests=[ranker_pb2.RankRequest()] * 1001)
    code, info, _ = refusal(lambda: stub.BatchRank(batch))
    assert code is INVALID
    assert (info.metadata["field"], info.metadata["value"]) == ("requests.length", "1001")
