"""Is the trained CTR model as good as scikit-learn's under the same split?

    python -m benchmarks.ctr --data FOLDER

FOLDER holds the Criteo attribution, Avazu or Open Bandit sample (`benchmarks/ctr_data.py`). Rivals see the
same ids and are tuned and calibrated on the same validation part as our model. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import expit, logit
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression

from benchmarks.ctr_data import prepare
from ranker.scoring.calibration import fit_calibration
from ranker.scoring.dataset import read_click_log
from ranker.scoring.fitting import fit_model
from ranker.scoring.metrics import evaluate, log_loss
from ranker.scoring.selection import Grid

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ranker.scoring.fitting import FittedModel

    Floats = NDArray[np.float64]

NUM_RESAMPLES = 500
MAX_TREE_IDS = 255


def fit_logistic(fitted: FittedModel) -> Floats:
    """Returns the test part's ctr by the best of six logistic regressions on our features."""
    log, split, design = fitted.log, fitted.split, fitted.model.design
    train, validation, test = (
        design.features(log.numeric[rows], fitted.categorical[rows]) for rows in split.parts().values()
    )
    models = [
        LogisticRegression(C=strength, max_iter=1000).fit(train, log.clicks[split.train])
        for strength in (0.001, 0.01, 0.03, 0.1, 0.3, 1.0)
    ]
    return best_of(models, validation, test, log.clicks[split.validation])


def fit_trees(fitted: FittedModel) -> Floats:
    """Returns the test part's ctr by the best of six boosted tree ensembles."""
    log, split = fitted.log, fitted.split
    # They take at most 255 ids a field: the most frequent of the training part keep theirs.
    columns = [frequent_ids(column, split.train) for column in fitted.categorical.T]
    rows = np.column_stack([log.numeric, *columns])
    is_categorical = np.arange(rows.shape[1]) >= log.numeric.shape[1]
    models = [
        HistGradientBoostingClassifier(
            learning_rate=rate,
            max_iter=iterations,
            max_leaf_nodes=15,
            categorical_features=is_categorical,
            early_stopping=False,
            random_state=0,
        ).fit(rows[split.train], log.clicks[split.train])
        for rate in (0.03, 0.1)
        for iterations in (30, 100, 200)
    ]
    return best_of(models, rows[split.validation], rows[split.test], log.clicks[split.validation])


def best_of(models: list[Any], validation: Any, test: Any, clicks: Floats) -> Floats:
    """Returns the test part's calibrated ctr by the model of least log loss on the validation part."""
    ones = np.ones(len(clicks))
    best = min(models, key=lambda model: log_loss(clicks, model.predict_proba(validation)[:, 1], ones))
    calibration = fit_calibration(logit(best.predict_proba(validation)[:, 1]), clicks)
    ctr: Floats = expit(calibration.apply(logit(best.predict_proba(test)[:, 1])))
    return ctr


def frequent_ids(ids: NDArray[np.int64], train: NDArray[np.int64]) -> Floats:
    """Returns ids (n,) renumbered by their frequency in training, those beyond the trees' limit as one."""
    counts = np.bincount(ids[train], minlength=ids.max() + 1)
    rank = np.argsort(np.argsort(-counts, kind="stable"), kind="stable")
    return np.minimum(rank[ids], MAX_TREE_IDS - 1).astype(np.float64)


def log_loss_difference(clicks: Floats, ctr: Floats, rival: Floats) -> list[float]:
    """Returns our log loss minus the rival's, with a paired 95 % bootstrap interval: negative is ours."""
    rows = [np.where(clicks == 1, -np.log(p), -np.log1p(-p)) for p in (ctr, rival)]
    difference = rows[0] - rows[1]
    rng = np.random.default_rng(0)
    means = [difference[rng.integers(len(clicks), size=len(clicks))].mean() for _ in range(NUM_RESAMPLES)]
    return [float(value) for value in (difference.mean(), *np.quantile(means, [0.025, 0.975]))]


def machine() -> str:
    """Returns processor, cores and interpreter."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    model = next((line.split(": ")[1] for line in lines if line.startswith("model name")), platform.machine())
    return f"{model}, {os.cpu_count()} cores, Python {platform.python_version()}"


def main() -> None:
    """Prints one line a model, then the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the click log")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    prepared = prepare(arguments.data)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log.parquet"
        prepared.rows.to_parquet(path)
        log = read_click_log(path, prepared.schema)
    started = time.perf_counter()
    fitted = fit_model(log, prepared.schema, arguments.seed, Grid(), lambda *_: None)
    seconds = {"adranker": time.perf_counter() - started}
    test = fitted.split.test
    predictions = {"adranker": fitted.model.predict(log.numeric[test], fitted.categorical[test])}
    for name, fit in (("logistic", fit_logistic), ("boosted_trees", fit_trees)):
        started = time.perf_counter()
        predictions[name] = fit(fitted)
        seconds[name] = time.perf_counter() - started
    clicks = log.clicks[test]
    results: dict[str, Any] = {}
    for name, ctr in predictions.items():
        metrics = evaluate(clicks, ctr, NUM_RESAMPLES, np.random.default_rng(arguments.seed))
        results[name] = {
            key: [round(v, 5) for v in asdict(metric).values()] for key, metric in metrics.items()
        }
        results[name]["log_loss_ours_minus_this"] = log_loss_difference(clicks, predictions["adranker"], ctr)
        results[name]["fit_seconds"] = round(seconds[name], 1)
        print(f"{name:14} log loss {metrics['log_loss'].value:.5f}  AUC {metrics['auc'].value:.4f}")
    chosen = fitted.selection.chosen
    summary = {
        "benchmark": "ctr",
        "data": prepared.schema.schema_id,
        "split": fitted.split.method,
        "rows": {name: len(rows) for name, rows in fitted.split.parts().items()},
        "test_clicks": int(clicks.sum()),
        "num_factors": chosen.fit.machine.factors.shape[1],
        "penalty": asdict(chosen.penalty),
        "models": results,
        "machine": machine(),
    }
    print(json.dumps(summary))


if __name__ == "__main__":
    main()
