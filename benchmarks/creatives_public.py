"""AutoCO's public sets as listed worlds: UCI adult and UCI mushroom, two creatives each.

Chen et al. (2021), Automated creative optimization for e-commerce advertising.
"""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import numpy as np

from bandit.features import FeatureIndex
from bandit.space import ContextField, CreativeCatalogue, CreativeSpace, Slot
from benchmarks.creatives_tables import Table

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

ADULT = {
    "workclass": 1,
    "education": 3,
    "marital-status": 5,
    "occupation": 6,
    "relationship": 7,
    "race": 8,
    "sex": 9,
    "native-country": 13,
}
CLASSES = ("<=50K", ">50K")
EAT_EDIBLE, EAT_POISONOUS, LEAVE = 1.0, 0.5, 0.875


def adult(folder: Path) -> Table:
    """48,842 people, each met once; reward 1 if the creative names the person's income class.

    Batches of 1,500. Kohavi (1996), UCI adult.
    """
    people = _rows(folder / "adult.data", 15) + _rows(folder / "adult.test", 15)
    fields = {name: [row[column] for row in people] for name, column in ADULT.items()}
    classes = np.array([CLASSES.index(row[14].rstrip(".")) for row in people])
    return _table(fields, Slot("segment", CLASSES), np.eye(2)[classes], (len(people), 1_500, True))


def mushroom(folder: Path) -> Table:
    """50,000 mushrooms with replacement, 22 fields: eat (+5 edible; +5 or −35 poisonous) or leave (0).

    Rewards are 0 or 1 here: 1 with probability (r + 35) / 40, so 40 × regret is the regret in the published
    unit, on noisier feedback. Batches of 500.
    """
    found = _rows(folder / "mushroom.data", 23)
    fields = {f"f{column}": [row[column] for row in found] for column in range(1, 23)}
    eat = [EAT_EDIBLE if row[0] == "e" else EAT_POISONOUS for row in found]
    ctr = np.column_stack([eat, np.full(len(found), LEAVE)])
    return _table(fields, Slot("action", ("eat", "leave")), ctr, (50_000, 500, False))


def _table(
    fields: dict[str, list[str]], slot: Slot, ctr: NDArray[np.float64], plan: tuple[int, int, bool]
) -> Table:
    names = {name: sorted(set(values)) for name, values in fields.items()}
    numbers = [[names[name].index(value) for value in values] for name, values in fields.items()]
    contexts = [dict(zip(fields, row, strict=True)) for row in zip(*numbers, strict=True)]
    catalogue = CreativeCatalogue(
        tuple(ContextField(name, len(values)) for name, values in names.items()),
        (slot,),
        (CreativeSpace("space", tuple(fields)),),
    )
    creatives = [{slot.name: element} for element in slot.elements]
    index = FeatureIndex(catalogue)
    rows = np.stack([[index.rows("space", context, c) for c in creatives] for context in contexts])
    impressions, batch, once = plan
    return Table(
        rows,
        np.ones(ctr.shape, np.bool_),
        ctr,
        catalogue,
        np.zeros(len(ctr), np.int64),
        contexts,
        creatives,
        impressions,
        warm_up=batch,
        cadence=batch,
        once=once,
    )


def _rows(path: Path, width: int) -> list[list[str]]:
    with path.open() as file:
        return [row for row in csv.reader(file, skipinitialspace=True) if len(row) == width]
