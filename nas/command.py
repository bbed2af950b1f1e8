"""The commands `adranker nas …` that need no ranker."""

# Typer reads the annotations at run time, so its types must be real imports here.
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from nas.errors import SearchError

Json = Annotated[bool, typer.Option("--json", help="Print one line of JSON.")]
Report = Callable[[int, int, str], None]

nas_app = typer.Typer(
    help="Search for CTR models that are accurate and fast enough.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


@nas_app.command("calibrate")
def calibrate_command(
    out: Annotated[Path, typer.Option(help="Folder of the measurements, one file a key.")] = Path(
        "var/latency"
    ),
    runtime: Annotated[
        str, typer.Option(help="onnxruntime, torch, torch-cuda or torch-cuda-graph.")
    ] = "onnxruntime",
    threads: Annotated[int, typer.Option(help="Threads of one run.")] = 1,
    batch: Annotated[str, typer.Option(help="Batches, with commas.")] = "1,16,64,256,1024",
    models: Annotated[int, typer.Option(help="Models to time at each batch.")] = 150,
    fields: Annotated[str, typer.Option(help="Ids of each categorical field, with commas.")] = "",
    seed: Annotated[int, typer.Option(help="Chooses the models.")] = 0,
    as_json: Json = False,
) -> None:  # eight arguments: they are the command line's, and Typer wants them flat
    """Time models of the search space on this device, and say how well their latency is predicted."""
    import numpy as np

    from nas.calibration.calibrate import CalibrationSettings, calibrate, spread_genotypes
    from nas.calibration.judge import judge
    from nas.ctr.fields import group_by_cardinality
    from nas.ctr.space import CtrSpace
    from nas.export.ctr_graph import CtrInputs
    from nas.generated_log import LogLaw

    settings = CalibrationSettings(runtime, threads, _numbers("batch", batch), models, seed)
    num_ids = _numbers("fields", fields) if fields else LogLaw().num_ids
    inputs = CtrInputs(group_by_cardinality(num_ids))
    space = CtrSpace(inputs.fields.num_groups)
    genotypes = spread_genotypes(space, inputs, models, np.random.default_rng(seed))
    with progress() as report:
        calibrations = calibrate(genotypes, inputs, settings, out, report)
    rows = [
        {"file": f"{c.key.slug}.json", "batch": c.key.batch, **judge(c, np.random.default_rng(seed))}
        for c in calibrations
    ]
    if as_json:
        typer.echo(json.dumps({"folder": str(out), "keys": rows}))
    else:
        _print_rows(rows, f"{settings.key(1).device}, {runtime}, {threads} thread(s): {out}")


@contextmanager
def progress() -> Iterator[Report]:
    """Shows a bar on standard error, which disappears when done: standard output is the result's."""
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("starting")
        yield lambda done, total, text: bar.update(task, completed=done, total=total, description=text)


def _numbers(name: str, text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise SearchError(name, text, "must be whole numbers with commas between") from None


def _print_rows(rows: list[dict[str, object]], title: str) -> None:
    from rich.console import Console
    from rich.table import Table

    names = [name for name in rows[0] if name != "file"]
    table = Table(*(name.replace("_", " ") for name in names), title=title)
    for row in rows:
        table.add_row(*(f"{row[n]:.3f}" if isinstance(row[n], float) else str(row[n]) for n in names))
    Console().print(table)
