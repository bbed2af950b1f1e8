from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bandit.errors import CatalogueError
from bandit.feasible import ANY, FeasibleSet


def test_numbers_without_rules_count_in_order() -> None:
    feasible = FeasibleSet((2, 3))
    assert feasible.count == 6
    assert [feasible.composition(number) for number in range(6)] == list(product(range(2), range(3)))


def test_one_rule_by_hand() -> None:
    # Element 1 of the first slot excludes element 0 of the second: boxes {1}×{1} and {0}×{0}, {0}×{1}.
    feasible = FeasibleSet((2, 2), ((1, 0),))
    assert feasible.count == 3
    assert {feasible.composition(number) for number in range(3)} == {(0, 0), (0, 1), (1, 1)}
    assert feasible.element_counts() == [[2, 1], [1, 2]]


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_numbering_equals_enumeration(data: st.DataObject) -> None:
    sizes = tuple(data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=4)))
    entry = st.tuples(*(st.integers(ANY, size - 1) for size in sizes))
    rules = tuple(data.draw(st.lists(entry.filter(lambda rule: any(e != ANY for e in rule)), max_size=4)))
    allowed = {
        composition
        for composition in product(*(range(size) for size in sizes))
        if not any(all(r in (ANY, e) for r, e in zip(rule, composition, strict=True)) for rule in rules)
    }
    if not allowed:
        with pytest.raises(CatalogueError, match="leave no creative"):
            FeasibleSet(sizes, rules)
        return
    feasible = FeasibleSet(sizes, rules)
    assert feasible.count == len(allowed)
    listed = [feasible.composition(number) for number in range(feasible.count)]
    assert set(listed) == allowed
    assert [feasible.number(composition) for composition in listed] == list(range(feasible.count))
    for slot, counts in enumerate(feasible.element_counts()):
        assert counts == [sum(c[slot] == element for c in allowed) for element in range(sizes[slot])]


def test_huge_set_is_counted_exactly() -> None:
    feasible = FeasibleSet((1000,) * 10, ((5, 7) + (ANY,) * 8,))
    assert feasible.count == 1000**10 - 1000**8
    last = feasible.composition(feasible.count - 1)
    assert feasible.number(last) == feasible.count - 1


def test_rules_that_tell_too_much_apart_are_an_error() -> None:
    rules = tuple((element,) * 5 for element in range(12))
    with pytest.raises(CatalogueError, match="rules = 12"):
        FeasibleSet((13,) * 5, rules)
