"""Evolution of programs (AutoML-Zero): interaction formulae from nothing but arithmetic."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nas.errors import SearchError
from nas.strategies.regularized_evolution import RegularizedEvolution

if TYPE_CHECKING:
    from nas.formula import ProgramShape
    from nas.space import Architecture
    from nas.trial import Trial


class AutoMlZero:
    """Regularized evolution over programs of setup, predict and learn, from empty ones.

    A child is its parent with one of three changes, in equal shares: an instruction is inserted at random or
    removed; all instructions of one function are drawn anew; one argument of one instruction is drawn anew.

    Source: Real et al. 2020, AutoML-Zero: evolving machine learning algorithms from scratch
    (arXiv 2003.03384), section 3.
    """

    def __init__(
        self,
        shape: ProgramShape,
        rng: np.random.Generator,
        population_size: int = 100,
        sample_size: int = 10,
    ) -> None:
        self._shape = shape
        self._rng = rng
        self._population = RegularizedEvolution(shape.space, rng, population_size, sample_size)
        self._num_asked = 0
        self._size = population_size

    def ask(self) -> Architecture:
        """Proposes empty programs with one change until the population is full, then changed parents."""
        self._num_asked += 1
        parent = self._population.parent() if self._num_asked > self._size else None
        return self.changed(self._shape.empty if parent is None else parent.architecture)

    def tell(self, trial: Trial) -> None:
        """Adds a member; the oldest one leaves when there are too many."""
        self._population.tell(trial)

    def changed(self, program: Architecture) -> Architecture:
        """Changes a program once."""
        shape, kind = self._shape, int(self._rng.integers(3))
        if len(program) != len(shape.space.blocks):
            raise SearchError("program", program, f"must choose in {len(shape.space.blocks)} blocks")
        rows = np.array(program).reshape(-1, 4)
        function = shape.functions[int(self._rng.integers(len(shape.functions)))]
        if kind == 0:
            rows[function] = self._inserted_or_removed(rows[function])
        elif kind == 1:
            rows[function] = [shape.draw(self._rng) for _ in rows[function]]
        else:
            row, column = int(self._rng.integers(len(rows))), int(self._rng.integers(4))
            rows[row, column] = self._rng.integers(shape.sizes[column])
        return tuple(int(choice) for choice in rows.ravel())

    def _inserted_or_removed(self, rows: np.ndarray) -> np.ndarray:
        """Shifts what follows by one; the last instruction gives way, or nothing takes its place."""
        at = int(self._rng.integers(len(rows)))
        if self._rng.random() < 0.5:
            return np.concatenate([rows[:at], [self._shape.draw(self._rng)], rows[at:-1]])
        return np.concatenate([rows[:at], rows[at + 1 :], [self._shape.nothing]])
