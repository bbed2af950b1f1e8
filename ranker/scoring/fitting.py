"""Fits a calibrated CTR model to a click log."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import csr_array, hstack

# Of threadpoolctl, which scikit-learn depends on and re-exports.
from sklearn.utils.parallel import ThreadpoolController

from ranker.scoring.calibration import Calibration, fit_calibration
from ranker.scoring.ctr_model import CtrModel
from ranker.scoring.delayed_feedback import DelayedLog, fit_delay
from ranker.scoring.design import fit_design
from ranker.scoring.selection import Part, select_machine
from ranker.scoring.split import complete_schema, split_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ranker.scoring.dataset import ClickLog
    from ranker.scoring.design import Design
    from ranker.scoring.schema import FeatureSchema
    from ranker.scoring.selection import Grid, Progress, Selection
    from ranker.scoring.split import Split

# The precision of the prior on what features do to rate and speed, where shares are learned.
DELAY_PENALTY = 30.0


@dataclass(frozen=True)
class FittedModel:
    """A calibrated model, what it was chosen from and the data that it saw."""

    model: CtrModel
    schema: FeatureSchema
    selection: Selection
    log: ClickLog
    categorical: NDArray[np.int64]
    """(n, c)"""
    split: Split
    shares: NDArray[np.float64] | None
    """(n,), of the clicks that come, the share that has come at a row's age; None: all."""

    def seen_rates(self, rows: NDArray[np.int64], ctr: NDArray[np.float64]) -> NDArray[np.float64]:
        """Returns the chances (n,) that clicks which come with `ctr` (n,) have come by now."""
        return ctr if self.shares is None else ctr * self.shares[rows]


def fit_model(log: ClickLog, given: FeatureSchema, seed: int, grid: Grid, report: Progress) -> FittedModel:
    """Fits on the training part, chooses and calibrates on validation; the test part stays unseen."""
    split = split_rows(log, seed)
    schema = complete_schema(given, log, split.train)
    categorical = log.encode(schema)
    design = fit_design(log.numeric[split.train], schema.num_ids)
    shares = _fit_shares(log, design, categorical, split.train, given.window)
    train, validation = (
        Part(
            design.features(log.numeric[rows], categorical[rows]),
            log.clicks[rows],
            None if shares is None else shares[rows],
        )
        for rows in (split.train, split.validation)
    )
    # L-BFGS takes short dot products, for which waking a second thread costs more than it saves (12,000
    # parameters on 2 busy cores: 18 s of CPU on one thread, 50 to 70 s on two). One thread also sums in one
    # order, so that a model's bytes do not depend on the number of cores.
    with ThreadpoolController().limit(limits=1, user_api="blas"):
        selection = select_machine(train, validation, grid, seed, report)
    model = CtrModel(design, selection.chosen.fit.machine, Calibration())
    logits = model.machine.logits(validation.features)
    model = replace(model, calibration=fit_calibration(logits, validation.clicks, shares=validation.shares))
    return FittedModel(model, schema, selection, log, categorical, split, shares)


def _fit_shares(
    log: ClickLog,
    design: Design,
    categorical: NDArray[np.int64],
    train: NDArray[np.int64],
    window: float,
) -> NDArray[np.float64] | None:
    """Returns of the clicks that come the share (n,) that has come at a row's age, learned from `train`."""
    if log.ages is None or log.delays is None:
        return None
    ones = csr_array(np.ones((len(log.ages), 1)))
    features = design.features(log.numeric, categorical)
    with_intercept = csr_array(hstack([ones, features], format="csr"))
    part = DelayedLog(with_intercept[train], log.ages[train], log.delays[train], window)
    fit = fit_delay(part, l2=DELAY_PENALTY / len(train))
    return fit.completion(with_intercept, log.ages)
