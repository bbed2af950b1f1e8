"""The domain: a request (context, candidates, constraints), the slate that answers it, the decision kept.

Shapes: n candidates, k positions, K constraints, d numeric and c categorical features.
"""

from __future__ import annotations

import operator
from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from ranker.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ranker.slate_rules import SlateRules

    Floats: TypeAlias = NDArray[np.float64]


# What one request may ask for. Far above any page, far below what would occupy a server.
MAX_CANDIDATES = 20_000
MAX_POSITIONS = 500
MAX_CONSTRAINTS = 64
MAX_ID_LENGTH = 256
# Constraints × candidates × positions, where one has position weights: those take far longer to solve.
MAX_POSITIONED_SIZE = 100_000
# Sums of products of two such numbers stay finite.
MAX_MAGNITUDE = 1e30
_MAGNITUDE = f"must be finite and at most {MAX_MAGNITUDE:g} in size"


class Relation(StrEnum):
    """Which side of its limit a constraint must stay on."""

    AT_MOST = "at_most"
    AT_LEAST = "at_least"


class Basis(StrEnum):
    """What a limit is a multiple of: 1, or the sum of attention (of the position weights, where given)."""

    ABSOLUTE = "absolute"
    SHARE_OF_ATTENTION = "share_of_attention"


@dataclass(frozen=True, slots=True)
class Constraint:
    """A named limit on Σⱼ aⱼ·weights[r(j)], in expectation over the slates that may be served.

    With position weights p in place of attention: a 1 for the first three positions and a 0 for the others
    counts how many of a group stand among the first three.
    """

    name: str
    relation: Relation
    limit: float
    basis: Basis = Basis.ABSOLUTE
    # Value given up per unit of violation; None: as little violation as possible, whatever it costs.
    violation_price: float | None = None
    position_weights: tuple[float, ...] = ()  # (k,), in place of attention; (): attention

    def __post_init__(self) -> None:
        where = f"constraints[{self.name}]"
        if not self.name:
            raise InvalidInputError("constraints.name", self.name, "give every constraint a name")
        if not abs(self.limit) <= MAX_MAGNITUDE:
            raise InvalidInputError(f"{where}.limit", self.limit, _MAGNITUDE)
        price = self.violation_price
        if price is not None and not 0 < price <= MAX_MAGNITUDE:
            raise InvalidInputError(f"{where}.violation_price", price, f"must be positive; {_MAGNITUDE}")
        if self.position_weights:
            _finite(f"{where}.position_weights", np.array(self.position_weights))


@dataclass(frozen=True, slots=True)
class Context:
    """The features of the request itself, in the order of the schema's context fields."""

    numeric: NDArray[np.float32] = field(default_factory=lambda: np.empty(0, np.float32))  # (dc,)
    categorical: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))  # (cc,)


@dataclass(frozen=True, slots=True)
class Candidates:
    """The eligible ads as columns. Either the features or the scores (`ctr`) come with the request."""

    ids: tuple[str, ...]  # (n,)
    bids: Floats  # (n,), value of one click
    # (n, d) and (n, c), in the order of the schema's candidate fields
    numeric: NDArray[np.float32] = field(default_factory=lambda: np.empty((0, 0), np.float32))
    categorical: NDArray[np.int64] = field(default_factory=lambda: np.empty((0, 0), np.int64))
    creative_space_ids: tuple[str, ...] = ()  # (n,) or empty; "" is an ad without creatives
    ctr: Floats | None = None  # (n,), the caller's own calibrated scores

    def __post_init__(self) -> None:
        n = len(self.ids)
        if n == 0:
            raise InvalidInputError("candidates.ids", [], "there must be at least one candidate")
        if n > MAX_CANDIDATES:
            raise InvalidInputError("candidates.ids.length", n, f"at most {MAX_CANDIDATES}")
        _check_ids("candidates.ids", self.ids)
        _no_duplicates("candidates.ids", self.ids)
        _one_per_candidate("candidates.bids", self.bids, n)
        _finite("candidates.bids", self.bids)
        if self.bids.min() < 0:
            i = int(np.argmax(self.bids < 0))
            raise InvalidInputError(f"candidates.bids[{i}]", float(self.bids[i]), "must not be negative")
        if self.creative_space_ids and len(self.creative_space_ids) != n:
            raise InvalidInputError(
                "candidates.creative_space_ids",
                len(self.creative_space_ids),
                f"give one a candidate ({n}) or none",
            )
        if self.ctr is None:
            for name in ("numeric", "categorical"):
                if len(getattr(self, name)) != n:
                    raise InvalidInputError(
                        f"candidates.{name}.num_rows",
                        len(getattr(self, name)),
                        f"must be one a candidate ({n})",
                    )
        else:
            _one_per_candidate("candidates.ctr", self.ctr, n)
            _finite("candidates.ctr", self.ctr)
            if not 0 <= self.ctr.min() <= self.ctr.max() <= 1:
                i = int(np.argmax((self.ctr < 0) | (self.ctr > 1)))
                raise InvalidInputError(f"candidates.ctr[{i}]", float(self.ctr[i]), "must lie in [0, 1]")


class Degradation(StrEnum):
    """What a caller accepts where the deadline leaves no time for the full answer."""

    NONE = "none"  # the best model and the solver's optimum, or OverloadedError at once
    SMALLER_MODEL = "smaller_model"  # a model with less to compute, a search that is cut short
    ANY = "any"  # also the last known scores, and in the end an order that knows no limits


@dataclass(frozen=True, slots=True)
class Mode:
    """How this one request wants to be treated; the defaults are those of live traffic."""

    no_exploration: bool = False  # serve the optimal mixture without the exploration share
    no_log: bool = False  # a dry run: the decision is not stored and takes no outcomes
    no_default_reward: bool = False  # silence about this decision is not a reward of 0 (replayed traffic)
    degradation: Degradation = Degradation.SMALLER_MODEL


@dataclass(frozen=True, slots=True)
class RankRequest:
    """One opportunity to show ads: who looks (context), what is eligible, and what the slate must obey."""

    request_id: str
    schema_id: str
    context: Context
    candidates: Candidates
    num_positions: int
    constraints: tuple[Constraint, ...] = ()
    constraint_weights: Floats = field(default_factory=lambda: np.empty((0, 0)))  # (K, n)
    attention: Floats | None = None  # (k,); None: the service's default
    model_version: str = ""  # "": the pinned one or the newest, or that of the unit's arm
    mode: Mode = field(default_factory=Mode)
    content_hash: str = ""  # of the request as received
    unit_id: str = ""  # whom an experiment keeps in one arm; "": the request is on its own
    rules: SlateRules | None = None  # of every slate; None: none

    def __post_init__(self) -> None:
        n, k = len(self.candidates.ids), self.num_positions
        _check_id("request_id", self.request_id)
        if len(self.unit_id) > MAX_ID_LENGTH:
            raise InvalidInputError("unit_id", self.unit_id, f"at most {MAX_ID_LENGTH} characters")
        if not 1 <= k <= MAX_POSITIONS:
            raise InvalidInputError("num_positions", k, f"must lie in 1 … {MAX_POSITIONS}")
        if k > n:
            raise InvalidInputError("num_positions", k, f"exceeds the number of candidates ({n})")
        if len(self.constraints) > MAX_CONSTRAINTS:
            raise InvalidInputError("constraints.length", len(self.constraints), f"at most {MAX_CONSTRAINTS}")
        _no_duplicates("constraints.name", [c.name for c in self.constraints])
        if self.candidates.ctr is not None and self.model_version:
            raise InvalidInputError(
                "model_version", self.model_version, "candidates.ctr takes the model's place"
            )
        if self.constraints:
            if self.constraint_weights.shape != (len(self.constraints), n):
                raise InvalidInputError(
                    "constraint_weights.shape",
                    self.constraint_weights.shape,
                    f"must be (constraints, candidates) = ({len(self.constraints)}, {n})",
                )
            _finite("constraint_weights", self.constraint_weights)
            _check_positions(self.constraints, n, k)
        if self.attention is not None:
            _check_attention(self.attention, k)
        if self.rules is not None:
            self._check_rules(self.rules)

    def _check_rules(self, rules: SlateRules) -> None:
        rules.check(len(self.candidates.ids), self.num_positions)
        if not self.mode.no_exploration:
            raise InvalidInputError(
                "mode.no_exploration", False, "must be set with rules: random slates would break them"
            )
        for constraint in self.constraints:
            if constraint.position_weights:
                where = f"constraints[{constraint.name}].position_weights"
                raise InvalidInputError(where, list(constraint.position_weights), "do not go with rules")


@dataclass(frozen=True, slots=True)
class Creative:
    """The composition that one shown ad was given, and how it came about."""

    space_id: str
    elements: dict[str, str]  # slot → element
    propensity: float  # P(this composition | context), exact for the posterior version
    draw: int  # which of the version's frozen posterior draws chose it
    floor: float  # share of uniform exploration that is part of the propensity
    feasible_hash: str  # of the set of compositions that were allowed
    pool_seed: int = 0  # of the version's draws
    exact: bool = True  # False: the draw's search was cut short, another composition may be better


@dataclass(frozen=True, slots=True)
class ShownAd:
    """One position of the served slate."""

    candidate_id: str
    ctr: float
    value: float
    attention: float
    propensity: float  # P(this candidate at this position)
    creative: Creative | None


@dataclass(frozen=True, slots=True)
class ConstraintReport:
    """What one constraint asked and what the mixture gives: one line of the answer."""

    name: str
    relation: Relation
    limit: float  # on the absolute scale, whatever the basis of the request
    expected_use: float
    slack: float  # ≥ 0 where met
    dual: float  # value gained per unit of limit
    met: bool


@dataclass(frozen=True, slots=True)
class Decision:
    """Everything that is kept of one answer; the response and the log are both read from it.

    The slate was drawn with probability `slate_propensity` from the policy
    (1 − exploration)·mixture + exploration·uniform over all n!/(n−k)! slates.
    """

    decision_id: str  # the request's id
    request_hash: str  # the request's content_hash: tells a retry from a reuse of the id
    created_at: float  # seconds since the epoch
    schema_id: str
    model_version: str
    posterior_version: str
    context: dict[str, int]  # categorical context by field name
    candidate_ids: tuple[str, ...]  # (n,)
    ctr: tuple[float, ...]  # (n,)
    slates: tuple[tuple[int, ...], ...]  # (m, k), indices of candidates: the mixture
    probabilities: tuple[float, ...]  # (m,)
    exploration_ratio: float
    slate_propensity: float
    shown: tuple[ShownAd, ...]  # (k,)
    constraints: tuple[ConstraintReport, ...]
    solver_status: str
    solver_steps: int
    expected_objective: float
    objective_bound: float
    default_reward: bool  # whether silence counts as reward 0 once the window has passed
    stage_seconds: dict[str, float]
    # From here on with defaults, which records from before the field take.
    attention_version: str = ""  # of the service's default curve; "": the request brought its own
    experiment: str = ""  # of the model's rollout, part of the draw's seed; "": in none
    arm: str = ""
    degradation: str = ""  # what was given up to be in time: a `ranker.degradation.Step`
    solver_rounds: tuple[int, ...] = ()  # step limits of a search that the deadline cut short


def _no_duplicates(name: str, values: Sequence[str]) -> None:
    if len(set(values)) < len(values):
        twice, _ = Counter(values).most_common(1)[0]
        raise InvalidInputError(name, twice, "appears more than once")


def _check_id(name: str, value: str) -> None:
    if not 1 <= len(value) <= MAX_ID_LENGTH:
        raise InvalidInputError(name, value, f"must have 1 … {MAX_ID_LENGTH} characters")


def _check_ids(name: str, values: Sequence[str]) -> None:
    lengths = list(map(len, values))
    if not 1 <= min(lengths) <= max(lengths) <= MAX_ID_LENGTH:
        for i, value in enumerate(values):
            _check_id(f"{name}[{i}]", value)


def _one_per_candidate(name: str, values: Floats, n: int) -> None:
    if values.shape != (n,):
        raise InvalidInputError(f"{name}.shape", values.shape, f"must be one a candidate: ({n},)")


def _finite(name: str, values: Floats) -> None:
    # NaN is the minimum of what holds one, and fails the comparison.
    if not -MAX_MAGNITUDE <= values.min() <= values.max() <= MAX_MAGNITUDE:
        bad = ~(np.abs(values) <= MAX_MAGNITUDE)
        at = np.unravel_index(int(np.argmax(bad)), values.shape)
        index = ", ".join(str(int(i)) for i in at)
        raise InvalidInputError(f"{name}[{index}]", float(values[at]), _MAGNITUDE)


def _check_positions(constraints: tuple[Constraint, ...], n: int, k: int) -> None:
    if not any(c.position_weights for c in constraints):
        return
    for constraint in constraints:
        if constraint.position_weights and len(constraint.position_weights) != k:
            where = f"constraints[{constraint.name}].position_weights.length"
            raise InvalidInputError(where, len(constraint.position_weights), f"must be one a position: {k}")
    size = len(constraints) * n * k
    if size > MAX_POSITIONED_SIZE:
        raise InvalidInputError(
            "constraints.position_weights",
            size,
            f"constraints × candidates × positions must not exceed {MAX_POSITIONED_SIZE} where one has them",
        )


def _check_attention(attention: Floats, k: int) -> None:
    if attention.shape != (k,):
        raise InvalidInputError("attention.shape", attention.shape, f"must be one a position: ({k},)")
    first, *later = numbers = attention.tolist()
    # Written so that NaN fails the comparison.
    if first <= 1 and all(map(operator.ge, numbers, later)) and numbers[-1] > 0:
        return
    _finite("attention", attention)
    outside = (attention <= 0) | (attention > 1)
    if outside.any():
        j = int(np.argmax(outside))
        raise InvalidInputError(f"attention[{j}]", float(attention[j]), "must lie in (0, 1]: it is a chance")
    j = int(np.argmax(np.diff(attention) > 0)) + 1
    raise InvalidInputError(
        f"attention[{j}]",
        float(attention[j]),
        f"must not exceed the position before it ({attention[j - 1]:g})",
    )
