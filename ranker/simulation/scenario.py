"""A scenario: which world, which market, which policies, for how long. Written as TOML."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from ranker.errors import InvalidInputError, NotFoundError
from ranker.slate import Basis, Relation
from ranker.strict_toml import read_toml

SHIPPED = Path(__file__).parent / "scenarios"
MAX_SESSIONS = 100_000_000


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
            raise InvalidInputError("traffic.sessions", self.sessions, "must be a multiple of batch_sessions")

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

    def __post_init__(self) -> None:
        if not 1 <= self.positions <= self.candidates <= self.ads:
            raise InvalidInputError(
                "market.candidates", self.candidates, f"must lie in {self.positions} … {self.ads}"
            )
        if not 1 <= self.advertisers <= self.ads:
            raise InvalidInputError("market.advertisers", self.advertisers, f"must lie in 1 … {self.ads}")
        if not self.reserve >= 0:
            raise InvalidInputError("market.reserve", self.reserve, "must not be negative")
        if self.daily_budget is not None and not self.daily_budget > 0:
            raise InvalidInputError("market.daily_budget", self.daily_budget, "must be positive")
        for name, share in self.attributes.items():
            if not 0 <= share <= 1:
                raise InvalidInputError(f"market.attributes.{name}", share, "must lie in [0, 1]")


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
    click_logit: float = 0.0  # added to every logit: 0 keeps the fitted click rate

    def __post_init__(self) -> None:
        for name in ("taste_scale", "drift_scale", "season_amplitude", "ad_fatigue", "session_fatigue"):
            if not 0 <= getattr(self, name) <= 10:
                raise InvalidInputError(f"behaviour.{name}", getattr(self, name), "must lie in [0, 10]")
        for name in ("daily_recovery", "conversion_rate"):
            if not 0 <= getattr(self, name) <= 1:
                raise InvalidInputError(f"behaviour.{name}", getattr(self, name), "must lie in [0, 1]")
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


@dataclass(frozen=True, slots=True)
class LivePolicy:
    """What goes live in a world of its own: the scenario's constraints with other limits, or none."""

    name: str
    limits: dict[str, float] = field(default_factory=dict)  # constraint → its limit here
    without: tuple[str, ...] = ()  # constraints that do not hold here
    exploration_ratio: float = 0.05

    def __post_init__(self) -> None:
        if not self.name:
            raise InvalidInputError("policies.name", self.name, "give every policy a name")
        if not 0 <= self.exploration_ratio < 1:
            raise InvalidInputError(
                f"policies[{self.name}].exploration_ratio", self.exploration_ratio, "must lie in [0, 1)"
            )


@dataclass(frozen=True, slots=True)
class Scenario:
    """One simulated market and the policies that are compared in it; the first is the present one."""

    name: str
    policies: tuple[LivePolicy, ...]
    description: str = ""
    seed: int = 0
    traffic: Traffic = field(default_factory=Traffic)
    market: MarketSettings = field(default_factory=MarketSettings)
    behaviour: Behaviour = field(default_factory=Behaviour)
    learning: Learning = field(default_factory=Learning)
    constraints: tuple[AttributeLimit, ...] = ()

    def __post_init__(self) -> None:
        if not self.policies:
            raise InvalidInputError("policies", [], "there must be at least one")
        names = [policy.name for policy in self.policies]
        for name in names:
            if names.count(name) > 1:
                raise InvalidInputError("policies.name", name, "appears more than once")
        known = {each.name for each in self.constraints}
        for constraint in self.constraints:
            if constraint.attribute not in self.market.attributes:
                raise InvalidInputError(
                    f"constraints[{constraint.name}].attribute",
                    constraint.attribute,
                    f"the market has {sorted(self.market.attributes)}",
                )
        for policy in self.policies:
            for name in (*policy.limits, *policy.without):
                if name not in known:
                    raise InvalidInputError(
                        f"policies[{policy.name}].limits", name, f"constraints are {sorted(known)}"
                    )


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
