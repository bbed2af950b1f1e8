"""What a server still answers in time at three times its capacity, with and without admission.

    python -m benchmarks.overload --home var/serve

The server runs on the first core and the load on the second. Capacity is the rate of answers when a few
callers ask again as soon as they are answered. Then three times as much is asked, with a deadline; goodput is
the rate of answers within it. Servers take turns: as it comes, with callers that hold back as `RankerClient`
does and with callers that do not; without deadline admission; and without a bound on the calls that wait
either. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import secrets
import statistics
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import track

from benchmarks.serving import closed_loop, serving, synthetic_requests
from ranker.load.generator import LoadSettings, run_load
from ranker.load.synthetic import RequestShape
from ranker.serving.request_conversion import request_to_proto

OVERLOAD = 3.0
NUM_BODIES = 200
NO_ADMISSION = {"ADRANKER_ADMISSION": "false"}


@dataclass(frozen=True)
class Case:
    """A server's environment, and whether its callers hold back."""

    environment: dict[str, str]
    throttle: bool = False


CASES = {
    "callers that hold back": Case({}, throttle=True),
    "as it comes": Case({}),
    "no deadline admission": Case(NO_ADMISSION),
    "no bound either": Case(NO_ADMISSION | {"ADRANKER_MAX_CONCURRENT_CALLS": "1000000"}),
}


def one_round(
    home: Path, requests: list[bytes], case: Case, options: argparse.Namespace
) -> dict[str, object]:
    """Returns capacity and goodput of one fresh server."""
    with serving(home, case.environment) as served:
        warm = LoadSettings(20.0, 2.0, 60.0, request_id_prefix=secrets.token_hex(4))
        run_load(served.address, requests, warm)
        capacity = len(closed_loop(served.address, requests, options.seconds / 2)) / (options.seconds / 2)
        overload = LoadSettings(
            OVERLOAD * capacity,
            options.seconds,
            options.deadline_ms / 1e3,
            request_id_prefix=secrets.token_hex(4),
            throttle=case.throttle,
        )
        loaded = run_load(served.address, requests, overload)
    return {
        "capacity": round(capacity, 1),
        "goodput_ratio": round(loaded.goodput / capacity, 3),
    } | loaded.summary()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--home", type=Path, default=Path("var/serve"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--deadline-ms", type=float, default=100.0)
    parser.add_argument("--candidates", type=int, default=100)
    parser.add_argument("--positions", type=int, default=10)
    parser.add_argument("--constraints", type=int, default=5)
    options = parser.parse_args()
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    shape = RequestShape(options.candidates, options.positions, options.constraints)
    requests = [
        request_to_proto(request).SerializeToString()
        for request in synthetic_requests(options.home, shape, NUM_BODIES)
    ]
    rounds: dict[str, list[dict[str, object]]] = {name: [] for name in CASES}
    for _ in track(range(options.rounds), "rounds", console=Console(stderr=True)):
        for name, case in CASES.items():
            rounds[name].append(one_round(options.home, requests, case, options))
    for name, results in rounds.items():
        ratios = [float(str(r["goodput_ratio"])) for r in results]
        print(f"{name:22} goodput / capacity: {statistics.median(ratios):.3f}, {min(ratios)} … {max(ratios)}")
    machine = {"processor": platform.processor() or platform.machine(), "cores": os.cpu_count()}
    print(json.dumps({"machine": machine, "overload": OVERLOAD, "deadline_ms": options.deadline_ms} | rounds))


if __name__ == "__main__":
    main()
