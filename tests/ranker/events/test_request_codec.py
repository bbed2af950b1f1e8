from dataclasses import fields, is_dataclass, replace

import numpy as np
import pytest

from ranker.errors import StateError
from ranker.events.request_codec import decode_request, encode_request
from ranker.slate import Basis, Candidates, Constraint, Context, Degradation, Mode, RankRequest, Relation
from ranker.slate_rules import SlateRules

REQUEST = RankRequest(
    request_id="größer",
    schema_id="shop",
    context=Context(np.array([0.1, np.pi], np.float32), np.array([3, 0])),
    candidates=Candidates(
        ("a", "b", "c"),
        np.array([0.1 + 0.2, 2.0, 0.0]),
        np.array([[1.5], [2.5], [-0.1]], np.float32),
        np.array([[1, 2], [3, 4], [5, 6]]),
        ("", "space", ""),
    ),
    num_positions=2,
    constraints=(
        Constraint("new", Relation.AT_LEAST, 0.3, Basis.SHARE_OF_ATTENTION, 2.0),
        Constraint("cost", Relation.AT_MOST, 5.0),
    ),
    constraint_weights=np.array([[1.0, 0.0, 1.0], [0.1, 0.2, 0.3]]),
    attention=np.array([1.0, 1 / 3]),
    model_version="m1",
    mode=Mode(no_default_reward=True, degradation=Degradation.ANY),
    content_hash="hash",
)


def same(a, b):
    if is_dataclass(a):
        return type(a) is type(b) and all(same(getattr(a, f.name), getattr(b, f.name)) for f in fields(a))
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    return a == b


def test_a_request_comes_back_to_the_bit():
    scored = replace(
        REQUEST,
        model_version="",
        candidates=Candidates(("a", "b"), np.ones(2), ctr=np.array([0.1, 0.7])),
        constraints=(),
        constraint_weights=np.empty((0, 0)),
        attention=None,
    )
    counted = Constraint("top", Relation.AT_MOST, 1.0, position_weights=(1.0, 0.0))
    by_position = replace(REQUEST, constraints=(REQUEST.constraints[0], counted))
    rules = SlateRules((0, 1, 0), (1, 2), (-1, 2))
    ruled = replace(REQUEST, mode=Mode(no_exploration=True), rules=rules)
    for request in (REQUEST, scored, by_position, ruled):
        assert same(decode_request(encode_request(request)), request)


@pytest.mark.parametrize("record", [b"", b"\x07", encode_request(REQUEST)[:-9], b"\x01\x80", b"\x01\xff"])
def test_damaged_bytes_are_named(record):
    with pytest.raises(StateError, match=r"request\.record"):
        decode_request(record)
