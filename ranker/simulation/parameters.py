"""What was fitted from real logs: how contexts, tastes, attention, prices and delays are distributed.

No row of any log is in here: shares, effects, quantiles and scales only. `benchmarks/simulation_fit.py`
writes the file that ships.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from ranker.errors import InvalidInputError, NotFoundError
from ranker.simulation.scenario import check_attention
from ranker.strict_toml import from_object

SHIPPED = Path(__file__).parent / "fitted" / "world-1.json"
FORMAT = "adranker-world-1"
HOURS = 24


@dataclass(frozen=True, slots=True)
class Segments:
    """Who comes: the share of each segment and how its logit differs from the base."""

    names: tuple[str, ...]
    shares: tuple[float, ...]
    logits: tuple[float, ...]

    def __post_init__(self) -> None:
        for name in ("shares", "logits"):
            if len(getattr(self, name)) != len(self.names):
                raise InvalidInputError(
                    f"segments.{name}.length", len(getattr(self, name)), "must be that of names"
                )
        if not min(self.shares, default=-1) >= 0 or abs(sum(self.shares) - 1) > 1e-6:
            raise InvalidInputError("segments.shares", self.shares, "must be ≥ 0 and sum to 1")


@dataclass(frozen=True, slots=True)
class Season:
    """The hours of a day: share of the traffic and difference of the logit."""

    volume: tuple[float, ...]  # (24,)
    logits: tuple[float, ...]  # (24,)

    def __post_init__(self) -> None:
        for name in ("volume", "logits"):
            if len(getattr(self, name)) != HOURS:
                raise InvalidInputError(f"season.{name}.length", len(getattr(self, name)), "must be 24")
        if min(self.volume) <= 0 or abs(sum(self.volume) - 1) > 1e-6:
            raise InvalidInputError("season.volume", sum(self.volume), "must be positive and sum to 1")


@dataclass(frozen=True, slots=True)
class Tastes:
    """Standard deviations of effects on the logit of a click given looked at."""

    base_logit: float
    ad_scale: float
    segment_ad_scale: float
    daily_drift_scale: float

    def __post_init__(self) -> None:
        for name in ("ad_scale", "segment_ad_scale", "daily_drift_scale"):
            if not 0 <= getattr(self, name) < 10:
                raise InvalidInputError(f"tastes.{name}", getattr(self, name), "must lie in [0, 10)")


@dataclass(frozen=True, slots=True)
class AttentionFit:
    """The position-based curve with its 95 % interval, and the chain models' rates."""

    curve: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    perseverance: float  # DBN: goes on where not satisfied
    satisfaction: float  # DBN: mean chance that a click satisfies

    def __post_init__(self) -> None:
        for name in ("low", "curve", "high"):
            if len(getattr(self, name)) != len(self.curve):
                raise InvalidInputError(
                    f"attention.{name}.length", len(getattr(self, name)), "must be that of curve"
                )
        check_attention("attention.curve", self.curve)
        if not all(a <= b <= c for a, b, c in zip(self.low, self.curve, self.high, strict=True)):
            raise InvalidInputError("attention.curve", self.curve, "must lie in low … high")
        for name in ("perseverance", "satisfaction"):
            if not 0 <= getattr(self, name) <= 1:
                raise InvalidInputError(f"attention.{name}", getattr(self, name), "must lie in [0, 1]")


@dataclass(frozen=True, slots=True)
class Delays:
    """Minutes from click to conversion: a share follows at once, the others log-normally, in components."""

    weights: tuple[float, ...]
    log_means: tuple[float, ...]  # of minutes + 1
    log_scales: tuple[float, ...]

    def __post_init__(self) -> None:
        for name in ("log_means", "log_scales"):
            if len(getattr(self, name)) != len(self.weights):
                raise InvalidInputError(
                    f"delays.{name}.length", len(getattr(self, name)), "must be that of weights"
                )
        if not min(self.weights, default=-1) >= 0 or abs(sum(self.weights) - 1) > 1e-6:
            raise InvalidInputError("delays.weights", self.weights, "must be ≥ 0 and sum to 1")
        if not min(self.log_scales) > 0:
            raise InvalidInputError("delays.log_scales", self.log_scales, "must be positive")


@dataclass(frozen=True, slots=True)
class Landscape:
    """The market prices of one campaign as quantiles at equally spaced probabilities from 0 to 1."""

    name: str
    quantiles: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.quantiles) < 2 or min(np.diff(self.quantiles)) < 0 or self.quantiles[0] < 0:
            raise InvalidInputError(
                f"landscapes[{self.name}].quantiles", self.quantiles, "must rise from ≥ 0"
            )


@dataclass(frozen=True, slots=True)
class WorldParameters:
    """Everything that a world takes from data; scenarios scale and choose."""

    format: str
    segments: Segments
    season: Season
    tastes: Tastes
    attention: AttentionFit
    delays: Delays
    landscapes: tuple[Landscape, ...]
    sources: dict[str, str]  # part → the log that it was fitted from

    def __post_init__(self) -> None:
        if self.format != FORMAT:
            raise InvalidInputError("format", self.format, f"this release reads {FORMAT}")
        if not self.landscapes:
            raise InvalidInputError("landscapes", [], "there must be at least one")


def read_parameters(path: Path = SHIPPED) -> WorldParameters:
    """Returns the fitted parameters of a file, by default the one that ships."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise NotFoundError("parameters", str(path), "no such file") from None
    except json.JSONDecodeError as error:
        raise InvalidInputError("parameters", str(path), f"is not JSON: {error}") from error
    return from_object(content, WorldParameters, str(path))


def version(parameters: WorldParameters) -> str:
    """Returns the first 16 hex digits of the SHA-256 of the content."""
    text = json.dumps(asdict(parameters), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
