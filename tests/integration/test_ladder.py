"""A ladder on a real server: the deadline chooses the model, the log says which, replay agrees."""

from __future__ import annotations

import shutil
import urllib.request
from datetime import UTC, datetime

import pytest

from ranker.client import RankerClient
from ranker.errors import NotFoundError
from ranker.home import Home
from ranker.scoring.ladder import Ladder, Rung
from ranker.scoring.ladder_file import write_ladder
from ranker.scoring.training import TrainingOptions, train_ctr
from ranker.serving.home_loader import load_snapshot
from ranker.serving.server import Server
from tests.integration.conftest import settings


@pytest.fixture
def versions(home):
    """Returns the fast and the better model of the home, the better one being the newest."""
    options = TrainingOptions(seed=1, created_at=datetime(2026, 2, 1, tzinfo=UTC))
    better = train_ctr(home / "log.csv", home / "schemas" / "shop.toml", home / "models", options)
    (fast,) = {path.name for path in (home / "models" / "shop").iterdir()} - {better.card.model_version}
    return fast, better.card.model_version


@pytest.fixture
def ladder(home, versions):
    """Writes a ladder whose better model is said to take a quarter of an hour."""
    fast, better = versions
    rungs = Rung(better, 0.4, (10,), (900.0,)), Rung(fast, 0.5, (10,), (1e-3,))
    return write_ladder(home / "models", Ladder("shop", rungs), {})


def metric(server, name):
    with urllib.request.urlopen(f"http://{server.metrics_address}/metrics") as page:
        lines = page.read().decode().splitlines()
    return {
        line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if line.startswith(name)
    }


@pytest.mark.usefixtures("ladder")
def test_the_deadline_chooses_and_every_decision_replays(home, versions, make_request):
    fast, better = versions
    server = Server(settings(home, capture_ratio=1.0))
    server.start()
    with RankerClient(server.address, timeout_seconds=600.0) as hurried:
        assert hurried.rank(make_request("hurried")).model_version == fast
        assert hurried.rank(make_request("pinned", model_version=better)).model_version == better
        for name in ("hurried", "pinned"):
            assert hurried.replay_decision(name)["is_equal"]
    with RankerClient(server.address, timeout_seconds=3600.0) as patient:
        assert patient.rank(make_request("patient")).model_version == better
        assert patient.rank(make_request("hurried")).model_version == fast, "a retry gets what is kept"
        assert patient.replay_decision("patient")["is_equal"]
    assert metric(server, "adranker_ladder_too_slow_total") == {"adranker_ladder_too_slow_total": 0.0}
    assert metric(server, "adranker_model_answers_total") == {
        f'adranker_model_answers_total{{model="{fast}"}}': 2.0,
        f'adranker_model_answers_total{{model="{better}"}}': 2.0,
    }
    server.close()


def test_where_no_model_fits_the_fastest_answers_and_is_counted(home, versions, make_request):
    fast, better = versions
    rungs = Rung(better, 0.4, (10,), (7200.0,)), Rung(fast, 0.5, (10,), (3600.0,))
    write_ladder(home / "models", Ladder("shop", rungs), {})
    server = Server(settings(home))
    server.start()
    with RankerClient(server.address, timeout_seconds=600.0) as client:
        assert client.rank(make_request()).model_version == fast
        (result,) = client.batch_rank([make_request("r2")])
        assert result.model_version == fast
    assert metric(server, "adranker_ladder_too_slow_total") == {"adranker_ladder_too_slow_total": 2.0}
    server.close()


@pytest.mark.usefixtures("ladder")
def test_a_model_trained_after_the_ladder_takes_its_place(home):
    place = Home(home)
    assert list(load_snapshot(place, None).ladders) == ["shop"]
    options = TrainingOptions(seed=2, created_at=datetime(2026, 3, 1, tzinfo=UTC))
    train_ctr(home / "log.csv", home / "schemas" / "shop.toml", home / "models", options)
    assert load_snapshot(place, None).ladders == {}


@pytest.mark.usefixtures("ladder")
def test_all_models_of_a_ladder_stay_loaded(home, versions, monkeypatch):
    monkeypatch.setattr("ranker.serving.home_loader.KEPT_MODELS", 1)
    assert set(load_snapshot(Home(home), None).scorers["shop"]) == set(versions)


@pytest.mark.usefixtures("ladder")
def test_a_ladder_that_lacks_a_model_is_refused_by_name(home, versions):
    shutil.rmtree(home / "models" / "shop" / versions[0])
    with pytest.raises(NotFoundError, match=f"model_version = '{versions[0]}': no such model"):
        load_snapshot(Home(home), None)
