"""A decision survives its bytes exactly."""

from __future__ import annotations

import math
import struct
from dataclasses import fields, is_dataclass, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ranker.errors import StateError
from ranker.events.codec import VERSION, decode, encode
from ranker.slate import Creative, Decision, Relation, ShownAd
from tests.contracts.event_store import make_decision

# MessagePack's whole numbers have 64 bits. What is not named here follows the annotations, so that a field
# added to the decision is tested without a change.
INT64 = st.integers(-(2**63), 2**63 - 1)
CREATIVES = st.none() | st.builds(Creative, draw=INT64)
DECISIONS = st.builds(
    Decision,
    context=st.dictionaries(st.text(max_size=5), INT64, max_size=3),
    slates=st.lists(st.lists(INT64, max_size=3).map(tuple), max_size=3).map(tuple),
    solver_steps=INT64,
    shown=st.lists(st.builds(ShownAd, creative=CREATIVES), max_size=3).map(tuple),
)


def bits(value: object) -> object:
    """The value with floats as their bits, so that NaN equals itself and 0.0 is not −0.0."""
    match value:
        case float():
            return struct.pack(">d", value)
        case tuple():
            return ("tuple", *map(bits, value))
        case dict():
            return {key: bits(item) for key, item in value.items()}
        case _ if is_dataclass(value):
            return (type(value), {field.name: bits(getattr(value, field.name)) for field in fields(value)})
        case _:
            return (type(value), value)


@given(DECISIONS)
def test_every_field_comes_back_bit_for_bit(decision: Decision) -> None:
    assert bits(decode(encode(decision))) == bits(decision)


def test_types_come_back_as_they_were() -> None:
    back = decode(encode(make_decision()))
    assert isinstance(back.slates, tuple)
    assert isinstance(back.slates[0], tuple)
    assert back.constraints[0].relation is Relation.AT_LEAST
    assert isinstance(back.shown[0].creative, Creative)
    assert back.shown[1].creative is None


def test_numpy_scalars_become_plain_numbers() -> None:
    decision = replace(make_decision(), slate_propensity=np.float64(1 / 3), solver_steps=np.int64(4))  # type: ignore[arg-type]
    back = decode(encode(decision))
    assert (type(back.slate_propensity), back.slate_propensity) == (float, 1 / 3)
    assert (type(back.solver_steps), back.solver_steps) == (int, 4)


def test_an_object_that_is_no_field_is_refused() -> None:
    with pytest.raises(TypeError, match="cannot hold"):
        encode(replace(make_decision(), context={"hour": object()}))  # type: ignore[dict-item]


def test_infinity_is_kept() -> None:
    assert math.isinf(decode(encode(make_decision())).objective_bound)


def test_a_newer_record_is_not_guessed_at() -> None:
    with pytest.raises(StateError, match="reads version"):
        decode(bytes((VERSION + 1,)) + encode(make_decision())[1:])


@pytest.mark.parametrize(
    "record", [b"", encode(make_decision())[:100], bytes((VERSION,)) + b"\x93\x01\x02\x03"]
)
def test_a_damaged_record_says_so(record: bytes) -> None:
    with pytest.raises(StateError):
        decode(record)
