"""A random stream for each request: the same id and key give the same numbers, on any replica."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Words: TypeAlias = NDArray[np.uint32]
    Longs: TypeAlias = NDArray[np.uint64]
    Pair: TypeAlias = tuple[Longs, Longs]  # the upper and the lower half of 128 bits

# NumPy's SeedSequence.
_FIRST_A, _TIMES_A = 0x43B0D7E5, 0x931E8875
_FIRST_B, _TIMES_B = 0x8B51F9DD, 0x58F38DED
_MIX_LEFT, _MIX_RIGHT = 0xCA01F9DD, 0x4973F715
_WORD = 0xFFFF_FFFF
# The multiplier of PCG64, upper and lower half.
_TIMES = (0x2360ED051FC65DA4, 0x4385DF649FCCF645)
_LOW = np.uint64(_WORD)
_HALF = np.uint64(32)


def request_rng(draw_key: bytes, request_id: str, experiment: str = "") -> np.random.Generator:
    """Returns the request's own random stream: the same id and key draw the same slate, on any replica.

    Each experiment has streams of its own, independent of all others.
    """
    words = np.frombuffer(_seed(draw_key, request_id, _salt(experiment)), dtype="<u4")
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(words)))


def first_uniforms(
    draw_key: bytes, request_ids: Sequence[str], experiments: Sequence[str]
) -> NDArray[np.float64]:
    """Returns `request_rng(…).random(2)` of B requests as `(B, 2)`, to the last bit, in one go.

    Source: O'Neill (2014), "PCG: a family of simple fast space-efficient statistically good algorithms for
    random number generation" (XSL-RR 128/64); O'Neill (2015), "Developing a seed_seq alternative".
    """
    salts = {each: _salt(each) for each in set(experiments)}
    seeds = [
        _seed(draw_key, name, salts[experiment])
        for name, experiment in zip(request_ids, experiments, strict=True)
    ]
    upper, lower, inc_upper, inc_lower = _seeded(np.frombuffer(b"".join(seeds), "<u4").reshape(-1, 4).T)
    increment = (
        (inc_upper << np.uint64(1)) | (inc_lower >> np.uint64(63)),
        (inc_lower << np.uint64(1)) | np.uint64(1),
    )
    # One step from 0 is the increment; the seed is added, and another step taken.
    state = _step(_plus(increment, (upper, lower)), increment)
    drawn = []
    for _ in range(2):
        state = _step(state, increment)
        drawn.append((_output(state) >> np.uint64(11)) * (1.0 / 9007199254740992.0))
    return np.stack(drawn, axis=1)


def _salt(experiment: str) -> bytes:
    return hashlib.blake2b(experiment.encode(), digest_size=16).digest() if experiment else b""


def _seed(draw_key: bytes, request_id: str, salt: bytes) -> bytes:
    """Returns the digest as one number, in the words of 32 bits that the seed is made of, lowest first."""
    return hashlib.blake2b(request_id.encode(), key=draw_key, salt=salt, digest_size=16).digest()[::-1]


def _seeded(entropy: Words) -> tuple[Longs, Longs, Longs, Longs]:
    """Returns SeedSequence(entropy).generate_state(4, uint64) for entropy `(4, B)`, each `(B,)`."""
    constant = _FIRST_A

    def hashed(value: Words) -> Words:
        nonlocal constant
        mixed = value ^ np.uint32(constant)
        constant = constant * _TIMES_A & _WORD
        mixed = mixed * np.uint32(constant)
        return mixed ^ (mixed >> np.uint32(16))

    pool = [hashed(entropy[i]) for i in range(4)]
    for source in range(4):
        for target in range(4):
            if source != target:
                mixed = pool[target] * np.uint32(_MIX_LEFT) - hashed(pool[source]) * np.uint32(_MIX_RIGHT)
                pool[target] = mixed ^ (mixed >> np.uint32(16))
    constant, words = _FIRST_B, []
    for i in range(8):
        word = pool[i % 4] ^ np.uint32(constant)
        constant = constant * _TIMES_B & _WORD
        word = word * np.uint32(constant)
        words.append((word ^ (word >> np.uint32(16))).astype(np.uint64))
    first, second, third, fourth = (words[2 * i] | (words[2 * i + 1] << _HALF) for i in range(4))
    return first, second, third, fourth


def _step(state: Pair, increment: Pair) -> Pair:
    """Returns state · multiplier + increment, modulo 2¹²⁸."""
    upper, lower = state
    times_upper, times_lower = np.uint64(_TIMES[0]), np.uint64(_TIMES[1])
    a, b = lower & _LOW, lower >> _HALF
    c, d = times_lower & _LOW, times_lower >> _HALF
    crossed, other = a * d, b * c
    middle = (a * c >> _HALF) + (crossed & _LOW) + (other & _LOW)
    carried = b * d + (crossed >> _HALF) + (other >> _HALF) + (middle >> _HALF)
    return _plus((upper * times_lower + lower * times_upper + carried, lower * times_lower), increment)


def _plus(left: Pair, right: Pair) -> Pair:
    lower = left[1] + right[1]
    return left[0] + right[0] + (lower < right[1]).astype(np.uint64), lower


def _output(state: Pair) -> Longs:
    """Returns the halves combined by xor, rotated right by the upper 6 bits."""
    word, turn = state[0] ^ state[1], state[0] >> np.uint64(58)
    return np.asarray((word >> turn) | (word << (np.uint64(64) - turn & np.uint64(63))))
