import numpy as np
import pytest

from nas.errors import SearchError
from nas.space import ChoiceBlock, SearchSpace

SPACE = SearchSpace(
    (
        ChoiceBlock("branch", ("fm", "cross", "none")),
        ChoiceBlock("merge", ("concat",)),
        ChoiceBlock("width", ("64", "128")),
    )
)


def test_a_space_of_three_blocks_by_hand() -> None:
    assert SPACE.num_architectures == 6
    assert SPACE.describe((1, 0, 1)) == {"branch": "cross", "merge": "concat", "width": "128"}
    np.testing.assert_array_equal(
        SPACE.one_hot([(1, 0, 1), (0, 0, 0)]), [[0, 1, 0, 1, 0, 1], [1, 0, 0, 1, 1, 0]]
    )


def test_a_mutation_changes_exactly_one_block_and_reaches_all_neighbours() -> None:
    rng = np.random.default_rng(1)
    found = {SPACE.mutate((1, 0, 1), rng) for _ in range(200)}
    assert found == {(0, 0, 1), (2, 0, 1), (1, 0, 0)}


def test_a_crossing_takes_every_block_from_a_parent() -> None:
    rng = np.random.default_rng(1)
    assert {SPACE.cross((0, 0, 0), (2, 0, 1), rng) for _ in range(200)} == {
        (0, 0, 0),
        (2, 0, 1),
        (0, 0, 1),
        (2, 0, 0),
    }


def test_samples_are_uniform() -> None:
    rng = np.random.default_rng(2)
    drawn = [SPACE.sample(rng) for _ in range(6000)]
    # 1,000 expected of each; the deviation is √(6000·1/6·5/6) = 29, four of them allowed.
    assert all(abs(drawn.count(architecture) - 1000) < 116 for architecture in set(drawn))
    assert len(set(drawn)) == 6


@pytest.mark.parametrize(
    ("architecture", "said"),
    [((1, 0), "architecture"), ((3, 0, 1), r"architecture\[branch\] = 3"), ((0, 0, -1), r"width\] = -1")],
)
def test_a_wrong_architecture_names_block_and_value(architecture: tuple[int, ...], said: str) -> None:
    with pytest.raises(SearchError, match=said):
        SPACE.check(architecture)


@pytest.mark.parametrize("operations", [(), ("a", "a")])
def test_a_block_has_distinct_operations(operations: tuple[str, ...]) -> None:
    with pytest.raises(SearchError, match=r"choice_block\[b\].operations"):
        ChoiceBlock("b", operations)


def test_a_space_leaves_something_to_choose_in_blocks_of_distinct_names() -> None:
    with pytest.raises(SearchError, match="nothing to choose"):
        SearchSpace((ChoiceBlock("b", ("only",)),))
    with pytest.raises(SearchError, match="distinct names"):
        SearchSpace((ChoiceBlock("b", ("x", "y")), ChoiceBlock("b", ("x", "y"))))
