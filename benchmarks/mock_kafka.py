"""librdkafka's mock cluster in a process of its own: a broker that can be frozen, thawed and killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_SERVE = """
import sys, time
from confluent_kafka import Producer
host = Producer({"bootstrap.servers": "none", "test.mock.num.brokers": 1, "log_level": 0})
print(*(f"{each.host}:{each.port}" for each in host.list_topics(timeout=60).brokers.values()), flush=True)
sys.stdin.read()
"""


class MockKafka:
    """One broker; topics appear when they are asked for, with four partitions, and live as long as it."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(  # noqa: S603 (our own program)
            [sys.executable, "-c", _SERVE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        self.brokers = self._process.stdout.readline().strip()

    def url(self, topic: str) -> str:
        """Returns the bus URL of a topic."""
        return f"kafka://{self.brokers}/{topic}"

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Lets no call be answered meanwhile; those under way wait."""
        self._process.send_signal(signal.SIGSTOP)
        # The signal is only sent: a call that follows at once could still be answered.
        os.waitid(os.P_PID, self._process.pid, os.WSTOPPED)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def close(self) -> None:
        """Ends it, and with it all topics."""
        self._process.kill()
        self._process.communicate()
