"""Servers before a bus, and consumers in processes of their own that are killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner

from benchmarks.mock_kafka import MockKafka
from ranker.cli import app, main
from ranker.client import RankerClient
from ranker.errors import NotFoundError, StateError
from ranker.events.reader import EventReader
from ranker.events.records import Outcome
from ranker.events.sqlite_store import SqliteEventStore
from ranker.home import Home
from ranker.serving.server import Server
from tests.integration.conftest import serving, settings


@pytest.fixture
def bus_url() -> Iterator[str]:
    cluster = MockKafka()
    yield cluster.url("events")
    cluster.close()


class Consumer:
    """`adranker consume`; what it prints comes line by line."""

    def __init__(self, home: Path, bus_url: str, *options: str) -> None:
        command = [sys.executable, "-m", "ranker.cli", "consume", "--home", str(home), "--bus-url", bus_url]
        self.process = subprocess.Popen(
            [*command, "--metrics-port", "0", *options], stdout=subprocess.PIPE, text=True, env={**os.environ}
        )
        assert self.said() == {"consumer": "waits"}

    def said(self) -> dict[str, object]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, f"it ended with code {self.process.wait()}"
        return json.loads(line)

    def signal(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        return self.process.wait(timeout=60)


@contextmanager
def consuming(home: Path, bus_url: str, *options: str) -> Iterator[Consumer]:
    consumer = Consumer(home, bus_url, *options)
    try:
        yield consumer
    finally:
        if consumer.process.poll() is None:
            consumer.process.kill()
        consumer.process.communicate()


def totals(home: Path, bus_url: str) -> dict[str, int]:
    """Stores what is left on the bus."""
    with consuming(home, bus_url, "--until-end", "--json") as last:
        last.said()
        found = last.said()
        assert last.process.wait(timeout=60) == 0
    return found  # type: ignore[return-value]


def test_consumers_that_are_killed_lose_nothing_and_store_nothing_twice(
    home: Path, bus_url: str, make_request
):
    SqliteEventStore(Home(home).events).close()  # the tables, which a server before a bus reads
    acknowledged: list[str] = []
    stop = threading.Event()
    with serving(home, "--bus-url", bus_url) as server:

        def load() -> None:
            with RankerClient(server.address) as client:
                while not stop.is_set():
                    name = f"d{len(acknowledged)}"
                    client.rank(make_request(name))
                    outcome = Outcome(f"e-{name}", name, 0, "click", 1.0, time.time())
                    assert client.report([outcome]).num_published == 1
                    acknowledged.append(name)

        thread = threading.Thread(target=load)
        thread.start()
        for wait_seconds in (0.05, 0.3, 0.7):
            with consuming(home, bus_url) as consumer:
                assert consumer.said()["consumer"] == "reads"
                time.sleep(wait_seconds)
                consumer.signal(signal.SIGKILL)
            # A killed one holds its lease up to 10 s; a clean end gives it back.
            free_lease(home)
        stop.set()
        thread.join()
        assert server.signal(signal.SIGTERM) == 0
    assert totals(home, bus_url)["stored"] > 0
    assert totals(home, bus_url) == {}
    with EventReader(Home(home).events) as reader:
        assert all(reader.find_decision(name) for name in acknowledged)
        counts = reader.counts()
        assert (counts.decisions, counts.joined, counts.late) == (len(acknowledged), len(acknowledged), 0)


def free_lease(home: Path) -> None:
    """As if the ten seconds were over."""
    import sqlite3

    path = Home(home).leases
    assert isinstance(path, Path)
    with sqlite3.connect(path) as rows:
        rows.execute("UPDATE learner_lease SET expires_at = 0")
    rows.close()


def test_a_second_consumer_waits_until_the_first_has_ended(home: Path, bus_url: str):
    with consuming(home, bus_url) as first:
        said = first.said()
        with urllib.request.urlopen(f"http://{said['metrics_address']}/metrics") as response:
            metrics = response.read().decode()
        assert "adranker_bus_lag_seconds" in metrics
        assert "adranker_events_decisions_total 0.0" in metrics
        with consuming(home, bus_url) as second:
            time.sleep(0.5)
            assert first.signal(signal.SIGTERM) == 0
            assert second.said()["consumer"] == "reads"
            assert second.signal(signal.SIGTERM) == 0


def test_a_decision_that_came_over_the_bus_can_be_replayed(home: Path, bus_url: str, make_request):
    SqliteEventStore(Home(home).events).close()
    running = Server(settings(home, bus_url=bus_url))
    running.start()
    try:
        with RankerClient(running.address) as client:
            answer = client.rank(make_request())
            with pytest.raises(NotFoundError, match="no such decision is stored"):
                client.replay_decision(answer.decision_id)
            assert totals(home, bus_url) == {"stored": 1}
            replayed = client.replay_decision(answer.decision_id)
        assert replayed["is_equal"]
    finally:
        running.close()


def test_a_server_before_a_bus_asks_for_a_store_that_is_there(home: Path, bus_url: str):
    with pytest.raises(NotFoundError, match=r"events\.database = .*does not exist"):
        Server(settings(home, bus_url=bus_url))


def test_a_bus_that_does_not_answer_ends_the_start(home: Path, monkeypatch):
    monkeypatch.setattr("ranker.serving.bus.kafka._START_SECONDS", 0.5)
    SqliteEventStore(Home(home).events).close()
    with pytest.raises(StateError, match="no good answer"):
        Server(settings(home, bus_url="kafka://127.0.0.1:1/t"))


def test_without_a_bus_there_is_nothing_to_consume(home: Path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["adranker", "consume", "--home", str(home)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert "bus_url = '': give --bus-url" in capsys.readouterr().err


def test_the_commands_are_told_of():
    assert "--bus-url" in CliRunner().invoke(app, ["serve", "--help"], env={"COLUMNS": "200"}).stdout
