"""The streams of requests: one at a time they are NumPy's own, many at once the same."""

from __future__ import annotations

import hashlib

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ranker.request_streams import first_uniforms, request_rng


def test_the_same_id_and_key_draw_the_same_slate() -> None:
    assert request_rng(b"k", "r").random() == request_rng(b"k", "r").random()
    assert request_rng(b"k", "r").random() != request_rng(b"k", "q").random()
    assert request_rng(b"k", "r").random() != request_rng(b"l", "r").random()
    assert request_rng(b"k", "r", "e").random() != request_rng(b"k", "r").random()


@given(st.text())
def test_the_seed_of_the_draws_is_the_digest_as_one_number(request_id: str) -> None:
    # Logged decisions are replayed by it: it never changes.
    seed = int.from_bytes(hashlib.blake2b(request_id.encode(), key=b"k", digest_size=16).digest())
    assert request_rng(b"k", request_id).bit_generator.state == np.random.PCG64(seed).state


def test_first_numbers_of_many_streams_are_those_of_each_to_the_last_bit() -> None:
    names = [f"request {i}" for i in range(2000)]
    experiments = ["" if i % 3 else f"experiment {i % 2}" for i in range(2000)]
    found = first_uniforms(b"key", names, experiments)
    asked = zip(names, experiments, strict=True)
    expected = np.array([request_rng(b"key", name, experiment).random(2) for name, experiment in asked])
    assert found.tobytes() == expected.tobytes()
