import json
import re

import numpy as np
import pytest
from typer.testing import CliRunner

from ranker.attention.attention_file import AttentionFile, write_attention
from ranker.attention.curve import Curve
from ranker.cli import app
from ranker.rerun.policy_file import AS_LOGGED
from ranker.rerun.predictions import calibration, curves
from ranker.rerun.probe import drift, probe
from ranker.rerun.rerun import rerun_log
from tests.ranker.rerun.logs import SNAPSHOT, request, write_log
from tests.ranker.rerun.test_rerun import bench

NAMES = (AS_LOGGED.name,)


def clicks(seed):
    rng = np.random.default_rng(seed)
    return lambda d: float(rng.random() < d.shown[0].ctr)


def test_the_frontier_knows_what_a_limit_costs(tmp_path):
    # ad0 pays 0.5 and may have `limit` of the one position, ad1 pays 0.2: value 0.2 + 0.3·limit.
    write_log(tmp_path, [request(i) for i in range(3)])
    found = probe(tmp_path / "log", {}, NAMES, SNAPSHOT, lambda *_: None)
    (frontier,) = found.frontiers
    np.testing.assert_allclose(frontier.objective, 0.2 + 0.3 * frontier.limits, atol=1e-9)
    inside = (frontier.limits > 0) & (frontier.limits < 1)
    np.testing.assert_allclose(frontier.slope[inside], 0.3, atol=1e-9)
    assert frontier.present == 0.6
    assert found.sensitivity is None
    assert found.calibration is found.drift is None


def test_drift_is_seen_where_clicks_stop():
    n = 240
    columns = {
        "request": np.arange(n),
        "reward": (np.arange(n) < n // 2).astype(float),
        "bid": np.ones(n),
        "propensity": np.full(n, 0.5),
        "predicted": np.full(n, 0.5),
        "target:t": np.full(n, 0.5),
        "baseline:t": np.full(n, 0.5),
    }
    found = drift(columns, ("t",))
    np.testing.assert_allclose(found.logged, [1, 1, 0, 0])
    np.testing.assert_allclose(found.promised, [2, 2, 0, 0])
    np.testing.assert_allclose(found.by_policy["t"], found.logged)  # the policy that logged
    assert drift({name: column[:60] for name, column in columns.items()}, ("t",)) is None


def test_curves_by_hand():
    # Scores 0.9 and 0.5 were hits, 0.8 and 0.1 were none.
    found = curves(np.array([0.9, 0.8, 0.5, 0.1]), np.array([1.0, 0.0, 1.0, 0.0]))
    np.testing.assert_allclose(found.recall, [0.5, 0.5, 1, 1])
    np.testing.assert_allclose(found.precision, [1, 0.5, 2 / 3, 0.5])
    assert found.pr_auc == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)
    assert found.roc_auc == pytest.approx(0.75)  # of four pairs, three in order
    assert found.base_rate == 0.5


def test_calibrated_predictions_lie_in_their_intervals():
    rng = np.random.default_rng(1)
    predicted = rng.uniform(0.05, 0.5, 6000)
    found = calibration(predicted, (rng.random(6000) < predicted).astype(float))
    inside = (found.low <= found.predicted) & (found.predicted <= found.high)
    # 12 intervals of 95 %: nine or fewer within has a chance below 0.02.
    assert inside.sum() >= 10


def test_the_report_of_a_rerun_shows_all_that_was_asked(tmp_path):
    write_log(tmp_path, [request(i) for i in range(240)], clicks=clicks(2))
    home = tmp_path / "home"
    (home / "schemas").mkdir(parents=True)
    (home / "schemas" / "shop.toml").write_text(
        'schema_id = "shop"\nlabel = "click"\n[[fields]]\nname = "device"\nkind = "categorical"\n'
        'scope = "context"\nsize = 3\n'
    )
    one = np.ones(1)
    curve = Curve(one, one, one, one, one)
    write_attention(AttentionFile("by hand", "none", 0.95, 1, curve), home / "attention.json")
    (tmp_path / "p.toml").write_text('name = "more"\nlimits = { first = 0.8 }')
    arguments = ["--policy", str(tmp_path / "p.toml"), "--home", str(home), "--out", str(tmp_path / "out")]
    found = CliRunner().invoke(app, ["replay", str(tmp_path / "log"), *arguments, "--json"])
    assert found.exit_code == 0, found.exception
    assert json.loads(found.stdout)["policies"]["more"]["reruns"] == 240
    page = (tmp_path / "out" / "report.html").read_text()
    assert not re.search(r"(src|href)=.https?:|url\(http|@import", page)
    for title in ("What each policy is worth", "The prices of limits", "Winners and losers", "Drift"):
        assert f"<h2>{title}</h2>" in page
    assert "Why precision–recall beside ROC?" in page
    # values, causes, movers of one policy, frontier, segments, drift, predictions, sensitivity
    assert page.count("<svg") == 8


def test_rerun_rows_are_those_that_predictions_are_judged_by(tmp_path):
    write_log(tmp_path, [request(i) for i in range(120)], clicks=clicks(3))
    columns = rerun_log(tmp_path / "log", bench(AS_LOGGED)).columns
    found = probe(tmp_path / "log", columns, NAMES, SNAPSHOT, lambda *_: None)
    assert found.curves.base_rate == pytest.approx(columns["reward"].mean())
    assert set(found.drift.by_policy) == set(NAMES)
