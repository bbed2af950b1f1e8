"""A server and a learner in processes of their own, with their events in a real PostgreSQL."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

from typer.testing import CliRunner

from ranker.cli import app
from ranker.client import RankerClient
from ranker.events.reader import EventReader
from ranker.events.records import Outcome
from ranker.home import Home
from tests.integration.conftest import serving


def adranker(*arguments: str) -> dict[str, object]:
    ran = CliRunner().invoke(app, [*arguments, "--json"], catch_exceptions=False)
    return json.loads(ran.stdout)


def test_a_killed_server_loses_nothing_that_was_acknowledged_and_its_learner_learns(
    home: Path, empty_url: str, make_request, tmp_path: Path
):
    assert adranker("events", "migrate", "--events-url", empty_url) == {"layout": "3"}
    posteriors = Home(home).posteriors
    with serving(home, "--events-url", empty_url, "--with-learner") as server:
        with RankerClient(server.address) as client:
            for i in range(40):
                client.rank(make_request(f"d{i}"))
                client.report([Outcome(f"e{i}", f"d{i}", 0, "click", 1.0, time.time())])
            deadline = time.monotonic() + 90
            while len([one for one in posteriors.iterdir() if one.is_dir()]) < 2:
                assert time.monotonic() < deadline, "the learner published nothing"
                time.sleep(0.05)
        server.signal(signal.SIGKILL)
    with EventReader(empty_url) as reader:
        assert all(reader.find_decision(f"d{i}") for i in range(40))
        assert (reader.counts().decisions, reader.counts().joined) == (40, 40)
    assert not Home(home).events.exists()
    summary = adranker("export", str(tmp_path / "out"), "--home", str(home), "--events-url", empty_url)
    assert (summary["decisions"], summary["outcomes"]) == (40, 40)
