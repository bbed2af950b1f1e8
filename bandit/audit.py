"""Replays logged choices: what a log says of a creative, against what its posterior version does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bandit.errors import CreativeError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bandit.thompson import ThompsonSelector


@dataclass(frozen=True)
class LoggedChoice:
    """What is logged of one shown creative; the version names the posterior."""

    version: str
    space_id: str
    context: Mapping[str, int]
    elements: Mapping[str, str]
    propensity: float
    draw: int
    floor: float
    feasible_hash: str
    pool_seed: int


@dataclass(frozen=True)
class Discrepancy:
    """A field of the log that the replay does not confirm."""

    field: str
    logged: object
    replayed: object


def discrepancies(choice: LoggedChoice, selector: ThompsonSelector) -> list[Discrepancy]:
    """Recomputes a choice from its posterior version; an empty list is a verified log entry.

    The version, pool seed, floor and feasible set must be those of the selector, the propensity must be
    the same to the last bit. Without a floor the creative must also be the one that its draw likes best.
    """
    try:
        space = selector.index.space(choice.space_id)
        found: dict[str, tuple[object, object]] = {
            "version": (choice.version, selector.version),
            "pool_seed": (choice.pool_seed, selector.pool_seed),
            "floor": (choice.floor, selector.floor),
            "feasible_hash": (choice.feasible_hash, space.feasible_hash),
            "propensity": (
                choice.propensity,
                selector.propensity(choice.space_id, choice.context, choice.elements),
            ),
        }
        if selector.floor == 0.0:
            best = selector.select(choice.space_id, choice.context, choice.draw, 0.0)
            found["elements"] = (dict(choice.elements), best.elements)
        elif not 0 <= choice.draw < selector.num_draws:
            found["draw"] = (choice.draw, f"0 … {selector.num_draws - 1}")
    except CreativeError as error:
        return [Discrepancy(error.field, error.value, error.problem)]
    return [Discrepancy(name, *pair) for name, pair in found.items() if pair[0] != pair[1]]
