"""The command `adranker train-ctr`."""

# Typer reads the annotations at run time, so its types must be real imports here.
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ranker.scoring.training import TrainedModel, TrainingOptions


def train_ctr_command(
    data: Annotated[
        Path, typer.Argument(help="Click log: a .csv file with a header line, or a .parquet file.")
    ],
    schema: Annotated[Path, typer.Option(help="TOML file that names the columns and what they are.")],
    out: Annotated[Path, typer.Option(help="Root of the model directories.")],
    seed: Annotated[int, typer.Option(help="Same data, schema and seed: same model, byte for byte.")] = 0,
    max_bad_rows: Annotated[int, typer.Option(help="Leave out and count up to this many bad rows.")] = 0,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one line of JSON instead of a table.")
    ] = False,
) -> None:  # six arguments: they are the command line's, and Typer wants them flat
    """Train a calibrated CTR model on a click log and export it to ONNX with its card."""
    # Not above: every command imports this module, and serving must start without what learns.
    from ranker.scoring.training import TrainingOptions

    options = TrainingOptions(seed=seed, created_at=datetime.now(UTC), max_bad_rows=max_bad_rows)
    trained = _train_with_progress(data, schema, out, options)
    if as_json:
        line = {
            "directory": str(trained.directory),
            "schema_id": trained.card.schema.schema_id,
            "model_version": trained.card.model_version,
            **{key: trained.card.details[key] for key in ("model", "metrics", "notes")},
        }
        typer.echo(json.dumps(line))
    else:
        _print_table(trained)


def _train_with_progress(data: Path, schema: Path, out: Path, options: "TrainingOptions") -> "TrainedModel":
    from rich.console import Console
    from rich.progress import Progress

    from ranker.scoring.training import train_ctr

    # On standard error, where it disappears when done: standard output is the result's.
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("reading")

        def report(done: int, total: int, text: str) -> None:
            progress.update(task, completed=done, total=total, description=text)

        return train_ctr(data, schema, out, options, report)


def _print_table(trained: "TrainedModel") -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    details = trained.card.details
    table = Table(
        "metric",
        "value",
        "95 % interval",
        title=f"{trained.card.schema.schema_id}: {details['model']['kind']}",
    )
    for name, estimate in trained.metrics.items():
        table.add_row(
            name.replace("_", " "), f"{estimate.value:.4f}", f"{estimate.low:.4f} … {estimate.high:.4f}"
        )
    console.print(table)
    console.print(f"Metrics are of {details['metrics_are_of']}.", highlight=False)
    for note in details["notes"]:
        console.print(f"Note: {note}", style="yellow", highlight=False)
    console.print(f"Model {trained.directory}", highlight=False, soft_wrap=True)
