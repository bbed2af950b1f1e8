"""Two learners in processes of their own on one home: one learns, the other takes over."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from bandit import snapshot
from ranker.client import RankerClient
from ranker.events.postgres import migrate
from ranker.events.records import Outcome
from ranker.home import Home
from tests.integration.conftest import serving


@contextmanager
def learner(home: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "ranker.cli", "learn", "--home", str(home), "--max-wait-seconds", "0.2"]
    process = subprocess.Popen(
        [*command, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def news(process: subprocess.Popen[str]) -> dict[str, Any]:
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, process.stderr and process.stderr.read()
    return json.loads(line)


@pytest.mark.parametrize(("store", "how"), [("sqlite", signal.SIGSTOP), ("postgres", signal.SIGKILL)])
def test_a_second_learner_takes_over_and_a_frozen_first_changes_nothing_more(
    home: Path, make_request, request: pytest.FixtureRequest, store: str, how: signal.Signals
):
    options = []
    if store == "postgres":
        options = ["--events-url", request.getfixturevalue("empty_url")]
        migrate(options[1])
    posteriors = Home(home).posteriors
    with serving(home, *options) as server, RankerClient(server.address) as client:

        def learned_from(name: str, process: subprocess.Popen[str]) -> int:
            client.rank(make_request(name))
            client.report([Outcome(name, name, 0, "click", 1.0, time.time())])
            return int(news(process)["sequence"])

        with learner(home, *options) as first:
            assert news(first) == {"learner": "waits"}
            assert news(first) == {"learner": "learns", "epoch": 1}
            with learner(home, *options) as second:
                assert news(second) == {"learner": "waits"}
                before = learned_from("a", first)
                first.send_signal(how)
                assert news(second) == {"learner": "learns", "epoch": 2}
                assert learned_from("b", second) > before
                if how is signal.SIGSTOP:
                    first.send_signal(signal.SIGCONT)
                    assert first.wait(timeout=60) == 2
                    assert first.stderr is not None
                    assert "learner_lease = 1: is lost" in first.stderr.read()
    latest = snapshot.load(posteriors, snapshot.latest(posteriors) or "").provenance
    assert (latest.epoch, latest.num_outcomes) == (2, 2)
