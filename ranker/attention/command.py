"""The command `adranker fit-attention`."""

# Typer reads the annotations at run time, so its types must be real imports here.
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ranker.attention.method import Method

if TYPE_CHECKING:
    from ranker.attention.attention_file import AttentionFile
    from ranker.attention.fitting import AttentionOptions


def fit_attention_command(
    log: Annotated[
        Path,
        typer.Argument(help="Click log, .csv or .parquet: columns session, position (from 0), item, click."),
    ],
    out: Annotated[Path, typer.Option(help="The attention file to write (JSON).")],
    method: Annotated[Method, typer.Option(help="How to estimate.")] = Method.HARVEST,
    by: Annotated[
        list[str] | None, typer.Option(help="Column to give curves of its own; repeatable.")
    ] = None,
    level: Annotated[float, typer.Option(help="Of the intervals.")] = 0.95,
    seed: Annotated[int, typer.Option(help="Of the bootstrap over sessions.")] = 0,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one line of JSON instead of a table.")
    ] = False,
) -> None:  # seven arguments: they are the command line's, and Typer wants them flat
    """Estimate attention by position from logged clicks, or say why the log cannot tell."""
    # Not above: every command imports this module, and the numerics take a second to load.
    from ranker.attention.attention_file import write_attention
    from ranker.attention.fitting import AttentionOptions

    options = AttentionOptions(method=method, level=level, seed=seed)
    file, left_out = _fit_with_progress(log, tuple(by or ()), options)
    out.parent.mkdir(parents=True, exist_ok=True)
    write_attention(file, out)
    if as_json:
        typer.echo(json.dumps(_summary(file, out, left_out)))
    else:
        _print_tables(file, out, left_out)


def _fit_with_progress(
    log: Path, by: tuple[str, ...], options: "AttentionOptions"
) -> "tuple[AttentionFile, int]":
    from rich.console import Console
    from rich.progress import Progress

    from ranker.attention.fitting import fit_attention
    from ranker.attention.reading import read_log

    # On standard error, where it disappears when done: standard output is the result's.
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("reading")

        def report(done: int, total: int, text: str) -> None:
            progress.update(task, completed=done, total=total, description=text)

        rows, left_out = read_log(log, by)
        return fit_attention(rows, options, report), left_out


def _summary(file: "AttentionFile", out: Path, left_out: int) -> dict[str, object]:
    return {
        "file": str(out),
        "version": file.version,
        "method": file.method,
        "sessions": file.num_sessions,
        "rows_left_out": left_out,
        "attention": file.curve.attention.tolist(),
        "low": file.curve.low.tolist(),
        "high": file.curve.high.tolist(),
        "contexts": {name: curve.attention.tolist() for name, curve in file.contexts.items()},
        "not_identified": file.not_identified,
        "notes": list(file.notes),
    }


def _print_tables(file: "AttentionFile", out: Path, left_out: int) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    for name, curve in {"all rows": file.curve, **file.contexts}.items():
        table = Table(
            "position",
            "attention",
            f"{file.level:.0%} interval",
            "impressions",
            "clicks",
            title=f"{name}: {file.method}, {file.interval}",
        )
        for j in range(len(curve.attention)):
            table.add_row(
                str(j),
                f"{curve.attention[j]:.4f}",
                f"{curve.low[j]:.4f} … {curve.high[j]:.4f}",
                f"{curve.impressions[j]:,.0f}",
                f"{curve.clicks[j]:,.0f}",
            )
        console.print(table)
    for name, reason in file.not_identified.items():
        console.print(f"{name} has no curve: {reason}", style="yellow", highlight=False)
    for note in file.notes:
        console.print(f"Note: {note}", style="yellow", highlight=False)
    if left_out:
        console.print(f"{left_out:,} rows left out: clicks of their sessions are not known yet.")
    console.print(f"Attention {file.version} in {out}", highlight=False, soft_wrap=True)
