import numpy as np
import pytest

from ranker.errors import InvalidInputError
from ranker.rerun.judgement import judge_policies
from ranker.rerun.policy_file import RerunPolicy
from ranker.rerun.rerun import rerun_log
from tests.ranker.rerun.logs import request, write_log
from tests.ranker.rerun.test_rerun import bench


def columns(target, baseline=0.0):
    """Two requests of two positions; clicks at (0, 0) and (1, 1), worth 2 and 4."""
    return {
        "request": np.array([0, 0, 5, 5]),
        "reward": np.array([1.0, 0, 0, 1]),
        "bid": np.array([2.0, 1, 1, 4]),
        "propensity": np.array([0.5, 0.5, 0.25, 0.5]),
        "predicted": np.full(4, baseline),
        "segment": np.array(["a"] * 4),
        "target:t": np.array(target),
        "baseline:t": np.full(4, baseline),
        "additive:t": np.array([0.5, 0.5, -0.25, -0.25]),
        "cascade:t": np.array([1.0, 0.5, 2.0, 0.25]),
        "slate:t": np.array([0.5, 0.5, 0.25, 0.25]),
        "cascade_logged:t": np.full(4, baseline),
        "cascade_target:t": np.full(4, baseline),
    }


def test_values_are_per_request_by_hand():
    judged = judge_policies(columns([0.5, 0.5, 0.25, 0.5]), ("t",))
    assert judged.logged_value == 3.0
    assert judged.policy("t").estimates["IPS"].value == pytest.approx(3.0)
    judged = judge_policies(columns([1.0, 0.5, 0.25, 0.0]), ("t",))
    # (2·2 + 0) over two requests
    assert judged.policy("t").estimates["IPS"].value == pytest.approx(2.0)
    assert judged.policy("t").estimates["DR"].value == pytest.approx(2.0)
    assert judged.policy("t").difference.value == pytest.approx(-1.0)


def test_beginnings_and_whole_slates_have_weights_of_their_own_by_hand():
    estimates = judge_policies(columns([0.5, 0.5, 0.25, 0.5]), ("t",)).policy("t").estimates
    # RIPS: (1·2 + 0.25·4) / 2; SIPS: (0.5·2 + 0.25·4) / 2; PI: (0.5·2 − 0.25·4) / 2
    assert estimates["RIPS"].value == estimates["Cascade-DR"].value == pytest.approx(1.5)
    assert estimates["SIPS"].value == pytest.approx(1.0)
    assert estimates["PI"].value == pytest.approx(0.0)


def test_a_log_foretells_a_looser_limit(tmp_path):
    # The position pays 0.5 for ad0, 0.2 for ad1, 0.1 for ad2.
    rng = np.random.default_rng(4)
    requests = [request(i) for i in range(4000)]
    write_log(tmp_path, requests, ratio=0.3, clicks=lambda d: float(rng.random() < d.shown[0].ctr))
    found = rerun_log(tmp_path / "log", bench(RerunPolicy("more", limits={"first": 0.8})))
    judged = judge_policies(found.columns, ("more",)).policy("more")
    # Under exploration ε = 0.3 over three ads, ad2 gets 0.1 and ad0 all that its limit gives.
    truth = 0.8 * 0.5 + 0.1 * 0.2 + 0.1 * 0.1
    for name in ("IPS", "SNIPS", "DR", "SNDR"):
        assert truth in judged.estimates[name].interval
    assert {change.name for change in judged.segments} == {"device 1", "device 2"}
    # With one position, its beginning and the slate are the same thing.
    for other, same in (("RIPS", "IPS"), ("SIPS", "IPS"), ("Cascade-DR", "DR"), ("PI", "IPS")):
        assert judged.estimates[other].value == pytest.approx(judged.estimates[same].value)


def test_the_policy_that_logged_is_worth_what_was_logged(tmp_path):
    rng = np.random.default_rng(4)
    two = [request(i, num_positions=2, attention=np.array([1.0, 0.5])) for i in range(300)]
    write_log(tmp_path, two, ratio=0.3, clicks=lambda d: float(rng.random() < d.shown[0].ctr))
    found = rerun_log(tmp_path / "log", bench(RerunPolicy("same")))
    judged = judge_policies(found.columns, ("same",))
    for name in ("IPS", "RIPS", "SIPS", "PI"):
        assert judged.policy("same").estimates[name].value == pytest.approx(judged.logged_value)
    np.testing.assert_allclose(found.columns["cascade:same"], 1.0)


def test_an_empty_log_is_refused():
    with pytest.raises(InvalidInputError, match="no captured request"):
        judge_policies({}, ("t",))


def test_intervals_are_of_the_terms_of_requests_not_of_rows():
    # Two requests whose IPS terms are 2·2 and 0: by hand 2 ± t₁·2, as two values have no skewness.
    interval = judge_policies(columns([1.0, 0.5, 0.25, 0.0]), ("t",)).policy("t").estimates["IPS"].interval
    assert (interval.low + interval.high) / 2 == pytest.approx(2.0)
    assert (interval.high - interval.low) / 2 == pytest.approx(2.0 * 12.7062, rel=1e-4)
