"""Memory, files, threads and store size of running processes, and whether they grow with the requests."""

from __future__ import annotations

import json
import os
import threading
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

Floats = NDArray[np.float64]

QUANTITIES = ("resident_bytes", "open_files", "threads", "store_bytes")
# Of each process's samples, at its start: caches fill, buffers find their size.
WARM_UP_SHARE = 0.25
# Samples are averaged in so many blocks of a process, so that neighbours say little of one another.
NUM_BLOCKS = 12
# Processes that were seen less often are not judged.
MIN_SAMPLES = 30
# Growth over the whole run below this share of the level counts as none.
TOLERANCE = 0.02


@dataclass(frozen=True)
class Sample:
    """One look at a process."""

    process: str
    process_id: int  # levels differ between processes, growth must not
    requests: int  # answered by all pieces so far
    resident_bytes: int
    open_files: int
    threads: int
    store_bytes: int


def children(process_id: int) -> list[int]:
    """Returns the child processes that live."""
    found: list[int] = []
    for task in Path(f"/proc/{process_id}/task").glob("*/children"):
        with suppress(OSError):  # a thread that has ended since it was listed
            found += [int(word) for word in task.read_text().split()]
    return [child for child in found if look(child)[0]]  # one that has ended holds no memory


def look(process_id: int) -> tuple[int, int, int]:
    """Returns resident bytes, open files and threads of a process."""
    root = Path(f"/proc/{process_id}")
    pages = int((root / "statm").read_text().split()[1])
    return (
        pages * os.sysconf("SC_PAGE_SIZE"),
        len(list((root / "fd").iterdir())),
        len(list((root / "task").iterdir())),
    )


class Watch(threading.Thread):
    """Appends a sample of each process to a file, every so many seconds, until it is stopped."""

    def __init__(
        self, file: Path, processes: Callable[[], dict[str, int]], store: Path, requests: Callable[[], int]
    ) -> None:
        super().__init__(daemon=True)
        self._file, self._processes = file, processes
        self._store, self._requests = store, requests
        self._stopped = threading.Event()

    def run(self) -> None:
        """Looks once in two seconds."""
        while not self._stopped.wait(2.0):
            stored = sum(path.stat().st_size for path in self._store.parent.glob(f"{self._store.name}*"))
            with self._file.open("a") as file:
                for name, process_id in self._processes().items():
                    with suppress(OSError):  # it has just ended: a learner whose lease is lost begins anew
                        sample = Sample(name, process_id, self._requests(), *look(process_id), stored)
                        file.write(json.dumps(asdict(sample)) + "\n")

    def stop(self) -> None:
        """Ends it; raises RuntimeError where it had ended by itself, and the last samples are missing."""
        alive = self.is_alive()
        self._stopped.set()
        self.join()
        if not alive:
            raise RuntimeError("the watch ended before what it watched")


def read_samples(file: Path) -> list[Sample]:
    """Reads what a watch has written."""
    return [Sample(**json.loads(line)) for line in file.read_text().splitlines()] if file.exists() else []


def verdicts(samples: Iterable[Sample]) -> dict[str, dict[str, dict[str, object]]]:
    """Judges each quantity of each process."""
    by_process: dict[str, list[Sample]] = {}
    for sample in samples:
        by_process.setdefault(sample.process, []).append(sample)
    return {
        name: {quantity: verdict(each, quantity) for quantity in QUANTITIES}
        for name, each in by_process.items()
    }


def verdict(samples: Sequence[Sample], quantity: str) -> dict[str, object]:
    """Fits level ~ process + slope·requests to block means; the interval of the slope is Student's, 95 %.

    `flat`: growth over all requests is below TOLERANCE of the level, at the interval's upper end. `grows`:
    above it at the lower end. Else `unclear`.
    """
    x, y, processes = _blocks(samples, quantity)
    freedom = len(x) - len(set(processes.tolist())) - 1
    if freedom < 2:
        return {"verdict": "too short"}
    total, level = max(sample.requests for sample in samples), float(np.mean(y))
    for process_id in set(processes.tolist()):
        rows = processes == process_id
        x[rows] -= x[rows].mean()
        y[rows] -= y[rows].mean()
    spread = float(x @ x)
    slope = float(x @ y) / spread
    error = float(np.sqrt(np.sum((y - slope * x) ** 2) / freedom / spread))
    half = float(student.ppf(0.975, freedom)) * error
    low, high = (total * bound / max(level, 1e-9) for bound in (slope - half, slope + half))
    kind = "flat" if high < TOLERANCE else "grows" if low > TOLERANCE else "unclear"
    return {
        "level": round(level),
        "growth_per_million": [round(1e6 * bound, 1) for bound in (slope, slope - half, slope + half)],
        "growth_ratio_over_run": [round(low, 4), round(high, 4)],
        "verdict": kind,
    }


def _blocks(samples: Sequence[Sample], quantity: str) -> tuple[Floats, Floats, Floats]:
    """Returns requests, mean quantity and process id of each block after the warm-up."""
    rows = []
    for process_id in sorted({sample.process_id for sample in samples}):
        own = [sample for sample in samples if sample.process_id == process_id]
        own = own[int(WARM_UP_SHARE * len(own)) :] if len(own) >= MIN_SAMPLES else []
        for block in np.array_split(np.arange(len(own)), NUM_BLOCKS):
            if len(block):
                chosen = [own[i] for i in block]
                rows.append(
                    (
                        float(np.mean([sample.requests for sample in chosen])),
                        float(np.mean([getattr(sample, quantity) for sample in chosen])),
                        process_id,
                    )
                )
    columns = np.array(rows).reshape(-1, 3)
    return columns[:, 0], columns[:, 1], columns[:, 2]


def wait_for(condition: Callable[[], bool], seconds: float, what: str) -> None:
    """Waits until it is true."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"waited in vain for {what}"
        time.sleep(0.1)
