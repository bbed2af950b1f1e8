"""The shop's requests: who looks, what can be shown, and what a merchandiser asks of every page."""

from __future__ import annotations

from functools import cache

import numpy as np

from ranker.demo.fixtures import BRAND, CATEGORY, ITEM_LEVELS, BanditLog, read_items
from ranker.demo.home import FASHION
from ranker.slate import Basis, Candidates, Constraint, Context, Mode, RankRequest, Relation

NUM_POSITIONS = 3
# The page shows its three items side by side, and the log agrees: 13, 14 and 11 clicks by position.
ATTENTION = np.ones(NUM_POSITIONS)
NEW_BRANDS = (10, 11, 12, 17)  # levels of the feature that plays the brand: 9 of the 80 items, none cheap
LARGE_CATEGORY = 1  # level of the feature that plays the category: 19 items, the model's favourites
CONSTRAINTS = (
    Constraint("new_brands", Relation.AT_LEAST, 0.2, Basis.SHARE_OF_ATTENTION),
    Constraint("large_category", Relation.AT_MOST, 0.4, Basis.SHARE_OF_ATTENTION),
    # No dearer on average than the median item; prices are standardised by the publisher.
    Constraint("average_price", Relation.AT_MOST, -0.43, Basis.SHARE_OF_ATTENTION),
)
# Outcomes of replayed traffic are few and far between: silence here is no missing click.
REPLAYED = Mode(no_default_reward=True)


def request_id(row: int) -> str:
    """Name the request that replays a row of the log."""
    return f"{FASHION}-{row:05d}"


def item_id(item: int) -> str:
    """Name an item as a candidate."""
    return f"item-{item:02d}"


def item_number(name: str) -> int:
    """Return the item that a candidate's id names."""
    return int(name.removeprefix("item-"))


def slate_request(log: BanditLog, row: int) -> RankRequest:
    """Ask again what the page asked when it wrote this row: all items, three positions, this visitor."""
    return RankRequest(
        request_id=request_id(row),
        schema_id=FASHION,
        context=Context(np.empty(0, np.float32), log.users[row]),
        candidates=_candidates(log.affinity[row]),
        num_positions=NUM_POSITIONS,
        constraints=CONSTRAINTS,
        constraint_weights=constraint_weights(),
        attention=ATTENTION,
        mode=REPLAYED,
    )


@cache
def constraint_weights() -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Return the use `(K, 80)` of each constraint by each item."""
    items = read_items()
    new = np.isin(items.levels[BRAND], NEW_BRANDS)
    large = items.levels[CATEGORY] == LARGE_CATEGORY
    return np.stack([new.astype(np.float64), large.astype(np.float64), items.price])


def _candidates(affinity: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> Candidates:
    items = read_items()
    n = items.num_items
    return Candidates(
        ids=_item_ids(),
        bids=np.ones(n),  # a click is worth 1: value is expected clicks
        numeric=np.stack([items.price.astype(np.float32), affinity], axis=1),
        categorical=_item_codes(),
    )


@cache
def _item_ids() -> tuple[str, ...]:
    return tuple(item_id(item) for item in range(read_items().num_items))


@cache
def _item_codes() -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    """Return the ids `(80, 4)` of the schema's candidate fields; id 0 is the unknown value."""
    items = read_items()
    return np.stack([np.arange(items.num_items) + 1, *(items.levels[name] for name in ITEM_LEVELS)], axis=1)
