from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from bandit.features import FeatureIndex
from bandit.posterior import Posterior, PriorScales
from bandit.space import ContextField, CreativeCatalogue, CreativeSpace, Slot

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _float_errors_are_errors() -> Iterator[None]:
    with np.errstate(all="raise", under="ignore"):
        yield


@pytest.fixture
def catalogue() -> CreativeCatalogue:
    """Two context fields, three slots; `banner` has a rule, `text` only one slot and one context field."""
    return CreativeCatalogue(
        (ContextField("hour", 3), ContextField("site", 4)),
        (
            Slot("picture", ("cat", "dog")),
            Slot("headline", ("short", "long", "question")),
            Slot("colour", ("red", "green")),
        ),
        (
            CreativeSpace(
                "banner",
                ("hour", "site"),
                incompatible=((("picture", "cat"), ("colour", "red")),),
            ),
            CreativeSpace("text", ("site",), {"headline": ("short", "question")}),
        ),
    )


@pytest.fixture
def index(catalogue: CreativeCatalogue) -> FeatureIndex:
    return FeatureIndex(catalogue)


@pytest.fixture
def posterior(catalogue: CreativeCatalogue) -> Posterior:
    """A belief wide enough that draws disagree."""
    return Posterior.prior(catalogue, 2, PriorScales(1.0, 1.0, 0.7, 0.5), seed=3)
