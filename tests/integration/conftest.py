"""A home with a trained model and a creative catalogue, and real servers on it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bandit.space import ContextField, CreativeCatalogue, CreativeSpace, Slot
from ranker.client import RankerClient
from ranker.scoring.training import TrainingOptions, train_ctr
from ranker.serving.server import Server
from ranker.serving.settings import ServerSettings
from ranker.slate import Candidates, Context, RankRequest

SCHEMA = """
schema_id = "shop"
label = "click"

[[fields]]
name = "hour"
kind = "numeric"
scope = "context"

[[fields]]
name = "device"
kind = "categorical"
scope = "context"
vocabulary = ["<unknown>", "phone", "desk"]

[[fields]]
name = "price"
kind = "numeric"
scope = "candidate"

[[fields]]
name = "brand"
kind = "categorical"
scope = "candidate"
vocabulary = ["<unknown>", "a", "b", "c"]
"""


def write_log(path: Path, num_rows: int = 3000) -> None:
    """Writes a click log whose rate depends on device and brand."""
    rng = np.random.default_rng(5)
    device, brand = rng.integers(1, 3, num_rows), rng.integers(1, 4, num_rows)
    hour, price = rng.random(num_rows), rng.normal(size=num_rows)
    click = rng.random(num_rows) < 0.1 + 0.1 * (device == brand)
    names = np.array(["?", "phone", "desk"])[device], np.array(["?", "a", "b", "c"])[brand]
    lines = [
        f"{h:.3f},{d},{p:.3f},{b},{int(c)}"
        for h, d, p, b, c in zip(hour, names[0], price, names[1], click, strict=True)
    ]
    path.write_text("hour,device,price,brand,click\n" + "\n".join(lines) + "\n")


def catalogue() -> CreativeCatalogue:
    """Returns two slots of three and two elements, and two spaces. The schema lacks the second's season."""
    return CreativeCatalogue(
        (ContextField("device", 3), ContextField("season", 4)),
        (Slot("headline", ("short", "long", "loud")), Slot("colour", ("red", "blue"))),
        (CreativeSpace("banner", ("device",)), CreativeSpace("seasonal", ("season",))),
    )


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Returns a home with a model; not to be served from: copy it."""
    home = tmp_path_factory.mktemp("trained")
    (home / "schemas").mkdir()
    (home / "schemas" / "shop.toml").write_text(SCHEMA)
    (home / "creatives").mkdir()
    (home / "creatives" / "catalogue.json").write_text(catalogue().to_json())
    write_log(home / "log.csv")
    options = TrainingOptions(seed=0, created_at=datetime(2026, 1, 1, tzinfo=UTC))
    train_ctr(home / "log.csv", home / "schemas" / "shop.toml", home / "models", options)
    return home


@pytest.fixture
def home(trained: Path, tmp_path: Path) -> Path:
    """Returns a home of the test's own."""
    return Path(shutil.copytree(trained, tmp_path / "home"))


def settings(home: Path, **changes: object) -> ServerSettings:
    """Returns settings on free ports that reload only when told."""
    defaults = {"home": home, "port": 0, "metrics_port": 0, "reload_seconds": 3600.0}
    return ServerSettings(**{**defaults, **changes})  # type: ignore[arg-type]


@pytest.fixture
def server(home: Path) -> Iterator[Server]:
    """Runs a server in this process, for tests that look inside."""
    running = Server(settings(home))
    running.start()
    yield running
    running.close()


@pytest.fixture
def client(server: Server) -> Iterator[RankerClient]:
    with RankerClient(server.address) as connected:
        yield connected


@dataclass
class ServerProcess:
    """`adranker serve` as a process of its own."""

    process: subprocess.Popen[str]
    address: str
    metrics_address: str

    def signal(self, number: signal.Signals) -> int:
        """Sends a signal and returns the exit code."""
        self.process.send_signal(number)
        return self.process.wait(timeout=60)


@contextmanager
def serving(home: Path, *options: str, **popen: Any) -> Iterator[ServerProcess]:
    """Starts the command on free ports; kills what is left of it afterwards."""
    command = [
        sys.executable,
        "-m",
        "ranker.cli",
        "serve",
        "--home",
        str(home),
        "--port",
        "0",
        "--metrics-port",
        "0",
    ]
    process = subprocess.Popen(
        [*command, *options],
        stdout=subprocess.PIPE,
        text=True,
        **{"env": {**os.environ, "ADRANKER_RELOAD_SECONDS": "0.1"}, **popen},
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, f"the server ended with code {process.wait()} before it was ready"
        yield ServerProcess(process, **json.loads(line))
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.fixture
def make_request() -> Callable[..., RankRequest]:
    """Returns a maker of good requests, any field of which a test can replace."""

    def make(request_id: str = "r1", n: int = 6, **changes: object) -> RankRequest:
        rng = np.random.default_rng(0)
        fields: dict[str, object] = {
            "request_id": request_id,
            "schema_id": "shop",
            "context": Context(np.array([0.5], np.float32), np.array([1])),
            "candidates": Candidates(
                ids=tuple(f"ad{i}" for i in range(n)),
                bids=np.linspace(1.0, 2.0, n),
                numeric=rng.normal(size=(n, 1)).astype(np.float32),
                categorical=rng.integers(1, 4, size=(n, 1)),
                creative_space_ids=("banner",) * n,
            ),
            "num_positions": 3,
        }
        return RankRequest(**{**fields, **changes})  # type: ignore[arg-type]

    return make
