"""Small programs that learn a click formula: their instructions, and what they are worth on data."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

import numpy as np
from numba import njit

from nas.errors import SearchError
from nas.space import ChoiceBlock, SearchSpace
from nas.trial import Trial

if TYPE_CHECKING:
    from nas.space import Architecture, FloatArray

NOTHING, ADD, SUB, MUL, VEC_ADD, VEC_SUB, VEC_MUL, DOT, SCALE, RELU, CONSTANT = range(11)
OPERATIONS: Final = (
    "nothing",
    "s = s + s",
    "s = s − s",
    "s = s · s",
    "v = v + v",
    "v = v − v",
    "v = v ⊙ v",
    "s = v · v",
    "v = s v",
    "v = relu(v)",
    "s = constant",
)
CONSTANTS: Final = (1.0, 0.5, 0.1, -1.0)
NUM_REGISTERS: Final = len(CONSTANTS)
"""Scalars: s0 is the label (0 while predicting), s1 the prediction. Vectors: v0 and v1 are the two fields."""


@dataclass(frozen=True)
class ProgramShape:
    """How many instructions each function may have."""

    setup: int = 2
    predict: int = 3
    learn: int = 4

    def __post_init__(self) -> None:
        for name in ("setup", "predict", "learn"):
            if getattr(self, name) < 1:
                raise SearchError(f"shape.{name}", getattr(self, name), "must be at least 1")

    @cached_property
    def space(self) -> SearchSpace:
        """Four choice blocks an instruction: operation, target, first and second argument."""
        registers = tuple(str(index) for index in range(NUM_REGISTERS))
        blocks = []
        for name in ("setup", "predict", "learn"):
            for index in range(getattr(self, name)):
                row = f"{name}[{index}]"
                blocks.append(ChoiceBlock(f"{row}.operation", OPERATIONS))
                blocks += [ChoiceBlock(f"{row}.{part}", registers) for part in ("target", "first", "second")]
        return SearchSpace(tuple(blocks))

    @property
    def sizes(self) -> tuple[int, ...]:
        """Number of choices of an instruction's four blocks."""
        return self.space.sizes[:4]

    @property
    def functions(self) -> tuple[slice, slice, slice]:
        """The rows of setup, predict and learn."""
        ends = np.cumsum([0, self.setup, self.predict, self.learn]).tolist()
        return slice(ends[0], ends[1]), slice(ends[1], ends[2]), slice(ends[2], ends[3])

    @property
    def nothing(self) -> tuple[int, ...]:
        """An instruction that does nothing."""
        return (NOTHING, 0, 0, 0)

    @property
    def empty(self) -> Architecture:
        """A program that does nothing."""
        return self.nothing * (self.setup + self.predict + self.learn)

    def draw(self, rng: np.random.Generator) -> tuple[int, ...]:
        """Draws an instruction."""
        return tuple(int(choice) for choice in rng.integers(self.sizes))

    def describe(self, program: Architecture) -> str:
        """Writes a program as lines of code."""
        rows = np.array(program).reshape(-1, 4)
        lines = []
        for name, function in zip(("setup", "predict", "learn"), self.functions, strict=True):
            lines.append(f"{name}:")
            lines += [f"  {_line(row)}" for row in rows[function].tolist() if row[0] != NOTHING]
        return "\n".join(lines)


@dataclass(frozen=True)
class FormulaTask:
    """Rows of two fields' embeddings and what is to be predicted."""

    first: FloatArray
    """(n, d)"""
    second: FloatArray
    """(n, d)"""
    target: FloatArray
    """(n,)"""
    num_learned: int
    """Rows that are learned from, one after the other; the rest judge."""
    shape: ProgramShape
    """Of the programs that are judged."""

    def __post_init__(self) -> None:
        if self.first.shape != self.second.shape or self.target.shape != self.first.shape[:1]:
            raise SearchError(
                "task.first.shape", self.first.shape, "must be that of `second`, a target a row"
            )
        if not 0 < self.num_learned < len(self.target):
            raise SearchError("task.num_learned", self.num_learned, f"must be in 1 … {len(self.target) - 1}")

    def evaluate(self, program: Architecture) -> Trial:
        """Learns and judges: the quality is 1 / (1 + mean squared error), 0 where it is not finite."""
        self.shape.space.check(program)
        _, predict, learn = self.shape.functions
        rows = np.array(program, np.int64).reshape(-1, 4)
        ends = np.array([predict.start, learn.start])
        fields = np.stack([self.first, self.second], axis=1)
        error = float(_squared_error(rows, ends, fields, self.target, self.num_learned))
        return Trial(program, 1.0 / (1.0 + error) if np.isfinite(error) else 0.0)


def _line(row: list[int]) -> str:
    operation, target, first, second = row
    return {
        ADD: f"s{target} = s{first} + s{second}",
        SUB: f"s{target} = s{first} − s{second}",
        MUL: f"s{target} = s{first} · s{second}",
        VEC_ADD: f"v{target} = v{first} + v{second}",
        VEC_SUB: f"v{target} = v{first} − v{second}",
        VEC_MUL: f"v{target} = v{first} ⊙ v{second}",
        DOT: f"s{target} = v{first} · v{second}",
        SCALE: f"v{target} = s{first} v{second}",
        RELU: f"v{target} = relu(v{first})",
        CONSTANT: f"s{target} = {CONSTANTS[first]}",
    }[operation]


@njit(cache=True)
def _scalar(operation: int, one: float, other: float) -> float:
    if operation == ADD:
        return one + other
    return one - other if operation == SUB else one * other


@njit(cache=True)
def _entry(operation: int, one: float, other: float, factor: float) -> float:
    if operation == VEC_ADD:
        return one + other
    if operation == VEC_SUB:
        return one - other
    if operation == VEC_MUL:
        return one * other
    return factor * other if operation == SCALE else max(one, 0.0)


@njit(cache=True)
def _run(rows: np.ndarray, scalars: np.ndarray, vectors: np.ndarray) -> None:
    """Runs instructions (k, 4) on scalars (r,) and vectors (r, d), in place."""
    for index in range(len(rows)):
        operation, target, first, second = rows[index]
        if operation in (ADD, SUB, MUL):
            scalars[target] = _scalar(operation, scalars[first], scalars[second])
        elif operation == CONSTANT:
            scalars[target] = CONSTANTS[first]
        elif operation == DOT:
            total = 0.0
            for k in range(vectors.shape[1]):
                total += vectors[first, k] * vectors[second, k]
            scalars[target] = total
        elif operation != NOTHING:
            for k in range(vectors.shape[1]):
                one, other = vectors[first, k], vectors[second, k]
                vectors[target, k] = _entry(operation, one, other, scalars[first])


@njit(cache=True)
def _squared_error(
    program: np.ndarray, ends: np.ndarray, fields: np.ndarray, target: np.ndarray, num_learned: int
) -> float:
    """Runs setup once, predict and learn on each of the first rows, predict alone on the rest."""
    scalars, vectors = np.zeros(NUM_REGISTERS), np.zeros((NUM_REGISTERS, fields.shape[2]))
    _run(program[: ends[0]], scalars, vectors)
    total = 0.0
    for row in range(len(target)):
        vectors[:2] = fields[row]
        scalars[0], scalars[1] = 0.0, 0.0
        _run(program[ends[0] : ends[1]], scalars, vectors)
        if row >= num_learned:
            total += (scalars[1] - target[row]) ** 2
        else:
            scalars[0] = target[row]
            _run(program[ends[1] :], scalars, vectors)
    return total / (len(target) - num_learned)
