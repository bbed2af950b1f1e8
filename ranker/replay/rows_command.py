"""The part of `adranker replay` that weighs the rows of a log."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeVar

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from ranker.errors import InvalidInputError
from ranker.replay.policy_file import is_row_policy, options_for, read_row_policy
from ranker.replay.readers import ActionOf, ReadOptions, parts_of
from ranker.replay.report.page import write_row_report
from ranker.replay.row_study import HEADLINE, RowStudy, study_rows
from ranker.replay.running import Engine, Pass, run_pass

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

Choice = TypeVar("Choice", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class RowChoice:
    """How the rows are read, as the command line says it."""

    engine: str = "local"
    segment: str | None = None
    action: str = "candidate"


def replay_rows(log: Path, files: Sequence[Path], choice: RowChoice, report: Path, *, as_json: bool) -> None:
    """Judges the policies of the files on the rows of a log, prints and writes the report."""
    study = judge_rows(log, files, choice)
    write_row_report(study, report)
    if as_json:
        typer.echo(json.dumps(summary(study, report)))
    else:
        _print(study, report)


def judge_rows(log: Path, files: Sequence[Path], choice: RowChoice) -> RowStudy:
    """Returns the study of a log."""
    other = [str(file) for file in files if not is_row_policy(file)]
    if other:
        raise InvalidInputError(
            "policy", other[0], "reruns requests; the others weigh rows: judge them apart"
        )
    policies = tuple(read_row_policy(file) for file in files)
    names = tuple(policy.name for policy in policies)
    for name in names:
        if names.count(name) > 1:
            raise InvalidInputError("policy.name", name, "appears more than once")
    segments = () if choice.segment is None else (choice.segment,)
    action = _one_of(ActionOf, "action", choice.action)
    options = options_for(policies, ReadOptions(contexts=segments, action_of=action))
    task = Pass(policies, options, segment=choice.segment)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        bar = bars.add_task("parts of the log")
        found = run_pass(
            task,
            parts_of(log, options),
            _one_of(Engine, "engine", choice.engine),
            lambda done, total: bars.update(bar, completed=done, total=total),
        )
    return study_rows(found, names)


def summary(study: RowStudy, report: Path) -> dict[str, Any]:
    """Returns the figures as JSON types; the same log and policies give the same, on every engine."""
    return {**asdict(study), "report": str(report)}


def _one_of(kind: type[Choice], name: str, text: str) -> Choice:
    if text not in set(kind):
        raise InvalidInputError(name, text, f"must be one of {', '.join(kind)}")
    return kind(text)


def _print(study: RowStudy, report: Path) -> None:
    console = Console()
    table = Table("policy", "value", "95 %", "effective rows", "answer", title=f"Value per row, {HEADLINE}")
    logged = study.logged_interval
    table.add_row("logged", f"{study.logged_value:.4g}", f"{logged.low:.4g} … {logged.high:.4g}")
    for each in study.policies:
        found = each.estimates[HEADLINE]
        table.add_row(
            each.name,
            f"{found.value:.4g}",
            f"{found.interval.low:.4g} … {found.interval.high:.4g}",
            f"{found.diagnostics.effective_sample_size:,.0f}",
            "; ".join((found.verdict.value.replace("_", " "), *found.reasons)),
        )
    console.print(table)
    for left in study.rejected:
        where = f"{left.file}: row {left.row}, column {left.column or 'all'}: {left.value!r}"
        console.print(f"{left.defect}: {left.count:,}, such as {where}", style="yellow", highlight=False)
    console.print(
        f"[bold]Report:[/] {report} ({study.num_rows:,} rows, digest {study.digest})", highlight=False
    )
