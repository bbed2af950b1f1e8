"""Our errors pass from a worker process to its parent as they are."""

from __future__ import annotations

import pickle

import pytest

from bandit.errors import CreativeError, UnknownSpaceError
from nas.errors import SearchError
from ranker.errors import InvalidInputError, RankerError


@pytest.mark.parametrize(
    "kind", [RankerError, InvalidInputError, CreativeError, UnknownSpaceError, SearchError]
)
def test_an_error_survives_being_pickled(kind: type[RankerError]) -> None:
    error = pickle.loads(pickle.dumps(kind("limits[2]", -1, "must be positive")))  # noqa: S301 (our own bytes)
    assert type(error) is kind
    assert (error.field, error.value, error.problem) == ("limits[2]", -1, "must be positive")
    assert str(error) == "limits[2] = -1: must be positive"
