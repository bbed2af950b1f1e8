"""What keeping a decision adds to a request, by durability, and how fast rewards are joined and read.

    python -m benchmarks.events

A decision has 80 candidates, 3 positions and a mixture of 4 slates. Modes take turns, so that a neighbour on
the machine slows all alike; figures are the median of the rounds, with the lowest and highest beside it. The
last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import tempfile
import threading
import time
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ranker.events.codec import encode
from ranker.events.export import export_parquet
from ranker.events.reader import EventReader
from ranker.events.records import Outcome
from ranker.events.settings import Durability, EventSettings
from ranker.events.sqlite_store import SqliteEventStore
from ranker.slate import ConstraintReport, Creative, Decision, Relation, ShownAd

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NUM_CANDIDATES, NUM_POSITIONS, NUM_CALLERS = 80, 3, 4
Figures = defaultdict[str, list[float]]


def make_decision(rng: np.random.Generator) -> Decision:
    ids = tuple(f"item-{i:06d}" for i in range(NUM_CANDIDATES))
    slates = [tuple(map(int, rng.permutation(NUM_CANDIDATES)[:NUM_POSITIONS])) for _ in range(4)]
    creative = Creative("banner", {"title": "t3", "image": "i2", "colour": "c1"}, 0.12, 17, 0.02, "9f" * 8)
    return Decision(
        decision_id="",
        request_hash="ab" * 32,
        created_at=time.time(),
        schema_id="open-bandit-1",
        model_version="cd" * 8,
        posterior_version="ef" * 8,
        context={f"user_feature_{i}": i for i in range(4)},
        candidate_ids=ids,
        ctr=tuple(map(float, rng.random(NUM_CANDIDATES))),
        slates=tuple(slates),
        probabilities=(0.25,) * 4,
        exploration_ratio=0.02,
        slate_propensity=0.245,
        shown=tuple(ShownAd(ids[i], 0.01, 0.02, 0.5, 0.25, creative) for i in slates[0]),
        constraints=tuple(
            ConstraintReport(f"limit {i}", Relation.AT_MOST, 0.4, 0.3, 0.1, 0.0, True) for i in range(3)
        ),
        solver_status="optimal",
        solver_steps=6,
        expected_objective=0.031,
        objective_bound=0.031,
        default_reward=True,
        stage_seconds=dict.fromkeys(("score", "creatives", "solve", "draw"), 1e-4),
    )


def record(store: SqliteEventStore, decisions: list[Decision]) -> list[float]:
    """Seconds that each decision keeps its request waiting."""
    waits, seconds = store.durability.waits, []
    for decision in decisions:
        start = time.perf_counter()
        future = store.record_decision(decision)
        if waits:
            future.result()
        seconds.append(time.perf_counter() - start)
    return seconds


@contextmanager
def busy_thread() -> Iterator[None]:
    """A neighbour that holds the interpreter as long as it may."""
    stop = threading.Event()

    def spin() -> None:
        while not stop.is_set():
            sum(range(100))

    neighbour = threading.Thread(target=spin)
    neighbour.start()
    yield
    stop.set()
    neighbour.join()


def measure_decisions(store: SqliteEventStore, decisions: list[Decision], figures: Figures) -> None:
    alone, beside, together = np.split(
        np.array(decisions, dtype=object), (len(decisions) // 4, len(decisions) // 3)
    )
    note_latency(figures, "alone", record(store, list(alone)))
    with busy_thread():
        note_latency(figures, "beside_a_busy_thread", record(store, list(beside)))
    store.sweep().result()  # what is queued is written
    parts = np.array_split(together, NUM_CALLERS)
    callers = [threading.Thread(target=record, args=(store, list(part))) for part in parts]
    start = time.perf_counter()
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    store.sweep().result()
    figures["decisions_per_second"].append(len(together) / (time.perf_counter() - start))


def note_latency(figures: Figures, where: str, seconds: list[float]) -> None:
    for percent in (50, 99):
        figures[f"{where}_p{percent}_us"].append(float(np.percentile(seconds, percent)) * 1e6)


def measure_joining(home: Path, decisions: list[Decision], figures: Figures) -> None:
    """Clicks on the first position in reports of 100; the others expire; all is read and exported."""
    database, hours = home / "events.db", [0.0]
    clicks = [Outcome(f"{d.decision_id}-e", d.decision_id, 0, "click", 1.0, d.created_at) for d in decisions]
    with SqliteEventStore(database, clock=lambda: time.time() + hours[0] * 3600) as store:
        join = rate(
            lambda: sum(
                len(future.result())
                for future in [store.record_outcomes(clicks[i : i + 100]) for i in range(0, len(clicks), 100)]
            )
        )
        hours[0] = 1.0
        expire = rate(lambda: store.sweep().result())
        with EventReader(database) as reader:
            read = rate(lambda: follow(reader))
        export = rate(lambda: export_parquet(database, home / "out").positions)
    rows = (
        ("outcomes_joined", join),
        ("positions_expired", expire),
        ("rewards_read", read),
        ("rows_exported", export),
    )
    for name, per_second in rows:
        figures[f"{name}_per_second"].append(per_second)


def follow(reader: EventReader) -> int:
    cursor = num_rows = 0
    while page := reader.joined_after(cursor, 1_000):
        cursor, num_rows = page[-1].sequence, num_rows + len(page)
    return num_rows


def rate(work: Callable[[], int]) -> float:
    start = time.perf_counter()
    return work() / (time.perf_counter() - start)


def run_round(prefix: str, number: int, figures: dict[str, Figures]) -> None:
    rng = np.random.default_rng(0)
    template = make_decision(rng)
    for durability in Durability:
        with tempfile.TemporaryDirectory() as folder:
            decisions = [
                replace(template, decision_id=f"{prefix}-{rng.bytes(12).hex()}", created_at=time.time())
                for _ in range(number)
            ]
            settings = EventSettings(durability=durability, patience_seconds=10.0)
            with SqliteEventStore(Path(folder) / "events.db", settings) as store:
                measure_decisions(store, decisions, figures[durability])
            if durability is Durability.COMMITTED:
                measure_joining(Path(folder), decisions, figures["joining"])


def summary(figures: Figures) -> dict[str, list[float]]:
    return {
        name: [round(f(values), 1) for f in (statistics.median, min, max)] for name, values in figures.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--decisions", type=int, default=6_000, help="in each mode and round")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    figures: dict[str, Figures] = defaultdict(lambda: defaultdict(list))
    for i in range(arguments.rounds):
        run_round(f"{i}", arguments.decisions, figures)
        print(f"round {i + 1} of {arguments.rounds}", flush=True)
    report = {part: summary(found) for part, found in figures.items()}
    for part, found in report.items():
        print(part)
        for name, (median, low, high) in found.items():
            print(f"  {name:34} {median:12,.1f}   ({low:,.1f} to {high:,.1f})")
    queued = report["queued"]["decisions_per_second"][0]
    print(
        json.dumps(
            {
                "benchmark": "events",
                "machine": {
                    "platform": platform.platform(),
                    "cores": os.cpu_count(),
                    "python": platform.python_version(),
                },
                "record_bytes": len(encode(make_decision(np.random.default_rng(0)))),
                "median_low_high": report,
                "throughput_against_queued": {
                    mode: round(report[mode]["decisions_per_second"][0] / queued, 2) for mode in Durability
                },
            }
        )
    )


if __name__ == "__main__":
    main()
