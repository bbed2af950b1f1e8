from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from benchmarks.soak_watch import MIN_SAMPLES, Sample, Watch, children, look, read_samples, verdict, verdicts


def samples(slope: float, process_id: int = 1, start: int = 0, level: float = 1e8) -> list[Sample]:
    """Returns a process that answers a million requests in 200 samples; its memory has 1 % of noise."""
    rng = np.random.default_rng(process_id)
    requests = start + np.linspace(0, 1_000_000, 200)
    memory = level * (1 + 0.01 * rng.normal(size=200)) + slope * (requests - start)
    return [
        Sample("server", process_id, int(r), int(m), 20, 8, 1000)
        for r, m in zip(requests, memory, strict=True)
    ]


def test_noise_is_flat_and_its_interval_holds_zero():
    judged = verdict(samples(0.0), "resident_bytes")
    assert judged["verdict"] == "flat"
    low, high = judged["growth_ratio_over_run"]
    assert low < 0 < high


def test_a_leak_of_twenty_bytes_a_request_is_found():
    judged = verdict(samples(20.0), "resident_bytes")
    assert judged["verdict"] == "grows"
    _, low, high = judged["growth_per_million"]
    assert low < 20e6 < high


def test_levels_of_processes_may_differ():
    judged = verdict([*samples(0.0), *samples(0.0, 2, 1_000_000, level=3e8)], "resident_bytes")
    assert judged["verdict"] == "flat"
    leaking = [*samples(20.0), *samples(20.0, 2, 1_000_000, level=3e8)]
    assert verdict(leaking, "resident_bytes")["verdict"] == "grows"


def test_what_is_constant_is_flat():
    assert verdict(samples(20.0), "open_files")["verdict"] == "flat"


def test_what_is_between_is_unclear():
    rng = np.random.default_rng(0)
    noisy = [
        Sample("server", 1, 1000 * i, int(1e8 * (1 + 0.2 * rng.normal())), 20, 8, 1000) for i in range(40)
    ]
    assert verdict(noisy, "resident_bytes")["verdict"] == "unclear"


def test_a_short_run_is_not_judged():
    few = samples(20.0)[: MIN_SAMPLES - 1]
    assert verdict(few, "resident_bytes") == {"verdict": "too short"}


def test_a_watch_notes_what_the_kernel_says(tmp_path):
    file, store = tmp_path / "samples.jsonl", tmp_path / "store"
    store.write_bytes(b"12345")
    (tmp_path / "store-wal").write_bytes(b"67")
    watch = Watch(file, lambda: {"server": os.getpid(), "gone": 2**30}, store, lambda: 7)
    watch.start()
    deadline = time.monotonic() + 60
    while not read_samples(file):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    watch.stop()
    sample = read_samples(file)[0]
    assert (sample.process, sample.process_id, sample.requests, sample.store_bytes) == (
        "server",
        os.getpid(),
        7,
        7,
    )
    assert sample.resident_bytes == pytest.approx(look(os.getpid())[0], rel=0.5)
    assert sample.threads >= 2
    assert set(verdicts([sample])) == {"server"}


def test_children_are_found_although_a_thread_has_just_ended(monkeypatch):
    listed = Path.glob
    monkeypatch.setattr(Path, "glob", lambda path, name: [path / "0/children", *listed(path, name)])
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        assert child.pid in children(os.getpid())
        child.kill()


def test_a_watch_that_has_failed_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(threading, "excepthook", lambda _: None)

    def fail() -> dict[str, int]:
        raise OSError("cannot look")

    watch = Watch(tmp_path / "samples.jsonl", fail, tmp_path, lambda: 0)
    watch.start()
    watch.join(60)
    with pytest.raises(RuntimeError, match="ended before"):
        watch.stop()
