"""The command `adranker load`."""

# Typer reads the annotations at run time, so its types must be real imports here.
import json
from pathlib import Path
from typing import Annotated

import typer

NUM_BODIES = 200


def load_command(
    address: Annotated[str, typer.Option(help="Where the server listens.")] = "127.0.0.1:50051",
    home: Annotated[Path, typer.Option(help="Home that it serves: requests fit its schema.")] = Path(
        "var/serve"
    ),
    schema_id: Annotated[
        str, typer.Option(help='Schema of the requests; "" takes the first with a model.')
    ] = "",
    rate: Annotated[float, typer.Option(help="Calls a second, Poisson.")] = 100.0,
    seconds: Annotated[float, typer.Option(help="How long.")] = 10.0,
    deadline_ms: Annotated[float, typer.Option(help="Of each call.")] = 100.0,
    candidates: Annotated[int, typer.Option(help="Of each request.")] = 100,
    positions: Annotated[int, typer.Option(help="Of each request.")] = 10,
    constraints: Annotated[int, typer.Option(help="Of each request.")] = 5,
    creative_space: Annotated[
        list[str] | None, typer.Option(help="Creative space of the candidates, which take turns; repeatable.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of features and arrivals.")] = 0,
    throttle: Annotated[
        bool, typer.Option("--throttle", help="Hold calls back as RankerClient does under overload.")
    ] = False,
    processes: Annotated[int, typer.Option(help="That send: one alone is bounded by its interpreter.")] = 1,
    security: Annotated[Path | None, typer.Option(help="TOML file: see docs/operations.md.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one line of JSON.")] = False,
) -> None:  # the arguments are the command line's, and Typer wants them flat
    """Load a server with random requests at Poisson times; tell codes, goodput and latencies."""
    # Not above: every command imports this module, and gRPC takes its time.
    import secrets

    import numpy as np
    from rich.console import Console
    from rich.progress import Progress

    from ranker.connection import read_security
    from ranker.home import Home
    from ranker.load.generator import LoadSettings
    from ranker.load.processes import run_load_processes
    from ranker.load.synthetic import RequestShape, synthetic_request
    from ranker.serving.home_loader import load_snapshot
    from ranker.serving.request_conversion import request_to_proto

    access = None if security is None else read_security(security)
    place = Home(home)
    place.check()
    snapshot = load_snapshot(place, None)
    schema = snapshot.schema(schema_id or next(iter(snapshot.scorers), ""))
    shape = RequestShape(candidates, positions, constraints, tuple(creative_space or ()))
    rng = np.random.default_rng(seed)
    bodies = [
        request_to_proto(synthetic_request(schema, shape, "load", rng)).SerializeToString()
        for _ in range(NUM_BODIES)
    ]
    settings = LoadSettings(
        rate,
        seconds,
        deadline_ms / 1e3,
        seed=seed,
        request_id_prefix=f"load-{secrets.token_hex(4)}",
        throttle=throttle,
    )
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(f"{rate:g} calls a second", total=1.0)
        result = run_load_processes(
            address, bodies, settings, processes, lambda share: bar.update(task, completed=share), access
        )
    summary = result.summary()
    if as_json:
        typer.echo(json.dumps(summary))
        return
    del summary["latency_hdr"]  # for programs
    _print(summary)


def _print(summary: dict[str, object]) -> None:
    for name, value in summary.items():
        typer.echo(f"{name:20} {value}")
