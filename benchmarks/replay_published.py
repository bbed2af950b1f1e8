"""Relative errors that Open Bandit Pipeline publishes, by our estimators on the same draws.

The protocols are those of its examples: 30 bootstraps of the Open Bandit sample (random → Bernoulli TS,
all campaigns), and 30 splits of the digits data turned into a bandit. The reward models are scikit-learn's,
solved until they stand still: at its default tolerance the direct method is .005 off.
Source: Saito, Aihara, Matsutani and Narita (2021), "Open Bandit Dataset and Pipeline", and the tables in the
examples of its repository.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pandas as pd
from scipy.special import expit
from sklearn.datasets import load_digits
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import KFold, train_test_split
from sklearn.preprocessing import LabelEncoder

from ranker.replay.estimators import (
    direct_method,
    dr,
    dr_terms,
    ips,
    optimistically_shrunk,
    sndr,
    snips,
    switched,
)
from ranker.replay.estimators.slope import tune

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Floats: TypeAlias = NDArray[np.float64]
    Integers: TypeAlias = NDArray[np.int64]

ESTIMATORS = ("DM", "IPS", "SNIPS", "DR", "SNDR", "Switch-DR", "DRos")
PUBLISHED = {
    "open bandit": (0.156876, 0.311082, 0.311795, 0.292464, 0.302407, 0.258410, 0.159520),
    "digits": (0.436541, 0.030288, 0.022764, 0.016156, 0.022082, 0.034657, 0.015868),
}
TOLERANCE = {"open bandit": 1e-4, "digits": 2e-3}
PARAMETERS = (10, 50, 100, 500, 1000, 5000, 10_000, np.inf)
TARGET = Path(__file__).parents[1] / "tests" / "golden" / "open_bandit_estimates.npz"
"""Holds P(item at position) under Bernoulli TS, from a million draws."""
SEED = 12345
FOLDS = 3
RUNS = 30


def published(folder: Path, step: Callable[[str], None]) -> dict[str, dict[str, dict[str, float]]]:
    """Returns the mean relative errors of both tables beside those that are published.

    `folder` holds the Open Bandit sample; each of the RUNS takes about 2 s.
    """
    found = {}
    for name, errors in (("open bandit", _open_bandit(folder, step)), ("digits", _digits(step))):
        means = np.mean(errors, axis=0)
        found[name] = {
            estimator: {
                "ours": float(mean),
                "published": theirs,
                "within_tolerance": bool(abs(mean - theirs) <= TOLERANCE[name]),
            }
            for estimator, mean, theirs in zip(ESTIMATORS, means, PUBLISHED[name], strict=True)
        }
    return found


def _open_bandit(folder: Path, step: Callable[[str], None]) -> list[Floats]:
    log = pd.read_csv(folder / "random__all__all.csv", index_col=0).sort_values("timestamp")
    truth = float(pd.read_csv(folder / "bts__all__all.csv", index_col=0)["click"].mean())
    users = pd.get_dummies(log.filter(like="user_feature"), drop_first=True).to_numpy(np.float64)
    items = _features(pd.read_csv(folder / "random__all__item_context.csv", index_col=0))
    action, position = log["item_id"].to_numpy(), log["position"].to_numpy() - 1
    reward, propensity = log["click"].to_numpy(np.float64), log["propensity_score"].to_numpy()
    target = np.load(TARGET)["target_of_a_million_draws"]
    errors = []
    for run in range(RUNS):
        step(f"open bandit, bootstrap {run + 1} of {RUNS}")
        rows = np.random.RandomState(run).choice(len(log), size=len(log), replace=True)
        shown = (action[rows], position[rows])
        clicks = _chances_of_click(users[rows], items, shown, reward[rows])
        logged = clicks[np.arange(rows.size), shown[0]]
        expected = (clicks * target.T[shown[1]]).sum(axis=1)
        weight = target[shown] / propensity[rows]
        errors.append(_errors(truth, (reward[rows], weight, logged, expected)))
    return errors


def _features(items: pd.DataFrame) -> Floats:
    kinds = items.drop(columns=["item_id", "item_feature_0"]).apply(LabelEncoder().fit_transform)
    return np.column_stack((kinds.to_numpy(np.float64), items["item_feature_0"].to_numpy()))


def _chances_of_click(
    users: Floats, items: Floats, shown: tuple[Integers, Integers], reward: Floats
) -> Floats:
    """Returns the chance of a click `(n, items)` at each row's position, fitted on the other folds."""
    action, position = shown
    found = np.empty((len(users), len(items)))
    for fitted, held in KFold(FOLDS, shuffle=True, random_state=SEED).split(users):
        for where in np.unique(position):
            rows = fitted[position[fitted] == where]
            columns = np.column_stack((users[rows], items[action[rows]]))
            model = _logistic().fit(columns, reward[rows])
            of_user, of_item = np.split(model.coef_[0], [users.shape[1]])
            rows = held[position[held] == where]
            found[rows] = expit((users[rows] @ of_user)[:, None] + items @ of_item + model.intercept_)
    return found


def _logistic() -> Any:
    return LogisticRegression(C=100, max_iter=100_000, tol=1e-10, random_state=SEED)


def _digits(step: Callable[[str], None]) -> list[Floats]:
    images, digits = load_digits(return_X_y=True)
    errors = []
    for run in range(RUNS):
        step(f"digits, split {run + 1} of {RUNS}")
        fitted, context, known, label = train_test_split(images, digits, test_size=0.7, random_state=run)
        rows = np.arange(label.size)
        logging = _mostly(_logistic().fit(fitted, known).predict(context), 0.4)
        forest = RandomForestClassifier(30, max_depth=5, min_samples_leaf=10, random_state=SEED)
        target = _mostly(forest.fit(fitted, known).predict(context), 0.9)
        drawn = np.random.RandomState(run).uniform(size=(label.size, 1))
        action = (logging.cumsum(axis=1) > drawn).argmax(axis=1)
        reward = (action == label).astype(np.float64)
        rewards = _rewards(context, action, reward)
        weight = target[rows, action] / logging[rows, action]
        columns = (reward, weight, rewards[rows, action], (rewards * target).sum(axis=1))
        errors.append(_errors(float(target[rows, label].mean()), columns))
    return errors


def _mostly(digit: Integers, share: float) -> Floats:
    """Returns the policy `(n, 10)` that takes `digit` with `share`, else any of the ten."""
    return np.eye(10)[digit] * share + (1 - share) / 10


def _rewards(context: Floats, action: Integers, reward: Floats) -> Floats:
    """Returns the expected reward `(n, 10)` of every action, fitted on the other folds."""
    found = np.empty((len(context), 10))
    for fitted, held in KFold(FOLDS, shuffle=True, random_state=SEED).split(context):
        model: Any = GradientBoostingClassifier(
            n_estimators=30, learning_rate=0.01, max_depth=5, min_samples_leaf=10, random_state=SEED
        )
        model.fit(np.column_stack((context[fitted], np.eye(10)[action[fitted]])), reward[fitted])
        for taken in range(10):
            one_hot = np.tile(np.eye(10)[taken], (held.size, 1))
            found[held, taken] = model.predict_proba(np.column_stack((context[held], one_hot)))[:, 1]
    return found


def _errors(truth: float, columns: tuple[Floats, Floats, Floats, Floats]) -> Floats:
    """Returns |estimate − truth| / truth of ESTIMATORS from reward, weight, model's logged and expected."""
    reward, weight, logged, expected = columns

    def switch_terms(threshold: float) -> Floats:
        return dr_terms(reward, switched(weight, threshold), logged, expected)

    def shrunk_terms(strength: float) -> Floats:
        return dr_terms(reward, optimistically_shrunk(weight, strength), logged, expected)

    values = (
        direct_method(expected),
        ips(reward, weight),
        snips(reward, weight),
        dr(*columns),
        sndr(*columns),
        switch_terms(tune(PARAMETERS, switch_terms)).mean(),
        shrunk_terms(tune(PARAMETERS, shrunk_terms)).mean(),
    )
    return np.abs(np.array(values) - truth) / truth
