"""Ways to choose creatives under one posterior version, all with exact propensities behind one Protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from bandit.errors import CreativeError
from bandit.propensity import vote_shares
from bandit.thompson import ThompsonSelector

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from bandit.argmax import Ballot
    from bandit.fm import FloatArray
    from bandit.posterior import Posterior
    from bandit.space import CreativeCatalogue
    from bandit.thompson import Selection


class CreativePolicy(Protocol):
    """Chooses compositions by one frozen posterior version."""

    @property
    def version(self) -> str:
        """Names the posterior."""

    @property
    def num_draws(self) -> int:
        """Size of the frozen pool."""

    def check(self, space_id: str, context: Mapping[str, int]) -> None:
        """Raises what `select` would."""

    def select(self, space_id: str, context: Mapping[str, int], draw: int, u: float) -> Selection:
        """Chooses a creative; draw uniform in the pool, u uniform in [0, 1)."""

    def select_many(
        self, space_ids: Sequence[str], context: Mapping[str, int], draw: int, us: Sequence[float]
    ) -> list[Selection]:
        """Chooses a creative for each candidate of a request, all under the same draw."""

    def propensity(self, space_id: str, context: Mapping[str, int], elements: Mapping[str, str]) -> float:
        """Computes the probability of one creative, exactly."""

    def propensities(self, space_id: str, context: Mapping[str, int]) -> FloatArray:
        """Computes the probability of every feasible creative, exactly: (C,)."""


def greedy(catalogue: CreativeCatalogue, posterior: Posterior, version: str) -> ThompsonSelector:
    """Shows the best creative of the posterior's means: a pool of one draw without noise."""
    return epsilon_greedy(catalogue, posterior, version, 0.0)


def epsilon_greedy(
    catalogue: CreativeCatalogue, posterior: Posterior, version: str, epsilon: float
) -> ThompsonSelector:
    """Shows the best creative of the means, or with probability ε a uniformly random one."""
    return ThompsonSelector(catalogue, posterior.tempered(0.0, 0.0, 0.0), version, num_draws=1, floor=epsilon)


def uniform(catalogue: CreativeCatalogue, posterior: Posterior, version: str) -> ThompsonSelector:
    """Shows any feasible creative: ε-greedy with ε = 1."""
    return epsilon_greedy(catalogue, posterior, version, 1.0)


class TopTwoSelector(ThompsonSelector):
    """Top-two Thompson sampling: learns sooner which creative is best, at the price of some clicks.

    Draw m's best creative leads. With probability β it is shown, else the best of another draw, taken
    uniformly from those that disagree with the leader (the leader, where all agree). With p the shares of
    votes,

        π(c) = (1 − floor) [β p_c + (1 − β) (Σ_{l≠c} p_l p_c / (1 − p_l) + 1{p_c = 1})] + floor / C.

    All draws of the pool are searched, which takes M times as long as for Thompson sampling in large spaces.
    Source: Russo (2016), Simple Bayesian algorithms for best arm identification, algorithm 3 (TTTS).
    """

    def __init__(  # those of ThompsonSelector and one more
        self,
        catalogue: CreativeCatalogue,
        posterior: Posterior,
        version: str,
        num_draws: int = 128,
        pool_seed: int = 0,
        floor: float = 0.02,
        leader_share: float = 0.5,
    ) -> None:
        super().__init__(catalogue, posterior, version, num_draws, pool_seed, floor)
        if not 0.0 <= leader_share <= 1.0:
            raise CreativeError("leader_share", leader_share, "must be a probability")
        self.leader_share = leader_share

    def _chosen(self, ballot: Ballot, draw: int, u: float) -> int:
        leader = ballot.winner(draw)
        if u < self.leader_share:
            return leader
        challengers = ballot.winners[ballot.winners != leader]
        if not challengers.size:
            return leader
        place = (u - self.leader_share) / (1.0 - self.leader_share)
        return int(challengers[min(int(place * challengers.size), challengers.size - 1)])

    def _share(self, ballot: Ballot, creative: int) -> float:
        creatives, shares = self._winners(ballot)
        return float(shares[creatives == creative].sum())

    def _winners(self, ballot: Ballot) -> tuple[NDArray[np.int64], FloatArray]:
        creatives, p = vote_shares(ballot)
        if len(creatives) == 1:
            return creatives, p
        odds = p / (1.0 - p)
        return creatives, self.leader_share * p + (1.0 - self.leader_share) * p * (odds.sum() - odds)
