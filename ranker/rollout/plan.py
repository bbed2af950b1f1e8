"""A rollout: which models of one schema answer the requests that pin none."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from ranker.errors import InvalidInputError

CONTROL = "control"
MAX_NAME_LENGTH = 64


@dataclass(frozen=True, slots=True)
class Bounds:
    """What an arm must keep; one that leaves them ends its experiment."""

    # Clicks per expected click, of an arm to the control's or the other way round.
    max_calibration_ratio: float = 1.5
    # Nine of ten of the arm's latest scorings take no longer.
    max_score_seconds: float = 0.02

    def __post_init__(self) -> None:
        if not self.max_calibration_ratio > 1.0:
            raise InvalidInputError("max_calibration_ratio", self.max_calibration_ratio, "must exceed 1")
        if not self.max_score_seconds > 0.0:
            raise InvalidInputError("max_score_seconds", self.max_score_seconds, "must be positive")


@dataclass(frozen=True, slots=True)
class Arm:
    """A model that a share of the units gets."""

    name: str
    version: str
    share: float

    def __post_init__(self) -> None:
        _check_name("arm", self.name)
        if self.name == CONTROL:
            raise InvalidInputError("arm", self.name, "is who is in no arm")
        _check_version("arm.version", self.version)
        _check_share("share", self.share)


@dataclass(frozen=True, slots=True)
class Experiment:
    """Arms beside the control, which takes the units that are left. Its name is part of every draw's seed.

    The last arm's share may grow or shrink without moving a unit between other arms.
    """

    name: str
    arms: tuple[Arm, ...]
    bounds: Bounds = field(default_factory=Bounds)

    def __post_init__(self) -> None:
        _check_name("experiment", self.name)
        names = [arm.name for arm in self.arms]
        if not names or len(set(names)) < len(names):
            raise InvalidInputError("experiment.arms", names, "must be some, each with a name of its own")
        total = sum(arm.share for arm in self.arms)
        if total > 1.0:
            raise InvalidInputError("experiment.arms", total, "shares must not exceed 1 together")


@dataclass(frozen=True, slots=True)
class Shadow:
    """A model that scores a share of the answered requests again, for comparison alone."""

    version: str
    share: float = 1.0

    def __post_init__(self) -> None:
        _check_version("shadow.version", self.version)
        _check_share("shadow.share", self.share)


@dataclass(frozen=True, slots=True)
class Rollout:
    """The state of one schema's models. Without any, the newest model answers everything."""

    pinned: str = ""  # the control; "": the newest model
    experiment: Experiment | None = None
    shadow: Shadow | None = None
    history: tuple[str, ...] = ()  # versions pinned before, latest last
    ended: str = ""  # why the last experiment was ended

    def __post_init__(self) -> None:
        if self.experiment is not None and not self.pinned:
            raise InvalidInputError("pinned", self.pinned, "an experiment needs a pinned control")

    @property
    def versions(self) -> set[str]:
        """The models that must be loaded."""
        arms = () if self.experiment is None else self.experiment.arms
        named = {self.pinned, *(arm.version for arm in arms)}
        return (named | {self.shadow.version} if self.shadow else named) - {""}


@dataclass(frozen=True, slots=True)
class Assignment:
    """What answers one request."""

    version: str  # "": the newest
    experiment: str = ""
    arm: str = ""


def unit_point(salt: str, unit_id: str) -> float:
    """Returns the unit's place in [0, 1): uniform, the same on every replica, independent between salts."""
    digest = hashlib.blake2b(
        unit_id.encode(), digest_size=8, person=b"unit", key=hashlib.sha256(salt.encode()).digest()
    ).digest()
    return (int.from_bytes(digest) >> 11) / 2.0**53


def assign(rollout: Rollout, unit_id: str) -> Assignment:
    """Returns the arm of a unit, for as long as the experiment has its name and shares."""
    experiment = rollout.experiment
    if experiment is None:
        return Assignment(rollout.pinned)
    point, reached = unit_point(experiment.name, unit_id), 0.0
    for arm in experiment.arms:
        reached += arm.share
        if point < reached:
            return Assignment(arm.version, experiment.name, arm.name)
    return Assignment(rollout.pinned, experiment.name, CONTROL)


def _check_name(field_name: str, name: str) -> None:
    if not 1 <= len(name) <= MAX_NAME_LENGTH or not name.isascii() or not name.isprintable():
        raise InvalidInputError(field_name, name, f"must be 1 … {MAX_NAME_LENGTH} printable ASCII characters")


def _check_version(field_name: str, version: str) -> None:
    if not version:
        raise InvalidInputError(field_name, version, "must be a model's version")


def _check_share(field_name: str, share: float) -> None:
    if not 0.0 < share <= 1.0:
        raise InvalidInputError(field_name, share, "must lie in (0, 1]")
