"""What a rerun changes: models, limits, exploration. Written as TOML."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path  # noqa: TC003 (msgspec reads the annotations)
from typing import TYPE_CHECKING

import numpy as np

from ranker.errors import InvalidInputError
from ranker.strict_toml import read_toml

if TYPE_CHECKING:
    from ranker.slate import Constraint, RankRequest


@dataclass(frozen=True, slots=True)
class RerunPolicy:
    """One policy to be judged; what is left out stays as it was logged."""

    name: str
    home: Path | None = None  # its models, creatives and attention; none: the home of the command
    model_version: str | None = None  # none: as each request asked; "": the newest
    limits: dict[str, float] = field(default_factory=dict)  # constraint → its limit
    without: tuple[str, ...] = ()  # constraints that do not hold
    exploration_ratio: float | None = None  # none: as each decision was logged
    attention: tuple[float, ...] | None = None  # in place of the requests' own

    def __post_init__(self) -> None:
        if not self.name:
            raise InvalidInputError("name", self.name, "give every policy a name")
        ratio = self.exploration_ratio
        if ratio is not None and not 0 <= ratio < 1:
            raise InvalidInputError("exploration_ratio", ratio, "must lie in [0, 1)")

    @property
    def changes_limits(self) -> bool:
        """Says whether constraints differ from those that were captured."""
        return bool(self.limits or self.without)


AS_LOGGED = RerunPolicy("as logged")


def read_policy(path: Path) -> RerunPolicy:
    """Returns the policy of a TOML file; a relative `home` is read from the file's folder."""
    policy = read_toml(path, RerunPolicy)
    return policy if policy.home is None else replace(policy, home=path.parent / policy.home)


def with_scores(request: RankRequest, policy: RerunPolicy) -> RankRequest:
    """Returns the request with the policy's model and attention."""
    if policy.model_version is not None and request.candidates.ctr is None:
        request = replace(request, model_version=policy.model_version)
    if policy.attention is not None:
        request = replace(request, attention=np.array(policy.attention))
    return request


def with_limits(request: RankRequest, policy: RerunPolicy) -> RankRequest:
    """Returns the request with the policy's constraints, or raises InvalidInputError for an unknown name."""
    if not policy.changes_limits:
        return request
    kept, constraints = _limited(
        request.constraints, tuple(policy.limits.items()), policy.without, policy.name
    )
    weights = request.constraint_weights
    if len(kept) < len(request.constraints):
        weights = weights[list(kept)]
    return replace(request, constraints=constraints, constraint_weights=weights)


@lru_cache(maxsize=1024)  # requests of a log share a few sets of constraints
def _limited(
    constraints: tuple[Constraint, ...],
    limits: tuple[tuple[str, float], ...],
    without: tuple[str, ...],
    name: str,
) -> tuple[tuple[int, ...], tuple[Constraint, ...]]:
    """Returns which constraints still hold, and these with their limits."""
    known, asked = [each.name for each in constraints], dict(limits)
    for each in (*asked, *without):
        if each not in known:
            raise InvalidInputError(f"policy {name}: limits", each, f"the request has {known}")
    kept = tuple(i for i, each in enumerate(known) if each not in without)
    return kept, tuple(
        replace(each, limit=asked.get(each.name, each.limit)) for each in (constraints[i] for i in kept)
    )
