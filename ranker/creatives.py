"""The seam to the creative bandit: what the pipeline asks of whoever composes creatives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class Selection(Protocol):
    """One chosen composition with its exact propensity (fields as in `ranker.slate.Creative`)."""

    @property
    def space_id(self) -> str: ...  # noqa: D102 (one word each in `ranker.slate.Creative`)
    @property
    def elements(self) -> Mapping[str, str]: ...  # noqa: D102
    @property
    def propensity(self) -> float: ...  # noqa: D102
    @property
    def draw(self) -> int: ...  # noqa: D102
    @property
    def floor(self) -> float: ...  # noqa: D102
    @property
    def feasible_hash(self) -> str: ...  # noqa: D102
    @property
    def pool_seed(self) -> int: ...  # noqa: D102
    @property
    def exact(self) -> bool: ...  # noqa: D102


class CreativeSelector(Protocol):
    """Chooses compositions from one frozen posterior version."""

    @property
    def version(self) -> str:
        """Names the posterior."""

    @property
    def num_draws(self) -> int:
        """Size of the version's frozen pool of posterior draws."""

    def check(self, space_id: str, context: Mapping[str, int]) -> None:
        """Raises what `select_many` would."""

    def select_many(
        self, space_ids: Sequence[str], context: Mapping[str, int], draw: int, us: Sequence[float]
    ) -> Sequence[Selection]:
        """Returns each ad's best feasible composition under a posterior draw; a random one where u < floor.

        Raises an error with `.field`, `.value` and `.problem` for an unknown space or a context that lacks a
        field of the space.
        """
