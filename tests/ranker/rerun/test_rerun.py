import shutil
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from ranker.errors import InvalidInputError, NotFoundError, StateError
from ranker.pipeline import PipelineSettings, rank
from ranker.rerun import rerun as module
from ranker.rerun.captured_log import Flaws, captured_of, read_captured
from ranker.rerun.chunk import Bench
from ranker.rerun.policy_file import AS_LOGGED, RerunPolicy, read_policy
from ranker.rerun.rerun import rerun_log
from ranker.slate import Candidates
from ranker.stages import StageTimer
from tests.ranker.rerun.logs import KEY, SNAPSHOT, request, write_log
from tests.ranker.test_pipeline import DrawnSelector


def bench(*policies):
    return Bench(policies, (SNAPSHOT,) * len(policies), KEY)


def test_what_has_not_changed_does_not_move(tmp_path):
    write_log(tmp_path, [request(i) for i in range(20)])
    totals = rerun_log(tmp_path / "log", bench(AS_LOGGED)).totals["as logged"]
    assert (totals.reruns, totals.unmoved, totals.causes) == (20, 20, {})
    assert totals.objective == totals.logged_objective
    assert totals.duals == totals.logged_duals == {"first": [20.0, pytest.approx(20 * 0.3)]}


def test_a_looser_limit_moves_its_ad_in_and_another_out(tmp_path):
    # Served: ad0 with 0.6, tightened for 20 % exploration so that the whole policy holds it; the limit 0.8
    # gives it 0.2 more of the one position, which ad1 loses.
    write_log(tmp_path, [request(i) for i in range(4)])
    totals = rerun_log(tmp_path / "log", bench(RerunPolicy("more", limits={"first": 0.8}))).totals["more"]
    assert totals.unmoved == 0
    assert totals.candidates == {
        "ad0": {"constraint": pytest.approx(4 * 0.2)},
        "ad1": {"displaced": pytest.approx(-4 * 0.2)},
    }


def test_a_changed_price_is_told_from_a_changed_score(tmp_path):
    write_log(tmp_path, [request(0)])
    (captured,) = read_captured(tmp_path / "log", Flaws())
    # As if the model had scored otherwise than it does now: ad2 was best.
    before = replace(captured, ctr=np.array([0.5, 0.2, 0.9]))
    chunk = module.rerun_chunk([before], 0, bench(RerunPolicy("now", attention=(1.0,))))
    moved = chunk.totals["now"].candidates
    assert moved["ad2"]["score"] < 0
    assert moved["ad0"]["code"] < 0  # the logged mixture was not solved for those scores
    assert moved["ad0"]["dual_price"] > 0


def test_more_exploration_is_named_as_what_moved_the_ads(tmp_path):
    # A limit that holds over the whole policy keeps ad0 at its share; of the rest a larger part is random.
    write_log(tmp_path, [request(i) for i in range(4)])
    totals = rerun_log(tmp_path / "log", bench(RerunPolicy("more", exploration_ratio=0.5))).totals["more"]
    assert totals.unmoved == 0
    assert {cause for causes in totals.candidates.values() for cause in causes} == {"exploration"}
    assert totals.candidates["ad1"]["exploration"] < 0 < totals.candidates["ad2"]["exploration"]


@pytest.mark.parametrize(("experiment", "told"), [("", ""), ("canary", "canary"), ("canary", "")])
def test_the_same_posterior_composes_the_same_ads_in_an_experiment_too(experiment, told):
    # Twelve draws of sixteen: with the draws of another experiment hardly any ad would stand as it stood.
    snapshot = replace(SNAPSHOT, selector=DrawnSelector())
    captures = []
    for i in range(12):
        candidates = Candidates(("ad",), np.ones(1), ctr=np.array([0.5]), creative_space_ids=("banner",))
        asked = request(
            i, ctr=(0.5,), candidates=candidates, constraints=(), constraint_weights=np.empty((0, 1))
        )
        drawn = rank(asked, snapshot, PipelineSettings(0.0, KEY, experiment=experiment), StageTimer())
        captures.append(captured_of(asked, replace(drawn, experiment=told), np.zeros(1)))
    chunk = module.rerun_chunk(captures, 0, Bench((AS_LOGGED,), (snapshot,), KEY))
    assert (chunk.totals["as logged"].creatives == 0) == (experiment == told)


def test_captures_that_are_missing_damaged_foreign_or_pending_are_counted_and_named(tmp_path):
    requests = [request(i) for i in range(200)]
    pending = {f"r{i}" for i in range(150, 200)}
    write_log(tmp_path, requests, capture=0.5, clicks=lambda d: None if d.decision_id in pending else 1.0)
    (path,) = (tmp_path / "log" / "requests").glob("*/*/*.parquet")
    rows = parquet.ParquetFile(path).read().to_pylist()
    rows[0]["record"] = b"\x09" + rows[0]["record"][1:]
    rows[1]["record"] = rows[2]["record"]
    parquet.write_table(pa.Table.from_pylist(rows, schema=parquet.read_schema(path)), path)
    found = rerun_log(tmp_path / "log", bench(AS_LOGGED)).flaws
    assert found.counts["not_captured"] == 200 - len(rows)
    assert (found.counts["damaged"], found.counts["foreign"]) == (1, 1)
    assert rows[0]["decision_id"] in found.examples["damaged"]
    assert rows[1]["decision_id"] in found.examples["foreign"]
    assert found.counts["reward_pending"] == sum(row["decision_id"] in pending for row in rows) > 0


def test_a_request_that_the_pipeline_refuses_is_named(tmp_path):
    bare = Candidates(
        ("a", "b"), np.ones(2), np.empty((2, 0), np.float32), np.empty((2, 0), np.int64), ctr=np.ones(2) / 3
    )
    write_log(tmp_path, [request(0, candidates=bare, constraint_weights=np.eye(1, 2)), request(1)])
    unknown = Bench((AS_LOGGED,), (replace(SNAPSHOT, schemas={}),), KEY)
    flaws = rerun_log(tmp_path / "log", unknown).flaws
    assert flaws.counts["refused"] == 2
    assert "schema_id" in flaws.examples["refused"]


def test_a_rerun_goes_on_where_it_was_killed(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "CHUNK", 7)
    write_log(tmp_path, [request(i) for i in range(20)], clicks=lambda d: float(d.shown[0].ctr > 0.3))
    policies = bench(AS_LOGGED, RerunPolicy("more", limits={"first": 0.8}))
    whole = rerun_log(tmp_path / "log", policies)
    rerun_log(tmp_path / "log", policies, tmp_path / "out")
    last = max((tmp_path / "out").glob("chunk-*"))
    last.rename(tmp_path / "out" / ".draft")
    monkeypatch.setattr(module, "rerun_chunk", only(14, module.rerun_chunk))
    resumed = rerun_log(tmp_path / "log", policies, tmp_path / "out")
    assert resumed.totals == whole.totals
    assert all((resumed.columns[name] == column).all() for name, column in whole.columns.items())
    with pytest.raises(StateError, match="other policies"):
        rerun_log(tmp_path / "log", bench(AS_LOGGED), tmp_path / "out")
    other = Bench(policies.policies, (replace(SNAPSHOT, scorers={"shop": {"m2": None}}),) * 2, KEY)
    with pytest.raises(StateError, match="models"):
        rerun_log(tmp_path / "log", other, tmp_path / "out")
    monkeypatch.setattr(module, "code_version", lambda: "another release")
    with pytest.raises(StateError, match="code"):
        rerun_log(tmp_path / "log", policies, tmp_path / "out")


def only(start, function):
    """Refuses to compute any other chunk."""

    def checked(members, first, policies):
        assert first == start
        return function(members, first, policies)

    return checked


def test_a_log_without_captures_is_named(tmp_path):
    write_log(tmp_path, [request(0)])
    shutil.rmtree(tmp_path / "log" / "requests")
    with pytest.raises(NotFoundError, match="requests"):
        rerun_log(tmp_path / "log", bench(AS_LOGGED))


def test_a_limit_that_no_request_has_is_named(tmp_path):
    write_log(tmp_path, [request(0)])
    with pytest.raises(InvalidInputError, match="second"):
        rerun_log(tmp_path / "log", bench(RerunPolicy("x", limits={"second": 0.8})))


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("name = ''", "name"),
        ("nam = 'a'", "nam"),
        ("name = 'a'\nexploration_ratio = 1.0", "exploration_ratio"),
        ("name = 'a'\nlimits = 3", "limits"),
        ("name = ", "TOML"),
    ],
)
def test_a_broken_policy_file_is_named(tmp_path, text, field):
    path = tmp_path / "p.toml"
    path.write_text(text)
    with pytest.raises(InvalidInputError, match=field):
        read_policy(path)


def test_a_home_is_read_from_the_folder_of_its_policy(tmp_path):
    path = tmp_path / "p.toml"
    path.write_text("name = 'a'\nhome = 'h'")
    assert read_policy(path).home == tmp_path / "h"
