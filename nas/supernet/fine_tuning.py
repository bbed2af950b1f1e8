"""A short training of a candidate's own before it is judged."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from nas.click_data import ClickRows
from nas.ctr.network import extract
from nas.errors import SearchError
from nas.training import train_alone

if TYPE_CHECKING:
    from nas.ctr.genotype import CtrGenotype
    from nas.ctr.network import CtrNetwork, Subnet
    from nas.training import TrainingSettings


def fine_tune(
    network: CtrNetwork, genotype: CtrGenotype, rows: ClickRows, steps: int, settings: TrainingSettings
) -> Subnet:
    """Copies a path's weights out of a supernet and trains them alone for some steps on rows drawn anew.

    Source: Zhang et al. 2023, NASRec (arXiv 2207.07187), section 4: the supernet ranks better after it.

    Raises:
        SearchError: there are too few rows for so many steps.
    """
    needed = steps * settings.batch_size
    if not 0 < needed <= len(rows):
        raise SearchError("steps", steps, f"must be positive and need at most {len(rows)} rows")
    chosen = np.random.default_rng((settings.seed, needed)).choice(len(rows), needed, replace=False)
    some = ClickRows(rows.ids[chosen], rows.clicks[chosen], rows.numeric[chosen])
    return train_alone(extract(network, genotype), some, replace(settings, epochs=1))
