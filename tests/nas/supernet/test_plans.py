from collections import Counter

import numpy as np
import pytest

from nas.ctr.space import CtrSpace
from nas.errors import SearchError
from nas.supernet.plans import FairPaths, Sandwich, UniformPath

SPACE = CtrSpace(2)


def test_uniform_paths_are_the_same_for_the_same_step() -> None:
    plan = UniformPath(SPACE, seed=1)
    assert plan(7) == plan(7)
    assert len({plan(step).genotypes for step in range(20)}) == 20


def test_fair_paths_use_every_operation_equally_often_to_within_one() -> None:
    plan = FairPaths(SPACE, 3)
    for dealt in (1, 7, 30, 45):
        architectures = np.array([plan.deal(place) for place in range(dealt)])
        for block, size in enumerate(SPACE.search_space.sizes):
            counts = np.bincount(architectures[:, block], minlength=size)
            assert counts.max() - counts.min() <= 1


def test_a_step_deals_on_where_the_last_one_ended() -> None:
    plan = FairPaths(SPACE, 3)
    dealt = [genotype for step in range(2) for genotype in plan(step).genotypes]
    assert dealt == [SPACE.decode(plan.deal(place)) for place in range(6)]


def test_blocks_deal_from_decks_of_their_own() -> None:
    plan = FairPaths(SPACE, 1)
    pairs = Counter((plan.deal(place)[0], plan.deal(place)[1]) for place in range(250))
    assert len(pairs) == 25


def test_a_sandwich_holds_the_ends_of_all_sizes_of_the_same_operators() -> None:
    plan = Sandwich(SPACE, 2)
    for step in range(10):
        largest, smallest, *between = plan(step).genotypes
        assert plan(step).distil
        for genotype in (smallest, *between):
            genotype.check_within(largest)
            smallest.check_within(genotype)
            assert genotype.branches == largest.branches
            assert [dim > 0 for dim in genotype.dims] == [dim > 0 for dim in largest.dims]


def test_size_ranges_keep_the_operator() -> None:
    chosen = SPACE.search_space.sample(np.random.default_rng(5))
    names = [block.name for block in SPACE.search_space.blocks]
    cross = names.index("cross")
    low = (*chosen[:cross], 2, *chosen[cross + 1 :])
    full = (*chosen[:cross], 7, *chosen[cross + 1 :])
    none = (*chosen[:cross], 0, *chosen[cross + 1 :])
    assert SPACE.size_ranges(low)[cross] == (1, 2, 3, 4, 5, 6)
    assert SPACE.size_ranges(full)[cross] == (7, 8)
    assert SPACE.size_ranges(none)[cross] == (0,)
    assert SPACE.size_ranges(low)[names.index("wide")] == (chosen[names.index("wide")],)


def test_wrong_numbers_of_paths_are_refused() -> None:
    with pytest.raises(SearchError, match="num_paths = 0"):
        FairPaths(SPACE, 0)
    with pytest.raises(SearchError, match="num_between = -1"):
        Sandwich(SPACE, -1)
