"""The census requests: one ad, two creatives, of which exactly one would have been right for this person.

The protocol is that of Chen et al. (2021), "Automated creative optimization for e-commerce advertising", on
UCI Adult: the context is a person's eight fields, the action an income class, the reward 1 where it is right.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ranker.demo.fixtures import INCOME_CLASSES, Census
from ranker.demo.home import ADULT, INCOME_SLOT
from ranker.slate import Candidates, Context, RankRequest

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ranker.slate import Creative

AD_CTR = 0.5  # the one ad's score decides nothing: there is no other candidate


def draw_people(census: Census, number: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw rows of the census without replacement."""
    return rng.choice(len(census.classes), size=number, replace=False)


def creative_request(census: Census, person: int, request_id: str) -> RankRequest:
    """Ask which of the two creatives to show this person."""
    return RankRequest(
        request_id=request_id,
        schema_id=ADULT,
        # One id more than values: id 0 of a schema's field is the unknown value.
        context=Context(np.empty(0, np.float32), census.codes[person] + 1),
        candidates=Candidates(
            ids=("ad",),
            bids=np.ones(1),
            numeric=np.empty((1, 0), np.float32),
            categorical=np.empty((1, 0), np.int64),
            creative_space_ids=(ADULT,),
            ctr=np.array([AD_CTR]),
        ),
        num_positions=1,
    )


def shown_class(creative: Creative) -> int:
    """Return which income class the creative shows, as an index."""
    return INCOME_CLASSES.index(creative.elements[INCOME_SLOT])
