"""Does anything acknowledged get lost, counted twice or learned otherwise when processes are killed?

    python -m benchmarks.kills --home var/serve --store postgres --kills 50
    python -m benchmarks.kills --home var/serve --store sqlite --bus --mean-seconds 4

A server, a learner and, with `--store postgres`, PostgreSQL get SIGKILL at random moments, mostly one,
now and then all at once, while callers rank and report without a pause, each call again under its id until
it is answered. With `--bus` Kafka (librdkafka's mock broker) stands between server and store, and the
consumer is killed too. Whatever is killed is started again at once. At the end everything answered must be in
the store, once; the store's counters must equal its rows; the posterior must equal that of one undisturbed
run over the same events in the same batches. The last line is JSON; the exit code is 1 where
one of these does not hold.
"""

from __future__ import annotations

import argparse
import json
import shutil
import socket
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from bandit import snapshot
from benchmarks.decisions import SPACE, first_schema, write_catalogue
from benchmarks.kills_check import Lineage, judged
from benchmarks.kills_processes import Caller, Supervised, SupervisedDatabase, together
from benchmarks.mock_kafka import MockKafka
from benchmarks.postgres_cluster import PostgresCluster, find_binaries
from ranker.events.postgres import migrate
from ranker.events.reader import EventReader
from ranker.home import Home
from ranker.load.synthetic import RequestShape, synthetic_request
from ranker.serving.home_loader import load_snapshot

if TYPE_CHECKING:
    from collections.abc import Callable

    from ranker.slate import RankRequest

NUM_CALLERS = 2
WINDOW_SECONDS = 5.0
SETTLE_SECONDS = 600.0


class Victim(Protocol):
    """Can be killed, and comes back by itself."""

    def kill(self) -> None:
        """Sends SIGKILL."""
        ...


class Running(Protocol):
    """Goes on until it is closed."""

    def close(self) -> None:
        """Ends it."""
        ...


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--home", type=Path, default=Path("var/serve"))
    parser.add_argument("--store", choices=["sqlite", "postgres"], default="sqlite")
    parser.add_argument("--bus", action="store_true", help="Kafka between the server and the store")
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--mean-seconds", type=float, default=1.0, help="of load before a kill")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch, ExitStack() as running:
        copy = Path(scratch) / "home"
        shutil.copytree(options.home, copy, ignore=shutil.ignore_patterns("events", "creatives"))
        write_catalogue(Home(copy))
        database = None
        url = ""
        if options.store == "postgres":
            binaries = find_binaries()
            if binaries is None:
                sys.exit("PostgreSQL is not installed")
            cluster = PostgresCluster(binaries)
            running.callback(cluster.remove)
            migrate(url := cluster.create_database())
            database = SupervisedDatabase(cluster)
        result = disturbed(Home(copy, url), database, options, Path(scratch), running)
    print(json.dumps(result))
    sys.exit(not result["holds"])


def disturbed(
    home: Home,
    database: SupervisedDatabase | None,
    options: argparse.Namespace,
    scratch: Path,
    running: ExitStack,
) -> dict[str, object]:
    """Runs the load and the kills, lets everything settle, and judges what is left."""
    rng = np.random.default_rng(options.seed)
    port = free_port()
    processes = started_processes(home, options, scratch, running, port)
    lineage = Lineage(home.posteriors)
    make = maker(home)
    callers = [
        Caller(f"c{i}", f"127.0.0.1:{port}", make, np.random.default_rng((options.seed, i)))
        for i in range(NUM_CALLERS)
    ]
    parts: tuple[Running, ...] = (*processes.values(), lineage, *callers)
    for each in parts:
        running.callback(each.close)
    victims: dict[str, Victim] = dict(processes)
    if database is not None:
        victims["postgres"] = database
    started = time.monotonic()
    wait_for_answers(callers)
    killed = kill_at_random(victims, callers, options, rng)
    if database is not None:
        database.wait()
    wait_for_answers(callers)
    for caller in callers:
        caller.close()
    if options.bus:
        drain(processes["consumer"])
    wait_for(lambda: settled(home), "not everything is learned")
    for process in processes.values():
        process.close()
    lineage.close()
    seen = together(callers)
    verdict = judged(home, seen, lineage, scratch)
    return {
        "store": options.store,
        "bus": options.bus,
        "kills": dict(killed),
        "seconds": round(time.monotonic() - started, 1),
        "acknowledged_decisions": len(seen.answers),
        "acknowledged_outcomes": len(seen.outcomes),
        "failed_calls": seen.num_failed_calls,
        # A lease of ten seconds stands between a killed consumer and the next: not each kill meets a reader.
        "consumers_that_read": (scratch / "consumer.log").read_text().count('"reads"') if options.bus else 0,
        **asdict(verdict),
        "holds": verdict.holds,
    }


def started_processes(
    home: Home, options: argparse.Namespace, scratch: Path, running: ExitStack, port: int
) -> dict[str, Supervised]:
    """Starts what can be killed, but for the database."""
    environment = {"ADRANKER_EVENTS_URL": home.events_url or "", "ADRANKER_RELOAD_SECONDS": "0.5"}
    environment |= {"ADRANKER_METRICS_PORT": "0", "ADRANKER_WINDOW_SECONDS": str(WINDOW_SECONDS)}
    processes: dict[str, Supervised] = {}
    if options.bus:
        kafka = MockKafka()
        running.callback(kafka.close)
        environment["ADRANKER_BUS_URL"] = kafka.url("events")
        consume = ["consume", "--home", str(home.root)]
        processes["consumer"] = Supervised(consume, environment, scratch / "consumer.log")
    serve = ["serve", "--home", str(home.root), "--port", str(port)]
    processes["server"] = Supervised(serve, environment, scratch / "server.log")
    # Without what is pending a posterior depends on nothing but the rewards, so that it can be learned again.
    learn = ["learn", "--home", str(home.root), "--batch-size", "200", "--max-wait-seconds", "0.5"]
    learn.append("--no-weigh-pending")
    processes["learner"] = Supervised(learn, environment, scratch / "learner.log")
    return processes


def drain(consumer: Supervised) -> None:
    """Has all stored that was published, and the consumer go on, which closes the windows."""
    consumer.pause()
    consumer.run_once("--until-end")
    consumer.resume()


def kill_at_random(
    victims: dict[str, Victim], callers: list[Caller], options: argparse.Namespace, rng: np.random.Generator
) -> Counter[str]:
    """Kills one at a time, and in every tenth case all; three times of ten while the last are coming back."""
    killed: Counter[str] = Counter()
    for number in range(options.kills):
        if rng.random() >= 0.3:
            wait_for_answers(callers)
        time.sleep(float(rng.uniform(0.0, 2.0 * options.mean_seconds)))
        chosen = list(victims) if rng.random() < 0.1 else [str(rng.choice(list(victims)))]
        for name in chosen:
            victims[name].kill()
        killed["all" if len(chosen) > 1 else chosen[0]] += 1
        print(
            f"kill {number + 1} of {options.kills}: {', '.join(chosen)}; {num_answers(callers)} answered",
            flush=True,
        )
    return killed


def num_answers(callers: list[Caller]) -> int:
    return sum(len(caller.seen.answers) for caller in callers)


def wait_for_answers(callers: list[Caller]) -> None:
    before = num_answers(callers)
    wait_for(lambda: num_answers(callers) >= before + 10, "no call is answered")


def settled(home: Home) -> bool:
    """Says whether every position has its reward and the posterior has learned all that show creatives."""
    version = snapshot.latest(home.posteriors)
    if version is None:
        return False
    learned = snapshot.load(home.posteriors, version).provenance.sequence
    with EventReader(home.event_location) as reader:
        left = reader.joined_after(learned, 1_000)
        counts = reader.counts()
        shown = sum(1 for each in left if each.decision.shown[each.position].creative is not None)
        return not shown and counts.joined + counts.expired == 3 * counts.decisions


def maker(home: Home) -> Callable[[str], RankRequest]:
    """Returns a maker of requests of 20 candidates for 3 positions, every second candidate with creatives."""
    schema = load_snapshot(home, None).schema(first_schema(home))
    shape = RequestShape(20, 3, 1, creative_spaces=(SPACE, ""))
    return lambda name: synthetic_request(schema, shape, name, np.random.default_rng([*name.encode()]))


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def wait_for(condition: Callable[[], bool], complaint: str) -> None:
    deadline = time.monotonic() + SETTLE_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(complaint)
        time.sleep(0.1)


if __name__ == "__main__":
    main()
