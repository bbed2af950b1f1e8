"""Runs the demo from an empty directory to the report."""

from __future__ import annotations

import subprocess
import sys
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from ranker.client import RankerClient
from ranker.demo.calls import Caller
from ranker.demo.evaluation import evaluate
from ranker.demo.fixtures import read_census, read_log
from ranker.demo.home import FASHION, fresh_copy, prepare_home
from ranker.demo.preferences import learned_preferences
from ranker.demo.propensities import check_propensities
from ranker.demo.report.page import write_report
from ranker.demo.served_log import read_creatives, read_replayed_policy
from ranker.demo.server import running_server
from ranker.demo.summary import (
    DemoResult,
    machine_name,
    read_model_plots,
    summarise_creatives,
    summarise_slates,
)
from ranker.demo.terminal import json_line, print_tables
from ranker.demo.traffic import send_traffic
from ranker.errors import InvalidInputError, StateError
from ranker.events.export import export_parquet
from ranker.scoring.card import read_card
from ranker.scoring.model_store import find_models

if TYPE_CHECKING:
    from pathlib import Path

    from ranker.demo.traffic import CreativeTraffic, SlateTraffic
    from ranker.home import Home

DEFAULT_REQUESTS = 10_000
# Fewer leave rounds without a request.
MIN_REQUESTS = 100


def run_demo(
    home: Path, report: Path, *, num_requests: int = DEFAULT_REQUESTS, as_json: bool = False
) -> None:
    """Serve real traffic from `home`, judge it, print a summary and write the report.

    `num_requests` of each of the two kinds. The run leaves its event log and its Parquet export in
    `home`/demo, which the next run replaces; what is costly to prepare stays in `home`.
    """
    if not MIN_REQUESTS <= num_requests <= read_log("random").num_rows:
        raise InvalidInputError(
            "requests", num_requests, f"must lie in {MIN_REQUESTS} … {read_log('random').num_rows}"
        )
    console = Console(stderr=True)
    with _progress(console) as progress:
        result = _run(home, num_requests, progress)
    write_report(result, report)
    print_tables(result, console if as_json else Console())
    console.print(f"[bold]Report:[/] {report}", soft_wrap=True, highlight=False)
    if as_json:
        print(json_line(result, report))  # noqa: T201 (the command's result)


def _run(root: Path, num_requests: int, progress: Progress) -> DemoResult:
    start = time.perf_counter()
    # On the other core, for the server would wait for it: seconds after an installation, else nothing.
    compiling = subprocess.Popen([sys.executable, "-m", "ranker.cli", "warm-up"], stdout=subprocess.DEVNULL)
    task = progress.add_task("preparing models and catalogue", total=None)
    prepared = prepare_home(root, lambda *about: progress.update(task, description=f"training: {about[-1]}"))
    progress.update(task, description="compiling the solver, once per installation")
    if compiling.wait() != 0:
        raise StateError("warm-up.exit_status", compiling.returncode, "the solver could not be compiled")
    home = fresh_copy(prepared, root / "demo")
    slates, creatives, status = _serve(home, num_requests, progress)
    progress.add_task("exporting the event log", total=None)
    export_parquet(home.events, home.root / "export")
    progress.add_task("judging", total=None)
    census, policy = read_census(), read_replayed_policy(home.root / "export")
    model = find_models(home.models)[FASHION]
    return DemoResult(
        created_at=datetime.now(UTC),
        machine=machine_name(),
        exit_status=status,
        total_seconds=time.perf_counter() - start,
        model=dict(read_card(model).details),
        model_plots=read_model_plots(model),
        slates=summarise_slates(slates, policy),
        creatives=summarise_creatives(creatives, census),
        evaluation=evaluate(read_log("random"), policy),
        propensities=check_propensities(
            read_creatives(home.root / "export"), census.classes[creatives.people]
        ),
        preferences=learned_preferences(home.posteriors, census, creatives.people, creatives.shown),
    )


def _serve(home: Home, num_requests: int, progress: Progress) -> tuple[SlateTraffic, CreativeTraffic, int]:
    """Start the server, send the traffic and stop the server; an error of any of them ends the demo."""
    arguments = ["--home", str(home.root), "--port", "0", "--metrics-port", "0", "--with-learner"]
    starting = progress.add_task("starting the server", total=None)
    with running_server(arguments, home.root / "server.log") as server:
        progress.update(starting, description=f"serving on {server.address}", total=1, completed=1)
        task = progress.add_task("sending", total=2 * num_requests)
        with RankerClient(server.address) as client:
            caller = Caller(client, lambda: progress.advance(task))
            try:
                slates, creatives = send_traffic(
                    client, caller, num_requests, lambda text: progress.update(task, description=text)
                )
            finally:
                caller.close()
        progress.update(task, description="traffic answered")
        return slates, creatives, server.stop()


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
    )
