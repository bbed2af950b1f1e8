"""What every slate obeys is checked before anything is solved."""

from __future__ import annotations

import pytest

from ranker.errors import InvalidInputError
from ranker.slate_rules import FREE, SlateRules


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        (SlateRules(pinned=(0,)), r"rules.pinned.length = 1: must be one a position: 2"),
        (SlateRules(pinned=(FREE, 3)), r"rules.pinned = 3: must be a candidate, 0 … 2"),
        (SlateRules(pinned=(-2, 0)), r"rules.pinned = -2"),
        (SlateRules(pinned=(1, 1)), r"rules.pinned = 1: has more than one place"),
        (SlateRules((0, 0), (2,)), r"rules.groups.length = 2: must be one a candidate: 3"),
        (SlateRules((), (2,)), r"rules.groups.length = 0"),
        (SlateRules((0, 0, 0)), r"rules.groups = 0: must be a place in caps, 0 … -1"),
        (SlateRules((0, 1, 0), (2,)), r"rules.groups = 1: must be a place in caps, 0 … 0"),
        (SlateRules((0, -1, 0), (2,)), r"rules.groups = -1"),
        (SlateRules((0, 1, 0), (2, -1)), r"rules.caps = -1: must not be negative"),
        (SlateRules((0, 0, 0), (1,)), r"rules.caps = 1: must admit 2 candidates"),
        (SlateRules((0, 0, 1), (1, 1), (0, 1)), r"rules.caps\[0\] = 1: must admit the pinned candidates"),
    ],
)
def test_rules_that_no_slate_obeys_are_named(rules: SlateRules, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        rules.check(3, 2)


def test_rules_that_some_slate_obeys_pass() -> None:
    for rules in (SlateRules(), SlateRules((0, 0, 1), (1, 1)), SlateRules((0, 0, 1), (1, 1), (2, FREE))):
        rules.check(3, 2)
