"""Runs the real server as a process of its own and stops it as an operator would."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from select import select
from typing import IO, TYPE_CHECKING

from ranker.errors import StateError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

# The first start on a machine compiles the numerical kernels.
START_SECONDS = 240.0
STOP_SECONDS = 60.0
LOG_LINES = 15


@dataclass(slots=True)
class RunningServer:
    """Where it listens; its exit status once it was stopped."""

    address: str
    metrics_address: str
    process: subprocess.Popen[str]
    log: Path

    def stop(self) -> int:
        """Send SIGTERM, wait until accepted requests are answered, and return the exit status 0.

        Raises StateError with the end of the server's log for any other status.
        """
        self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            raise StateError("server", self.process.pid, f"did not stop in {STOP_SECONDS:g} s") from None
        if status != 0:
            raise StateError("server.exit_status", status, f"its log ends: {_tail(self.log)}")
        return status


@contextmanager
def running_server(arguments: Sequence[str], log: Path) -> Iterator[RunningServer]:
    """Start `adranker serve` with these arguments; kill it where the block fails before stopping it."""
    command = [sys.executable, "-m", "ranker.cli", "serve", *arguments]
    with log.open("w") as errors:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)  # noqa: S603 (our own program)
    assert process.stdout is not None  # noqa: S101 (a pipe was asked for)
    try:
        ready = json.loads(_first_line(process.stdout, process, log))
        yield RunningServer(ready["address"], ready["metrics_address"], process, log)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        process.stdout.close()


def _first_line(stdout: IO[str], process: subprocess.Popen[str], log: Path) -> str:
    readable, _, _ = select([stdout], [], [], START_SECONDS)
    line = stdout.readline() if readable else ""
    if line:
        return line
    if readable:
        raise StateError(
            "server.exit_status", process.wait(), f"it did not start; its log ends: {_tail(log)}"
        )
    raise StateError("server", process.pid, f"not ready in {START_SECONDS:g} s; its log ends: {_tail(log)}")


def _tail(log: Path) -> str:
    return "\n".join(log.read_text().splitlines()[-LOG_LINES:])
