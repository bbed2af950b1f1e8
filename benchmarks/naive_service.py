"""The same answer the plain way: nested feature messages, loops in Python, cvxpy for each request.

    python -m benchmarks.naive_service HOME

It is spared what ours does besides: no log, no checks, no metrics, no exploration, no reports. The model runs
once for all candidates, and creatives come from our own selector, so the ratio to ours errs in its favour.
"""

from __future__ import annotations

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cvxpy
import grpc
import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from scipy.optimize import linear_sum_assignment

from ranker.home import Home
from ranker.serving.home_loader import load_snapshot

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ranker.slate import RankRequest
    from ranker.snapshot import Snapshot

cp: Any = cvxpy  # its types leave out half of it
METHOD = "/ads.ranker.v1.RankerService/Rank"
SPACE_OF_ROUNDING = 1e-7
MESSAGES = {
    "Feature": [("name", 9, ""), ("value", 1, "")],
    "Weight": [("constraint", 5, ""), ("value", 1, "")],
    "Candidate": [
        ("id", 9, ""),
        ("bid", 1, ""),
        ("space", 9, ""),
        ("features", 11, "Feature"),
        ("weights", 11, "Weight"),
    ],
    "Shown": [("id", 9, ""), ("elements", 9, "*")],
    "Request": [
        ("request_id", 9, ""),
        ("device", 5, ""),
        ("num_positions", 5, ""),
        ("limits", 1, "*"),
        ("candidates", 11, "Candidate"),
    ],
    "Answer": [("shown", 11, "Shown")],
}


def _classes() -> dict[str, Any]:
    file = descriptor_pb2.FileDescriptorProto(name="naive.proto", package="naive", syntax="proto3")
    for name, fields in MESSAGES.items():
        message = file.message_type.add(name=name)
        for number, (field, kind, of) in enumerate(fields, 1):
            added = message.field.add(name=field, number=number, type=kind, label=3 if of else 1)
            if kind == descriptor_pb2.FieldDescriptorProto.TYPE_MESSAGE:
                added.type_name = f".naive.{of}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"naive.{name}"))
        for name in MESSAGES
    }


CLASSES = _classes()


def to_message(request: RankRequest) -> bytes:
    """Returns a request as nested messages."""
    message = CLASSES["Request"](
        request_id="load",
        device=int(request.context.categorical[0]),
        num_positions=request.num_positions,
        limits=[constraint.limit for constraint in request.constraints],
    )
    candidates = request.candidates
    for i, name in enumerate(candidates.ids):
        one = message.candidates.add(id=name, bid=candidates.bids[i], space=candidates.creative_space_ids[i])
        for j, value in enumerate(candidates.numeric[i]):
            one.features.add(name=f"x{j}", value=float(value))
        for q, weights in enumerate(request.constraint_weights):
            if weights[i]:
                one.weights.add(constraint=q, value=weights[i])
    return bytes(message.SerializeToString())


def mixture(
    value: NDArray[np.float64],
    attention: NDArray[np.float64],
    rows: NDArray[np.float64],
    limits: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Returns the marginals (n, k) of the best mixture of slates whose constraints hold in expectation."""
    x = cp.Variable((len(value), len(attention)), nonneg=True)
    seen = x @ attention
    held = [cp.sum(x, axis=0) == 1, cp.sum(x, axis=1) <= 1]
    if len(limits):
        held.append(rows @ seen <= limits * attention.sum())
    cp.Problem(cp.Maximize(value @ seen), held).solve(solver=cp.HIGHS)
    return np.asarray(x.value)


def drawn(marginals: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Draws a slate from a decomposition of the marginals, as many steps of it as the draw needs."""
    rest, u = marginals.clip(0.0), rng.random()
    while True:
        open_rows = np.flatnonzero(rest.sum(axis=1) > SPACE_OF_ROUNDING)
        busy = rest[open_rows]
        ads, positions = linear_sum_assignment(np.log(busy + 1e-12), maximize=True)
        slate = open_rows[ads[np.argsort(positions)]]
        share = float(rest[slate, np.arange(len(slate))].min())
        u -= share
        if u <= 0 or share <= SPACE_OF_ROUNDING:
            return slate
        rest[slate, np.arange(len(slate))] -= share


def answer(snapshot: Snapshot, request: Any) -> Any:
    """Ranks one request."""
    schema_id = next(iter(snapshot.scorers))
    scorer = snapshot.scorer(schema_id, "")
    features, bids = [], []
    rows = np.zeros((len(request.limits), len(request.candidates)))
    for i, candidate in enumerate(request.candidates):
        named = {feature.name: feature.value for feature in candidate.features}
        features.append([named[field] for field in scorer.schema.candidate_numeric])
        bids.append(candidate.bid)
        for weight in candidate.weights:
            rows[weight.constraint, i] = weight.value
    n = len(bids)
    ctr = scorer.score(
        np.empty(0, np.float32),
        np.array([request.device]),
        np.array(features, np.float32),
        np.empty((n, 0), np.int64),
    )
    attention = snapshot.default_attention(request.num_positions, {})
    rng = np.random.default_rng()
    slate = drawn(mixture(ctr * bids, attention, rows, np.array(request.limits)), rng)
    selector, context = snapshot.creative_selector(), {"device": request.device}
    shown = [request.candidates[i] for i in slate.tolist()]
    draw, floors = int(rng.integers(selector.num_draws)), rng.random(len(shown)).tolist()
    creatives = selector.select_many([candidate.space for candidate in shown], context, draw, floors)
    answered = CLASSES["Answer"]()
    for candidate, creative in zip(shown, creatives, strict=True):
        answered.shown.add(id=candidate.id, elements=list(creative.elements.values()))
    return answered


def main() -> None:
    snapshot = load_snapshot(Home(Path(sys.argv[1])), None)
    handler = grpc.unary_unary_rpc_method_handler(
        lambda request, _: answer(snapshot, request),
        request_deserializer=CLASSES["Request"].FromString,
        response_serializer=CLASSES["Answer"].SerializeToString,
    )
    service, method = METHOD.strip("/").split("/")
    server = grpc.server(ThreadPoolExecutor(2))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {method: handler}),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(json.dumps({"address": f"127.0.0.1:{port}"}), flush=True)
    server.wait_for_termination()


if __name__ == "__main__":
    main()
