"""The arrays that the kernels work on: requests in, room to compute, answers out."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ranker.solver.kernel import kernel

if TYPE_CHECKING:
    from ranker.solver.arrays import Floats, Ints, Records, Singles

ROW = np.dtype(
    [
        ("limit", np.float64),  # g, cut off at ±2: beyond that a row is void or hopeless anyway
        ("factor", np.float64),  # ±1 / max|M_source|: what the constraint was multiplied by
        ("source", np.int64),  # the constraint that the row stems from
        ("price", np.float64),  # of a unit of violation; inf where hard
        ("equality", np.int64),  # 1 where neither slack nor excess is free
        ("floor", np.float64),  # least multiplier: minus what a unit of slack costs
        ("ceiling", np.float64),  # greatest multiplier: what a unit of excess costs
        ("point", np.float64),  # multiplier at the next query
        ("center", np.float64),  # multiplier where the dual bound was lowest in this stage
        ("saved", np.float64),  # the same for the value, while a stage restores feasibility
        ("proof", np.float64),  # direction that proves infeasibility
    ]
)
"""One row Gx ≤ g, or Gx = g, of the scaled problem."""

WALK = np.dtype(
    [
        ("value_unit", np.float64),  # max|c|
        ("attention_unit", np.float64),  # Σa
        ("num_free", np.int64),  # positions that nobody is pinned to
        ("capped", np.int64),  # 1 where caps or pins restrict the slates
        ("rough", np.int64),  # 1 where single precision rules candidates out: see rough
        ("num_known", np.int64),  # slates that the master knows
        ("num_pivots", np.int64),
        ("refreshed", np.int64),  # how many they were when the basis was last factorised
        ("num_steps", np.int64),  # slates priced
        ("first_step", np.int64),  # how many they were when the stage began
        ("surrounded", np.int64),  # 1 while an ellipsoid holds the best multipliers of the stage
        ("stage", np.int64),  # what the master maximises: see column_generation
        ("status", np.int64),  # see column_generation
        ("infeasible", np.int64),  # 1 once that is proved
        ("bound", np.float64),  # dual bound at `center`
        ("saved_bound", np.float64),  # the same at `saved`
        ("alpha", np.float64),  # weight of `center` in the next query
        ("cap", np.float64),  # what a unit of violation of a hard row costs at present
        ("least_violation", np.float64),  # of hard rows, that no mixture can avoid
    ]
)
"""Where the search for one problem stands."""


FEWEST = 512
"""Candidates from which on single precision rules some out: see rough."""

ROW_WORDS, WALK_WORDS = ROW.itemsize // 8, WALK.itemsize // 8

Shape = tuple[int, int, int, int, int]
"""R, n, k, number of groups, and slates that the master has room for."""

Rule = tuple[float, float, int, int]
"""Smoothing, gap tolerance, greatest number of steps, and those of a stage before the ellipsoid helps."""

Room = tuple[Shape, "Floats", "Ints"]
"""The memory of a workspace."""


class Workspace(NamedTuple):
    """Holds max vᵀx over mixtures of slates with Gx ≤ g, Σa = max|v| = max|G_r| = 1, and its state."""

    grid: Floats
    """`(R + 2, n)`: G, then v, then zeros."""

    attention: Floats
    """`(k,)`: a / Σa."""

    rows: Records
    """`(R,)` of ROW."""

    walk: Records
    """`(1,)` of WALK."""

    columns: Floats
    """`(R + 2, C)`: use, 1 and value of each known slate."""

    slates: Ints
    """`(C, k)`: the known slates."""

    reduced: Floats
    """`(C,)`: what a unit of each known slate would add to the objective."""

    basis: Ints
    """`(R + 1,)`: basic variables: p ≥ 0 for slate p, −1 − 2r for slack r, −2 − 2r for excess r."""

    tableau: Floats
    """`(R + 2, R + 2)`: inverse of the basis and its right-hand side; duals and objective below."""

    entering: Floats
    """`(R + 2,)`: the entering column."""

    direction: Floats
    """`(R + 2,)`: the same in terms of the basis, and minus what it adds to the objective."""

    matrix: Floats
    """`(R + 1, R + 1)`: room to invert the basis in."""

    ellipsoid: Floats
    """`(R + 1, R)`: P of the ellipsoid in which the best multipliers lie, and its center."""

    point: Floats
    """`(R,)`: multipliers of the query."""

    scores: Floats
    """`(n,)`: v − Gᵀλ."""

    order: Ints
    """`(n,)`: room for a heap of candidates."""

    slate: Ints
    """`(k,)`: the best slate found last."""

    top: Ints
    """`(k,)`: its candidates at the free positions."""

    top_scores: Floats
    """`(k,)`: their scores."""

    old: Ints
    """`(k,)`: the candidates of the slate before."""

    old_scores: Floats
    """`(k,)`: their scores."""

    free: Ints
    """`(k,)`: the free positions."""

    group: Ints
    """`(n,)`: group of each candidate, pinned ones in a last group without room."""

    room: Ints
    """`(num_groups + 2,)`: candidates that the free positions admit of each group."""

    left: Ints
    """`(num_groups + 2,)`: what is left of `room` while a slate is filled."""

    rough_grid: Singles
    """`(R + 1, n)`: G, then v, in single precision; nothing if n < FEWEST, nor in the next."""

    rough_scores: Singles
    """`(n,)`."""

    rough_point: Singles
    """`(R,)`."""


Sheet = tuple[tuple[int, int, int, int], "Floats", "Ints"]
"""The memory of the answers to B problems, and (B, S, K, k): S is the most slates of a mixture."""


class Answers(NamedTuple):
    """Holds the answers to B problems, one a row of each array."""

    slates: Ints
    """`(B, S, k)`."""

    probabilities: Floats
    """`(B, S)`."""

    slate_value: Floats
    """`(B, S)`."""

    slate_use: Floats
    """`(B, S, K)`."""

    use: Floats
    """`(B, K)`."""

    slack: Floats
    """`(B, K)`."""

    violation: Floats
    """`(B, K)`."""

    dual: Floats
    """`(B, K)`."""

    proof: Floats
    """`(B, K)`."""

    objective: Floats
    """`(B,)`."""

    upper_bound: Floats
    """`(B,)`."""

    status: Ints
    """`(B,)`."""

    num_slates: Ints
    """`(B,)`."""

    num_steps: Ints
    """`(B,)`."""


def make_room(shape: Shape) -> Room:
    """Returns the shape and the memory of a workspace."""
    num_rows, n, k, num_groups, capacity = shape
    floats = (num_rows + 2) * (n + capacity + num_rows + 2) + (num_rows + 1) ** 2 + (num_rows + 1) * num_rows
    floats += n + k * 3 + capacity + num_rows * 3 + 4 + num_rows * ROW_WORDS + WALK_WORDS
    floats += words_of_singles(num_rows, n)
    ints = num_rows + 1 + (capacity + 4) * k + 2 * n + 2 * (num_groups + 2)
    return shape, np.empty(floats), np.empty(ints, np.int64)


def words_of_singles(num_rows: int, n: int) -> int:
    """Returns the words that hold (R + 2) n + R numbers in single precision, or 0 if n < FEWEST."""
    return ((num_rows + 2) * n + num_rows + 1) // 2 if n >= FEWEST else 0


rough_words = kernel(words_of_singles)
"""`words_of_singles`, for kernels."""


@kernel
def carve(room: Room) -> Workspace:
    """Returns the workspace in its memory, whose contents are left as they are."""
    (num_rows, n, k, num_groups, capacity), floats, ints = room
    grid, floats = cut(floats, num_rows + 2, n)
    columns, floats = cut(floats, num_rows + 2, capacity)
    tableau, floats = cut(floats, num_rows + 2, num_rows + 2)
    matrix, floats = cut(floats, num_rows + 1, num_rows + 1)
    ellipsoid, floats = cut(floats, num_rows + 1, num_rows)
    vectors, floats = cut(floats, 3, k)
    rows, floats = cut(floats, num_rows, ROW_WORDS)
    walk, floats = cut(floats, 1, WALK_WORDS)
    rough, floats = cut(floats, 1, rough_words(num_rows, n))
    many = n if n >= FEWEST else 0
    rough_grid, singles = cut(rough.reshape(-1).view(np.float32), num_rows + 1, many)
    pivots, floats = cut(floats, 2, num_rows + 2)
    slates, ints = cut(ints, capacity, k)
    places, ints = cut(ints, 4, k)
    people, ints = cut(ints, 2, n)
    counts, ints = cut(ints, 2, num_groups + 2)
    return Workspace(
        grid=grid,
        attention=vectors[0],
        rows=rows.reshape(-1).view(ROW),
        walk=walk.reshape(-1).view(WALK),
        columns=columns,
        slates=slates,
        reduced=floats[:capacity],
        basis=ints[: num_rows + 1],
        tableau=tableau,
        entering=pivots[0],
        direction=pivots[1],
        matrix=matrix,
        ellipsoid=ellipsoid,
        point=floats[capacity : capacity + num_rows],
        scores=floats[capacity + num_rows : capacity + num_rows + n],
        order=people[0],
        slate=places[0],
        top=places[1],
        top_scores=vectors[1],
        old=places[2],
        old_scores=vectors[2],
        free=places[3],
        group=people[1],
        room=counts[0],
        left=counts[1],
        rough_grid=rough_grid,
        rough_scores=singles[:many],
        rough_point=singles[many : many + num_rows],
    )


@kernel
def cut(memory: Records, num_rows: int, num_columns: int) -> tuple[Records, Records]:
    """Returns a matrix at the start of the memory, and what follows."""
    size = num_rows * num_columns
    return memory[:size].reshape((num_rows, num_columns)), memory[size:]


def make_sheet(shape: tuple[int, int, int, int]) -> Sheet:
    """Returns memory for answers, shape = (B, S, K, k)."""
    num_problems, num_slates, num_limits, k = shape
    floats = num_slates * (2 + num_limits) + 5 * num_limits + 2
    ints = num_slates * k + 3
    return shape, np.zeros(num_problems * floats), np.zeros(num_problems * ints, np.int64)


def answers_in(sheet: Sheet) -> Answers:
    """Returns the answers in their memory."""
    (num_problems, num_slates, num_limits, k), floats, ints = sheet
    size = num_problems * num_slates
    mixtures = 5 * num_problems * num_limits
    ends = mixtures + 2 * size
    uses = ends + 2 * num_problems
    by_limit = floats[:mixtures].reshape((5, num_problems, num_limits))
    by_slate = floats[mixtures:ends].reshape((2, num_problems, num_slates))
    by_end = floats[ends:uses].reshape((2, num_problems))
    counts = ints[: 3 * num_problems].reshape((3, num_problems))
    return Answers(
        slates=ints[3 * num_problems :].reshape((num_problems, num_slates, k)),
        probabilities=by_slate[0],
        slate_value=by_slate[1],
        slate_use=floats[uses:].reshape((num_problems, num_slates, num_limits)),
        use=by_limit[0],
        slack=by_limit[1],
        violation=by_limit[2],
        dual=by_limit[3],
        proof=by_limit[4],
        objective=by_end[0],
        upper_bound=by_end[1],
        status=counts[0],
        num_slates=counts[1],
        num_steps=counts[2],
    )


lay_out = kernel(answers_in)
"""`answers_in`, for kernels."""


@kernel
def answer_at(answers: Answers, b: int) -> Answers:
    """Returns the room for answer b, cleared."""
    answer = Answers(
        slates=answers.slates[b],
        probabilities=answers.probabilities[b],
        slate_value=answers.slate_value[b],
        slate_use=answers.slate_use[b],
        use=answers.use[b],
        slack=answers.slack[b],
        violation=answers.violation[b],
        dual=answers.dual[b],
        proof=answers.proof[b],
        objective=answers.objective[b : b + 1],
        upper_bound=answers.upper_bound[b : b + 1],
        status=answers.status[b : b + 1],
        num_slates=answers.num_slates[b : b + 1],
        num_steps=answers.num_steps[b : b + 1],
    )
    answer.probabilities[:] = 0.0
    answer.slate_value[:] = 0.0
    answer.slate_use[:] = 0.0
    answer.use[:] = 0.0
    return answer
