"""Random numbers by name: each part of the world draws for each request from a stream of its own.

A stream is a counter, not a state: what a request draws depends on (seed, part, request number) alone. No
part can shift another's draws, requests may be simulated in any order and batch, and a run resumes anywhere.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from ranker.errors import InvalidInputError
from ranker.simulation.kernel import kernel

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats: TypeAlias = NDArray[np.float64]
    Numbers: TypeAlias = NDArray[np.uint64]

_LOW = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)
_MULTIPLIERS = (np.uint64(0xD2E7470EE14C6C93), np.uint64(0xCA5A826395121157))
_WEYL = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBB67AE8584CAA73B))
_ROUNDS = 10
_TO_DOUBLE = np.uint64(11)
_UNIT = 1.0 / 9007199254740992.0  # 2⁻⁵³


@dataclass(frozen=True, slots=True)
class Streams:
    """The streams of one world."""

    seed: int

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise InvalidInputError("seed", self.seed, "must not be negative")

    def uniforms(self, part: str, numbers: Numbers, count: int) -> Floats:
        """Returns `(B, count)` uniforms in [0, 1): row b is the start of stream (seed, part, numbers[b]).

        Bit for bit what `generator(part, number).random(count)` gives.
        """
        result = np.empty((len(numbers), count))
        fill_uniforms(self.key(part), np.ascontiguousarray(numbers, np.uint64), result)
        return result

    def generator(self, part: str, number: int = 0) -> np.random.Generator:
        """Returns one stream as numpy's generator, for what is drawn once."""
        return np.random.Generator(
            np.random.Philox(key=self.key(part), counter=np.array([0, 0, number, 0], np.uint64))
        )

    def key(self, part: str) -> Numbers:
        """Returns the Philox key `(2,)` of a part: the hash of the seed and its name."""
        digest = hashlib.blake2b(f"{self.seed}/{part}".encode(), digest_size=16).digest()
        return np.frombuffer(digest, dtype="<u8").astype(np.uint64)


@kernel
def fill_uniforms(key: Numbers, numbers: Numbers, result: Floats) -> None:
    """Writes Philox4x64-10 uniforms, (word ≫ 11)·2⁻⁵³, of counters (1, 0, number, 0), (2, 0, number, 0), ….

    Source: Salmon, Moraes, Dror, Shaw (2011), "Parallel random numbers: as easy as 1, 2, 3", section 3.3.
    """
    count = result.shape[1]
    block = np.empty(4, np.uint64)
    for b in range(numbers.size):
        for first in range(0, count, 4):
            block[0] = np.uint64(first // 4 + 1)
            block[1] = np.uint64(0)
            block[2] = numbers[b]
            block[3] = np.uint64(0)
            _encrypt(key[0], key[1], block)
            for i in range(min(4, count - first)):
                result[b, first + i] = (block[i] >> _TO_DOUBLE) * _UNIT


@kernel
def _encrypt(key0: np.uint64, key1: np.uint64, block: Numbers) -> None:
    for _ in range(_ROUNDS):
        high0, low0 = _multiply(_MULTIPLIERS[0], block[0])
        high1, low1 = _multiply(_MULTIPLIERS[1], block[2])
        block[0], block[1] = high1 ^ block[1] ^ key0, low1
        block[2], block[3] = high0 ^ block[3] ^ key1, low0
        key0, key1 = key0 + _WEYL[0], key1 + _WEYL[1]


@kernel
def _multiply(a: np.uint64, b: np.uint64) -> tuple[np.uint64, np.uint64]:
    """Returns both words of the 128-bit product."""
    a_high, a_low = a >> _HALF, a & _LOW
    b_high, b_low = b >> _HALF, b & _LOW
    low = a_low * b_low
    middle = a_high * b_low + (low >> _HALF)
    carried = a_low * b_high + (middle & _LOW)
    return a_high * b_high + (middle >> _HALF) + (carried >> _HALF), a * b
