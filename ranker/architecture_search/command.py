"""The command `adranker nas search`."""

# Typer reads the annotations at run time, so its types must be real imports here.
import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nas.command import progress
from ranker.errors import InvalidInputError

if TYPE_CHECKING:
    from ranker.architecture_search.search_ctr import SearchedModel
    from ranker.architecture_search.search_data import SearchData

QUANTILES = {0.5: "p50", 0.99: "p99"}


def search_command(
    data: Annotated[
        Path | None, typer.Argument(help="Click log, .csv or .parquet; else one drawn from a known law.")
    ] = None,
    schema: Annotated[
        Path | None, typer.Option(help="TOML file of the log's columns; else the log's name with .toml.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Root of the model directories.")] = Path("var/models"),
    latency: Annotated[Path, typer.Option(help="Folder of measured latencies.")] = Path("var/latency"),
    slo_ms: Annotated[float, typer.Option(help="A batch must be scored within it.")] = 1.0,
    quantile: Annotated[float, typer.Option(help="Of the latency: 0.5 or 0.99.")] = 0.99,
    batch: Annotated[int, typer.Option(help="Candidates that are scored at once.")] = 100,
    models: Annotated[int, typer.Option(help="Models to time for the latency predictor.")] = 150,
    trials: Annotated[int, typer.Option(help="Models to judge on the supernet, each round.")] = 600,
    candidates: Annotated[int, typer.Option(help="Models of the front to train alone.")] = 6,
    epochs: Annotated[int, typer.Option(help="Of the supernet and of each candidate.")] = 2,
    rows: Annotated[int, typer.Option(help="Of the log that is drawn where no data are given.")] = 50_000,
    seed: Annotated[int, typer.Option(help="Of the split, the search and the training.")] = 0,
    ladder: Annotated[
        bool, typer.Option(help="Export all of the front; each request gets the best in time.")
    ] = False,
    max_bad_rows: Annotated[int, typer.Option(help="Leave out and count up to this many bad rows.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one line of JSON.")] = False,
) -> None:  # the arguments are the command line's, and Typer wants them flat
    """Search a CTR network for a latency objective on this device, and export the best with its card."""
    # Not above: every command imports this module, and serving must start without what learns.
    from nas.ctr.search import Budget, Objective
    from nas.training import TrainingSettings
    from ranker.architecture_search.search_ctr import SearchOptions, search_ctr

    if quantile not in QUANTILES:
        raise InvalidInputError("quantile", quantile, "must be 0.5 or 0.99")
    options = SearchOptions(
        Objective(slo_ms / 1e3, QUANTILES[quantile]),
        datetime.now(UTC),
        batch,
        models,
        Budget(trials, candidates, TrainingSettings(epochs, seed=seed)),
        ladder=ladder,
    )
    searched_data = _search_data(data, schema, (rows, seed, max_bad_rows))
    with progress() as report:
        searched = search_ctr(searched_data, out, latency, options, report)
    if as_json:
        names = ("model", "metrics", "latency", "search", "export", "notes")
        details = {name: searched.card.details[name] for name in names}
        version = searched.card.model_version
        named = {"directory": str(searched.directory), "model_version": version}
        rungs = [] if searched.ladder is None else [asdict(rung) for rung in searched.ladder.rungs]
        typer.echo(json.dumps({**named, "ladder": rungs, **details}))
    else:
        _print_table(searched)


def _search_data(data: Path | None, schema: Path | None, numbers: tuple[int, int, int]) -> "SearchData":
    from ranker.architecture_search.search_data import generate_search_data, read_search_data

    rows, seed, max_bad_rows = numbers
    if data is None:
        return generate_search_data(rows, seed)
    return read_search_data(data, schema or data.with_suffix(".toml"), seed, max_bad_rows)


def _print_table(searched: "SearchedModel") -> None:
    from rich.console import Console
    from rich.table import Table

    console, details = Console(), searched.card.details
    quantile = details["latency"]["quantile"]
    table = Table(
        "validation log loss", f"predicted {quantile}, ms", f"measured {quantile}, ms", title="candidates"
    )
    for candidate in details["search"]["candidates"]:
        predicted, measured = candidate["predicted_seconds"], candidate["measured"][quantile]
        table.add_row(
            f"{candidate['validation_log_loss']:.5f}", f"{1e3 * predicted:.3f}", f"{1e3 * measured:.3f}"
        )
    console.print(table)
    loss = details["metrics"]["log_loss"]
    console.print(
        f"Test log loss {loss['value']:.5f} ({loss['low']:.5f} … {loss['high']:.5f}); {quantile} after the "
        f"export {1e3 * details['latency']['measured'][quantile]:.3f} ms.",
        highlight=False,
    )
    for note in details["notes"]:
        console.print(f"Note: {note}", style="yellow", highlight=False)
    for rung in () if searched.ladder is None else searched.ladder.rungs:
        console.print(f"Rung {rung.model_version}: {rung.log_loss:.5f}", highlight=False)
    console.print(f"Model {searched.directory}", highlight=False, soft_wrap=True)
