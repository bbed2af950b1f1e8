"""Are logged decisions recomputed to the last bit, after a restart and with another posterior served?

    python -m benchmarks.decisions --home var/serve

A server answers requests over gRPC with exploration and creatives, each captured. Then a posterior is
published that has learned from more outcomes, the server is restarted on it, and AdminService.ReplayDecision
recomputes every decision. The last line is JSON; the exit code is 1 where one differs.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from rich.console import Console
from rich.progress import track

from bandit.outcomes import CreativeOutcome
from bandit.space import ContextField, CreativeCatalogue, CreativeSpace, Slot
from ranker.client import RankerClient
from ranker.creative_learning import creative_learner
from ranker.home import Home
from ranker.load.synthetic import RequestShape, synthetic_request
from ranker.serving.home_loader import load_snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ranker.slate import RankRequest

NUM_CALLERS = 4
NUM_OUTCOMES = 200
SPACE = "banner"


@contextmanager
def serving(home: Path, exploration_ratio: float) -> Iterator[RankerClient]:
    """Runs a server as a process of its own that captures every request."""
    command = [sys.executable, "-m", "ranker.cli", "serve", "--home", str(home), "--capture-ratio", "1.0"]
    ports = ["--port", "0", "--metrics-port", "0", "--exploration-ratio", str(exploration_ratio)]
    process = subprocess.Popen(  # noqa: S603 (our own program)
        [*command, *ports], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        with RankerClient(json.loads(process.stdout.readline())["address"], 60.0) as client:
            yield client
    finally:
        process.terminate()
        process.wait()


def called(do: Callable[[int], bool], number: int, what: str) -> tuple[int, float]:
    """Calls from a few threads; returns how often it was True, and the calls a second."""
    started = time.perf_counter()
    with ThreadPoolExecutor(NUM_CALLERS) as callers:
        answers = callers.map(do, range(number))
        good = sum(track(answers, what, total=number, console=Console(stderr=True)))
    return good, number / (time.perf_counter() - started)


def write_catalogue(home: Home) -> None:
    """Writes creatives that depend on the first context field of the model's schema."""
    schema = load_snapshot(home, None).schema(first_schema(home))
    field = ContextField(schema.context_categorical[0], int(schema.num_ids[0]))
    slots = tuple(
        Slot(name, tuple(f"{name} {i}" for i in range(4))) for name in ("headline", "image", "button")
    )
    home.catalogue.parent.mkdir(parents=True)
    catalogue = CreativeCatalogue((field,), slots, (CreativeSpace(SPACE, (field.name,)),))
    home.catalogue.write_text(catalogue.to_json())


def first_schema(home: Home) -> str:
    """Returns the first schema that has a model."""
    return next(iter(load_snapshot(home, None).scorers))


def publish_posterior(home: Home, sequence: int) -> str:
    """Publishes a posterior that has learned from random clicks."""
    catalogue = CreativeCatalogue.from_json(home.catalogue.read_text())
    rng = np.random.default_rng(1)
    (field,) = catalogue.context_fields
    outcomes = [
        CreativeOutcome(
            SPACE,
            {field.name: int(rng.integers(field.size))},
            {slot.name: str(rng.choice(slot.elements)) for slot in catalogue.slots},
            float(rng.integers(2)),
        )
        for _ in range(NUM_OUTCOMES)
    ]
    return creative_learner(home).learn(outcomes, sequence=sequence, created_at=time.time())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--home", type=Path, default=Path("var/serve"))
    parser.add_argument("--decisions", type=int, default=10_000)
    parser.add_argument("--candidates", type=int, default=100)
    parser.add_argument("--positions", type=int, default=10)
    parser.add_argument("--constraints", type=int, default=5)
    parser.add_argument("--exploration-ratio", type=float, default=0.1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch) / "home"
        shutil.copytree(options.home, copy, ignore=shutil.ignore_patterns("events", "creatives"))
        write_catalogue(Home(copy))
        result = measured(copy, options)
    print(json.dumps(result))
    sys.exit(result["equal"] != result["decisions"])


def measured(home: Path, options: argparse.Namespace) -> dict[str, object]:
    number = options.decisions
    differing: Counter[str] = Counter()
    with serving(home, options.exploration_ratio) as client:
        make = requests(home, options)
        before = client.rank(make(number)).posterior_version  # warm

        def rank(i: int) -> bool:
            return client.rank(make(i)).decision_id == f"decision-{i}"

        ranked, rank_rate = called(rank, number, "deciding")
        database_bytes = sum(path.stat().st_size for path in (home / "events").iterdir())
    after = publish_posterior(Home(home), sequence=number)
    with serving(home, options.exploration_ratio / 2) as client:
        assert client.rank(make(number + 1)).posterior_version == after != before

        def replay(i: int) -> bool:
            replayed = client.replay_decision(f"decision-{i}")
            differing.update(one["field"] for one in replayed["differences"])
            return bool(replayed["is_equal"])

        equal, replay_rate = called(replay, number, "replaying")
    return {
        "decisions": ranked,
        "equal": equal,
        "differing_fields": dict(differing.most_common(10)),
        "posterior_versions": [before, after],
        "decisions_per_second": round(rank_rate, 1),
        "replays_per_second": round(replay_rate, 1),
        "stored_bytes_per_decision": round(database_bytes / number),
    }


def requests(home: Path, options: argparse.Namespace) -> Callable[[int], RankRequest]:
    """Returns a maker of the i-th request: its own features, every second ad with creatives."""
    schema = load_snapshot(Home(home), None).schema(first_schema(Home(home)))
    shape = RequestShape(
        options.candidates, options.positions, options.constraints, creative_spaces=(SPACE, "")
    )
    return lambda i: synthetic_request(schema, shape, f"decision-{i}", np.random.default_rng(i))


if __name__ == "__main__":
    main()
