"""Prints the summary: tables for people, one JSON line for programs."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich import box
from rich.table import Table

from ranker.demo.sentences import findings, verdict_sentence

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

    from ranker.demo.evaluation import Estimate
    from ranker.demo.summary import DemoResult, StageTimes

# Preferences shown: the groups that differ most.
NUM_GROUPS = 4


def print_tables(result: DemoResult, console: Console) -> None:
    """Print what happened on one screen."""
    for table in (_stages(result), _constraints(result), _values(result), _preferences(result)):
        console.print(table)
    console.print(verdict_sentence(result.evaluation.pooled), style="yellow")
    for finding in findings(result):
        mark = {True: "[green]✔[/]", False: "[red]✘[/]", None: "[yellow]?[/]"}[finding.good]
        console.print(f"{mark} [bold]{finding.title}[/]: {finding.number}", highlight=False)


def json_line(result: DemoResult, report: Path) -> str:
    """Write the figures as one line."""
    return json.dumps({"report": str(report), **figures(result)}, default=str)


def figures(result: DemoResult) -> dict[str, Any]:
    """Return the figures as JSON types, without what only plots need."""
    slates, creatives = asdict(result.slates), asdict(result.creatives)
    for part in (slates, creatives):
        part["stages"] = [_without(stage, "seconds") for stage in part["stages"]]
    return {
        "created_at": result.created_at.isoformat(),
        "machine": result.machine,
        "total_seconds": result.total_seconds,
        "server_exit_status": result.exit_status,
        "slates": slates,
        "creatives": creatives,
        "evaluation": asdict(result.evaluation),
        "propensities": asdict(result.propensities),
        "preferences": [asdict(preference) for preference in result.preferences],
    }


def _without(record: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in record.items() if name != key}


def _stages(result: DemoResult) -> Table:
    slates, creatives = result.slates, result.creatives
    title = (
        f"{slates.num_requests:,} slates at {slates.per_second:,.0f}/s, "
        f"{creatives.num_requests:,} creatives at {creatives.per_second:,.0f}/s (ms)"
    )
    table = _table(title, "stage", "slate p50", "p99", "creative p50", "p99")
    by_stage = {stage.stage: stage for stage in creatives.stages}
    for stage in slates.stages:
        table.add_row(stage.stage, *_milliseconds(stage), *_milliseconds(by_stage[stage.stage]))
    return table


def _milliseconds(stage: StageTimes) -> tuple[str, str]:
    return f"{1000 * stage.p50_seconds:.2f}", f"{1000 * stage.p99_seconds:.2f}"


def _constraints(result: DemoResult) -> Table:
    table = _table(
        "limits over all slates", "constraint", "limit", "expected", "served", "without", "met", "price"
    )
    for item in result.slates.constraints:
        table.add_row(
            item.name,
            f"{'≤' if item.relation == 'at_most' else '≥'} {item.limit:.2f}",
            f"{item.expected_use:.3f}",
            f"{item.served_use:.3f}",
            f"{item.unlimited_use:.3f}",
            f"{item.met_ratio:.0%}",
            f"{1000 * item.dual:.2f} ‰",
        )
    return table


def _values(result: DemoResult) -> Table:
    evaluation = result.evaluation
    table = _table(
        "clicks per 1,000 impressions", "policy, estimator", "value", "bootstrap 95 %", "betting 95 %"
    )
    _add_estimate(table, "random (the log's)", evaluation.logging)
    for value in (evaluation.by_position, evaluation.pooled):
        for estimate in value.estimates:
            _add_estimate(table, f"ours, {estimate.name}, {value.reading}", estimate)
        _add_estimate(table, "  ours − random", value.difference)
        about = value.diagnostics
        table.add_row(
            f"  ESS {about.effective_sample_size:,.0f}, mean weight {about.mean_weight:.2f}, "
            f"{about.num_matched:,} rows and {about.num_matched_rewards} clicks match",
            end_section=True,
        )
    return table


def _add_estimate(table: Table, name: str, estimate: Estimate) -> None:
    intervals = (estimate.bootstrap, estimate.betting)
    table.add_row(
        name,
        f"{1000 * estimate.value:.2f}",
        *(f"{1000 * interval.low:.1f} … {1000 * interval.high:.1f}" for interval in intervals),
    )


def _preferences(result: DemoResult) -> Table:
    table = _table(
        "learned: how often the creative “>50K” is right", "group", "believed", "95 %", "truth", "served"
    )
    ordered = sorted(result.preferences, key=lambda item: item.believed)
    for item in [*ordered[:NUM_GROUPS], *ordered[NUM_GROUPS:][-NUM_GROUPS:]]:
        table.add_row(
            f"{item.field}: {item.group}",
            f"{item.believed:.0%}",
            f"{item.interval.low:.0%} … {item.interval.high:.0%}",
            f"{item.truth:.0%}",
            f"{item.served:.0%}",
        )
    return table


def _table(title: str, first: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    table.add_column(first)
    for column in columns:
        table.add_column(column, justify="right")
    return table
