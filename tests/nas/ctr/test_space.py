from dataclasses import replace

import numpy as np
import pytest

from nas.ctr.fields import FieldGroups, group_by_cardinality
from nas.ctr.genotype import CtrGenotype, Tower, union
from nas.ctr.space import CtrSpace
from nas.errors import SearchError

SPACE = CtrSpace(2)
DEEP = CtrGenotype((4, 16), fm=True, cross=2, rank=16, tower=Tower(2, 64), merge="parallel")


def test_fields_of_like_cardinality_share_a_group_and_empty_groups_are_left_out() -> None:
    fields = group_by_cardinality((3, 1000, 16, 17), bounds=(16, 256, 999))
    assert fields.groups == (0, 2, 0, 1)
    assert group_by_cardinality((3, 1000)).groups == (0, 1)


def test_every_architecture_decodes_to_a_genotype_that_encodes_to_an_equal_one() -> None:
    rng = np.random.default_rng(1)
    for _ in range(300):
        genotype = SPACE.decode(SPACE.search_space.sample(rng))
        assert SPACE.decode(SPACE.encode(genotype)) == genotype
        genotype.check_within(SPACE.limits)


def test_a_genotype_by_hand() -> None:
    described = SPACE.search_space.describe(SPACE.encode(DEEP))
    assert described == {
        "dim 0": "4",
        "dim 1": "16",
        "wide": "yes",
        "fm": "yes",
        "dot": "0",
        "cross": "2×16",
        "gate": "0",
        "attention": "0",
        "depth": "2",
        "width": "64",
        "second": "no",
        "merge": "parallel",
    }


def test_without_embeddings_only_the_wide_part_is_left() -> None:
    assert replace(DEEP, dims=(0, 0)).canonical() == CtrGenotype((0, 0))


def test_merge_says_nothing_without_branches_or_without_a_tower() -> None:
    assert replace(DEEP, fm=False, cross=0, rank=0).canonical().merge == "stacked"
    assert replace(DEEP, tower=Tower()).canonical().merge == "stacked"
    assert DEEP.canonical() == DEEP


def test_the_limits_hold_each_operator_at_its_largest() -> None:
    assert SPACE.limits == CtrGenotype(
        (32, 32),
        fm=True,
        pairs=True,
        dot=16,
        cross=3,
        rank=64,
        full_cross=2,
        gate=2,
        attention=2,
        tower=Tower(4, 256),
        second=Tower(2, 128),
        merge=SPACE.limits.merge,
    )


def test_the_union_of_two_genotypes_holds_both() -> None:
    other = CtrGenotype((8, 4), gate=1, tower=Tower(1, 128))
    both = union((DEEP, other))
    assert (both.dims, both.tower, both.gate, both.cross) == ((8, 16), Tower(2, 128), 1, 2)
    DEEP.check_within(both)
    other.check_within(both)


def test_a_genotype_outside_of_the_space_names_the_size() -> None:
    with pytest.raises(SearchError, match=r"genotype\[dim 1\] = 5"):
        SPACE.encode(replace(DEEP, dims=(4, 5)))
    with pytest.raises(SearchError, match="one at a time"):
        SPACE.encode(replace(DEEP, full_cross=1))
    with pytest.raises(SearchError, match=r"genotype.dims.*must be 2"):
        SPACE.encode(replace(DEEP, dims=(4,)))


def test_a_genotype_that_exceeds_limits_names_the_size() -> None:
    with pytest.raises(SearchError, match=r"tower.width = 64: is more than the network's 32"):
        DEEP.check_within(replace(DEEP, tower=Tower(2, 32)))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"dims": (4, -1)}, "dims"),
        ({"gate": -1}, "gate"),
        ({"rank": 0}, "rank"),
        ({"dot": 1}, "dot"),
        ({"merge": "sum"}, "merge"),
        ({"tower": Tower(), "second": Tower(1, 8)}, "second"),
    ],
)
def test_a_wrong_genotype_names_the_field(change: dict[str, object], said: str) -> None:
    with pytest.raises(SearchError, match=f"genotype.{said}"):
        replace(DEEP, **change)  # type: ignore[arg-type]


def test_a_tower_has_depth_and_width_or_neither() -> None:
    with pytest.raises(SearchError, match="tower"):
        Tower(2, 0)


def test_groups_are_numbered_without_gaps() -> None:
    with pytest.raises(SearchError, match="groups"):
        FieldGroups((3, 3), (0, 2))
