"""The server as a process: SIGTERM drains, SIGKILL loses nothing acknowledged, the learner learns."""

from __future__ import annotations

import ctypes
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import grpc
import pytest

from ranker.client import RankerClient
from ranker.errors import StateError
from ranker.events.records import Outcome
from ranker.events.sqlite_store import SqliteEventStore
from ranker.home import Home
from tests.integration.conftest import serving


class Load(threading.Thread):
    """Ranks and reports until told to stop; remembers what was acknowledged and what failed."""

    def __init__(self, address: str, name: str, make_request) -> None:
        super().__init__()
        self.client = RankerClient(address)
        self.prefix, self.make_request = name, make_request
        self.stopped = threading.Event()
        self.decided: list[str] = []
        self.reported: list[str] = []
        self.failures: list[Exception] = []

    def run(self) -> None:
        number = 0
        while not self.stopped.is_set() and not self.failures:
            number += 1
            request_id = f"{self.prefix}-{number}"
            try:
                self.client.rank(self.make_request(request_id))
                self.decided.append(request_id)
                self.client.report([Outcome(f"e-{request_id}", request_id, 0, "click", 1.0, time.time())])
                self.reported.append(request_id)
            except (StateError, grpc.RpcError) as error:
                self.failures.append(error)
        self.client.close()


@pytest.fixture
def load(make_request):
    """Returns a starter of three loads on an address."""

    def start(address: str, round_: int = 0) -> list[Load]:
        loads = [Load(address, f"{round_}-{i}", make_request) for i in range(3)]
        for one in loads:
            one.start()
        return loads

    return start


def wait_until(condition, seconds: float = 90.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def test_sigterm_ends_a_server_whichever_of_its_threads_takes_it(home):
    with serving(home) as server:
        pid = server.process.pid
        others = [int(task.name) for task in Path(f"/proc/{pid}/task").iterdir() if int(task.name) != pid]
        # Threads of gRPC's own block signals and would keep it for ever: Python's do not.
        blocked = {tid: _blocked_signals(pid, tid) for tid in others}
        taker = next(tid for tid in others if not blocked[tid] >> (signal.SIGTERM - 1) & 1)
        assert ctypes.CDLL(None, use_errno=True).tgkill(pid, taker, signal.SIGTERM) == 0
        assert server.process.wait(90) == 0


def _blocked_signals(pid: int, tid: int) -> int:
    status = Path(f"/proc/{pid}/task/{tid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("SigBlk")).split()[1], 16)


def test_sigterm_answers_what_was_accepted_and_ends_with_zero(home, load):
    with serving(home) as server:
        loads = load(server.address)
        wait_until(lambda: all(len(one.reported) > 20 for one in loads))
        code = server.signal(signal.SIGTERM)
        for one in loads:
            one.join()
    assert code == 0
    # A call that came too late is turned away at the door, which a client may safely repeat elsewhere;
    # one that was let in must not fail in any other way.
    turned_away = "cannot be reached", "closed before it answered"
    failures = [str(failure) for one in loads for failure in one.failures]
    assert [text for text in failures if not any(reason in text for reason in turned_away)] == []
    with SqliteEventStore(Home(home).events) as store:
        assert all(store.find_decision(decision) for one in loads for decision in one.decided)


@pytest.mark.parametrize("durability", ["committed", "synced"])
def test_sigkill_loses_nothing_that_was_acknowledged(home, load, durability):
    decided: list[str] = []
    reported: set[str] = set()
    for round_ in range(2):
        with serving(home, "--durability", durability) as server:
            loads = load(server.address, round_)
            wait_until(lambda loads=loads, n=10 + 7 * round_: all(len(one.reported) > n for one in loads))
            server.signal(signal.SIGKILL)
            for one in loads:
                one.join()
        decided += [decision for one in loads for decision in one.decided]
        reported |= {decision for one in loads for decision in one.reported}
    with SqliteEventStore(Home(home).events) as store:
        missing = [decision for decision in decided if store.find_decision(decision) is None]
        assert missing == []
        joined = [j.decision.decision_id for j in store.joined_after(0, 10**6) if not j.expired]
    assert len(joined) == len(set(joined))
    assert reported <= set(joined)


@pytest.mark.parametrize("inference", ["closed_form", "svi"])
def test_the_learner_turns_outcomes_into_a_posterior_that_serves(home, make_request, inference):
    with (
        serving(home, "--with-learner", "--inference", inference) as server,
        RankerClient(server.address) as client,
    ):
        prior = client.versions()["posterior"]["version"]
        for i in range(60):
            answer = client.rank(make_request(f"r{i}"))
            client.report(
                Outcome(
                    f"e{i}-{j}",
                    f"r{i}",
                    j,
                    "click",
                    float(ad.creative.elements["colour"] == "red"),
                    time.time(),
                )
                for j, ad in enumerate(answer.slate)
            )
        wait_until(lambda: int(client.versions()["posterior"].get("sequence", 0)) == 180)
        assert client.versions()["posterior"]["version"] != prior
        answers = [client.rank(make_request(f"after{i}")) for i in range(40)]
        colours = [ad.creative.elements["colour"] for answer in answers for ad in answer.slate]
        # 180 outcomes, red always and blue never clicked: Thompson sampling shows blue at about its floor.
        assert colours.count("red") > 0.8 * len(colours)
        assert server.signal(signal.SIGTERM) == 0


def processes_on(home: Path) -> list[str]:
    """Returns the command lines of the running processes that name the home."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(FileNotFoundError, ProcessLookupError):
            if str(home).encode() in (command := path.read_bytes()):
                found.append(command.decode())
    return found


def test_a_killed_servers_learner_does_not_outlive_it_for_long(home):
    with serving(home, "--with-learner") as server:
        server.signal(signal.SIGKILL)
    wait_until(lambda: not processes_on(home))
    with serving(home, "--with-learner") as server:
        assert server.signal(signal.SIGTERM) == 0
    assert not processes_on(home)


def test_serving_loads_nothing_that_only_learning_needs():
    code = "import sys, ranker.cli, ranker.serving.server, ranker.creative_learning; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"torch", "pyro", "sklearn", "matplotlib", "onnx", "jinja2"} & set(loaded.stdout.split())
