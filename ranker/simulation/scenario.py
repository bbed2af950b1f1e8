"""A scenario: which world, which market, which policies, for how long. Written as TOML."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import pairwise
from pathlib import Path

from ranker.errors import InvalidInputError, NotFoundError
from ranker.slate import Basis, Constraint, Relation
from ranker.strict_toml import read_toml

SHIPPED = Path(__file__).parent / "scenarios"
MAX_SESSIONS = 100_000_000
MAX_SIZE = 100_000
NEW_AD = "new_ad"  # the attribute of ads that were launched a few days ago


class AttentionModel(StrEnum):
    """How users look at a slate."""

    POSITION_BASED = "position_based"
    CASCADE = "cascade"
    DBN = "dbn"


class Pricing(StrEnum):
    """What a click costs."""

    GSP = "gsp"
    VCG = "vcg"
    FIRST_PRICE = "first_price"


@dataclass(frozen=True, slots=True)
class Traffic:
    """How many come, and how often the same users."""

    sessions: int = 20_000
    sessions_per_day: int = 2_000
    batch_sessions: int = 500  # beliefs, budgets and fatigue move on between batches
    users: int = 5_000
    continues: float = 0.35  # chance that a session has another request
    max_depth: int = 8  # requests of a session at most
    gap_seconds: float = 40.0  # mean time between two requests of a session

    def __post_init__(self) -> None:
        for name in ("sessions", "sessions_per_day", "batch_sessions", "users", "max_depth"):
            if not 1 <= getattr(self, name) <= MAX_SESSIONS:
                raise InvalidInputError(
                    f"traffic.{name}", getattr(self, name), f"must lie in 1 … {MAX_SESSIONS}"
                )
        if not 0 <= self.continues < 1:
            raise InvalidInputError("traffic.continues", self.continues, "must lie in [0, 1)")
        if not self.gap_seconds > 0:
            raise InvalidInputError("traffic.gap_seconds", self.gap_seconds, "must be positive")
        if self.sessions_per_day % self.batch_sessions:
            raise InvalidInputError(
                "traffic.batch_sessions",
                self.batch_sessions,
                f"must divide sessions_per_day ({self.sessions_per_day}): no batch spans two days",
            )
        if self.sessions % self.batch_sessions:
            raise InvalidInputError(
                "traffic.sessions",
                self.sessions,
                f"must be a multiple of batch_sessions, {self.batch_sessions}",
            )

    @property
    def num_batches(self) -> int:
        """Returns how many batches a run has."""
        return self.sessions // self.batch_sessions

    @property
    def num_days(self) -> int:
        """Returns how many days a run touches."""
        return -(-self.sessions // self.sessions_per_day)


@dataclass(frozen=True, slots=True)
class MarketSettings:
    """Who competes, for how many positions, and what a click costs."""

    ads: int = 40
    advertisers: int = 10
    candidates: int = 12  # eligible ads of one request
    positions: int = 4
    pricing: Pricing = Pricing.GSP
    reserve: float = 0.05
    daily_budget: float | None = None  # of each advertiser; none: no limit
    attributes: dict[str, float] = field(default_factory=dict)  # name → share of the ads that have it
    new_share: float = 0.0  # of the ads: launched one after another on the days after the first
    new_days: int = 3  # from its launch an ad has the attribute `new_ad` so long

    def __post_init__(self) -> None:
        for name, low, high in (
            ("ads", 1, MAX_SIZE),
            ("advertisers", 1, self.ads),
            ("candidates", 1, self.ads - self.num_new),
            ("positions", 1, self.candidates),
            ("new_days", 1, MAX_SIZE),
        ):
            if not low <= getattr(self, name) <= high:
                raise InvalidInputError(f"market.{name}", getattr(self, name), f"must lie in {low} … {high}")
        if not 0 <= self.new_share < 1:
            raise InvalidInputError("market.new_share", self.new_share, "must lie in [0, 1)")
        if NEW_AD in self.attributes:
            raise InvalidInputError("market.attributes", NEW_AD, "is what new_share names its ads")
        _not_negative("market.reserve", self.reserve)
        if self.daily_budget is not None and not self.daily_budget > 0:
            raise InvalidInputError("market.daily_budget", self.daily_budget, "must be positive")
        for name, share in self.attributes.items():
            if not 0 <= share <= 1:
                raise InvalidInputError(f"market.attributes.{name}", share, "must lie in [0, 1]")

    @property
    def num_new(self) -> int:
        """Returns how many ads are launched during the run."""
        return round(self.new_share * self.ads)

    @property
    def attribute_names(self) -> tuple[str, ...]:
        """Returns what constraints may speak of."""
        return (*sorted(self.attributes), *((NEW_AD,) if self.num_new else ()))


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How users look, tire and convert; scales multiply what was fitted."""

    attention: AttentionModel = AttentionModel.POSITION_BASED
    taste_scale: float = 1.0
    drift_scale: float = 1.0
    season_amplitude: float = 0.0  # added to the fitted hours: a wave of the logit that peaks at 21 h
    ad_fatigue: float = 0.15  # logit lost per e-fold of what a user has seen of an ad
    session_fatigue: float = 0.05  # logit lost per request of a session
    daily_recovery: float = 0.5  # share of an exposure that a day takes away
    conversion_rate: float = 0.05  # of clicks
    late_share: float = 0.0  # of conversions: after a day or more instead of the fitted delay
    late_tail: float = 1.2  # the late ones: P(more than d days) = d^(−late_tail)
    click_logit: float = 0.0  # added to every logit: 0 keeps the fitted click rate

    def __post_init__(self) -> None:
        for name in ("taste_scale", "drift_scale", "season_amplitude", "ad_fatigue", "session_fatigue"):
            if not 0 <= getattr(self, name) <= 10:
                raise InvalidInputError(f"behaviour.{name}", getattr(self, name), "must lie in [0, 10]")
        for name in ("daily_recovery", "conversion_rate", "late_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise InvalidInputError(f"behaviour.{name}", getattr(self, name), "must lie in [0, 1]")
        if not 0 < self.late_tail <= 10:
            raise InvalidInputError("behaviour.late_tail", self.late_tail, "must lie in (0, 10]")
        if not -10 <= self.click_logit <= 10:
            raise InvalidInputError("behaviour.click_logit", self.click_logit, "must lie in [−10, 10]")


@dataclass(frozen=True, slots=True)
class Learning:
    """How the click model learns from what it has shown."""

    prior_impressions: float = 50.0  # looked-at impressions that the belief before any is worth
    half_life_days: float = 14.0  # of what was seen

    def __post_init__(self) -> None:
        for name in ("prior_impressions", "half_life_days"):
            if not getattr(self, name) > 0:
                raise InvalidInputError(f"learning.{name}", getattr(self, name), "must be positive")


@dataclass(frozen=True, slots=True)
class AttributeLimit:
    """A constraint of every request on the attention that ads with an attribute get."""

    name: str
    attribute: str
    relation: Relation
    limit: float
    basis: Basis = Basis.SHARE_OF_ATTENTION
    violation_price: float | None = None  # value given up per unit; none: as little violation as possible

    def __post_init__(self) -> None:
        self.constraint(self.limit)  # refuses what no request could ask for

    def constraint(self, limit: float) -> Constraint:
        """Returns what requests ask for, at this limit."""
        return Constraint(self.name, self.relation, limit, self.basis, self.violation_price)


@dataclass(frozen=True, slots=True)
class LivePolicy:
    """What goes live in a world of its own; what it leaves out is as the scenario says."""

    name: str
    limits: dict[str, float] = field(default_factory=dict)  # constraint → its limit here
    without: tuple[str, ...] = ()  # constraints that do not hold here
    exploration_ratio: float = 0.05
    learning: Learning | None = None
    pricing: Pricing | None = None
    reserve: float | None = None
    attention: tuple[float, ...] | None = None  # of each position, as believed; none: as fitted

    def __post_init__(self) -> None:
        if not self.name:
            raise InvalidInputError("policies.name", self.name, "give every policy a name")
        if self.reserve is not None:
            _not_negative(f"policies[{self.name}].reserve", self.reserve)
        if self.attention is not None:
            check_attention(f"policies[{self.name}].attention", self.attention)
        if not 0 <= self.exploration_ratio < 1:
            raise InvalidInputError(
                f"policies[{self.name}].exploration_ratio", self.exploration_ratio, "must lie in [0, 1)"
            )


@dataclass(frozen=True, slots=True)
class Scenario:
    """One simulated market and the policies that are compared in it; the first is the present one."""

    name: str
    policies: tuple[LivePolicy, ...]
    question: str = ""  # what it is for, as one would ask it
    description: str = ""
    seed: int = 0
    traffic: Traffic = field(default_factory=Traffic)
    market: MarketSettings = field(default_factory=MarketSettings)
    behaviour: Behaviour = field(default_factory=Behaviour)
    learning: Learning = field(default_factory=Learning)
    constraints: tuple[AttributeLimit, ...] = ()

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise InvalidInputError("name", self.name, "names a folder: letters, digits, spaces, _ and -")
        if not 0 <= self.seed < 2**63:
            raise InvalidInputError("seed", self.seed, "must lie in 0 … 2⁶³ − 1")
        if not self.policies:
            raise InvalidInputError("policies", [], "there must be at least one")
        _no_twins("policies.name", [policy.name for policy in self.policies])
        _no_twins("constraints.name", [constraint.name for constraint in self.constraints])
        known = self.market.attribute_names
        for constraint in self.constraints:
            if constraint.attribute not in known:
                raise InvalidInputError(
                    f"constraints[{constraint.name}].attribute",
                    constraint.attribute,
                    f"the market has {', '.join(known) or 'none'}",
                )
        if self.market.num_new and self.traffic.num_days == 1:
            raise InvalidInputError("market.new_share", self.market.new_share, "needs more than one day")
        for policy in self.policies:
            self._check_policy(policy)

    def _check_policy(self, policy: LivePolicy) -> None:
        known = {each.name: each for each in self.constraints}
        where = f"policies[{policy.name}]"
        for field_name, names in (("limits", policy.limits), ("without", policy.without)):
            for name in names:
                if name not in known:
                    raise InvalidInputError(f"{where}.{field_name}", name, f"constraints are {sorted(known)}")
        for name, limit in policy.limits.items():
            try:
                known[name].constraint(limit)
            except InvalidInputError as error:
                raise InvalidInputError(f"{where}.limits.{name}", limit, error.problem) from error
        if policy.attention is None:
            return
        if policy is self.policies[0]:
            raise InvalidInputError(
                f"{where}.attention", policy.attention, "the first policy believes the fitted curve"
            )
        if len(policy.attention) != self.market.positions:
            raise InvalidInputError(
                f"{where}.attention.length", len(policy.attention), f"must be {self.market.positions}"
            )

    def under(self, policy: LivePolicy) -> Scenario:
        """Returns the scenario with what the policy changes of market and learning."""
        market = replace(
            self.market,
            pricing=policy.pricing or self.market.pricing,
            reserve=self.market.reserve if policy.reserve is None else policy.reserve,
        )
        return replace(self, market=market, learning=policy.learning or self.learning)


_NAME = re.compile(r"\w[\w -]*")


def check_attention(name: str, curve: tuple[float, ...]) -> None:
    """Refuses a curve that is not positive, rises or exceeds 1."""
    if not curve or not curve[0] <= 1 or not curve[-1] > 0 or not all(a >= b for a, b in pairwise(curve)):
        raise InvalidInputError(name, curve, "must be positive, must not rise nor exceed 1")


def _not_negative(name: str, value: float) -> None:
    if not 0 <= value < math.inf:
        raise InvalidInputError(name, value, "must be finite and not negative")


def _no_twins(name: str, names: list[str]) -> None:
    for each in names:
        if names.count(each) > 1:
            raise InvalidInputError(name, each, "appears more than once")


def shipped_scenarios() -> tuple[str, ...]:
    """Returns the names of the scenarios that come with the package."""
    return tuple(sorted(path.stem for path in SHIPPED.glob("*.toml")))


def read_scenario(name_or_path: str) -> Scenario:
    """Returns a scenario that ships, by its name, or one from a TOML file."""
    path = Path(name_or_path)
    if name_or_path in shipped_scenarios():
        path = SHIPPED / f"{name_or_path}.toml"
    elif path.suffix != ".toml":
        raise NotFoundError(
            "scenario", name_or_path, f"neither a TOML file nor one of {', '.join(shipped_scenarios())}"
        )
    return read_toml(path, Scenario)
