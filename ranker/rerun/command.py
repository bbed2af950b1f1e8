"""The command `adranker replay`."""

# Typer reads the annotations at run time, so its types must be real imports here.
import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from ranker.rerun.chunk import Bench
    from ranker.rerun.judgement import Judgement
    from ranker.rerun.policy_file import RerunPolicy
    from ranker.rerun.rerun import Rerun


def replay_command(
    log: Annotated[
        Path, typer.Argument(help="An `adranker export`, Open Bandit CSVs, dsjson, or a table of rows.")
    ],
    policy: Annotated[
        list[Path] | None, typer.Option(help="TOML of a policy to judge; repeatable. None: what was logged.")
    ] = None,
    home: Annotated[
        Path | None,
        typer.Option(help="Models, creatives and draw key; by default `home` in the log's folder."),
    ] = None,
    out: Annotated[Path, typer.Option(help="Checkpoints; an interrupted run goes on from them.")] = Path(
        "var/replay"
    ),
    report: Annotated[Path | None, typer.Option(help="The HTML report; by default in --out.")] = None,
    engine: Annotated[str, typer.Option(help="Rows: local (all cores) or ray.")] = "local",
    segment: Annotated[str | None, typer.Option(help="Rows: a column to tell winners and losers by.")] = None,
    action: Annotated[str, typer.Option(help="Rows of an export: candidate or creative.")] = "candidate",
    as_json: Annotated[bool, typer.Option("--json", help="Print one line of JSON.")] = False,
) -> None:  # the arguments are the command line's, and Typer wants them flat
    """Say what policies would have been worth on a log, and why.

    A policy that names `column`, `chances` or `frequencies_of` weighs the rows of any log. Any other reruns
    captured requests under its models and limits through the pipeline: what moves, why, what it is worth.
    """
    # Not above: every command imports this module, and the numerics take a second to load.
    from ranker.errors import InvalidInputError
    from ranker.replay.policy_file import is_row_policy
    from ranker.replay.rows_command import RowChoice, replay_rows

    if policy and any(is_row_policy(path) for path in policy):
        path = report or out / "report.html"
        replay_rows(log, policy, RowChoice(engine, segment, action), path, as_json=as_json)
        return
    for name, value, default in (
        ("engine", engine, "local"), ("segment", segment, None), ("action", action, "candidate"),
    ):  # fmt: skip
        if value != default:
            raise InvalidInputError(name, value, "is for policies of rows, which say column or chances")
    from ranker.rerun.captured_log import check_export
    from ranker.rerun.judgement import judge_policies
    from ranker.rerun.policy_file import AS_LOGGED, read_policy
    from ranker.rerun.probe import probe
    from ranker.rerun.report.page import Page, write_report
    from ranker.rerun.rerun import rerun_log
    from ranker.serving.collector import keep_collector_off_the_heap

    check_export(log)
    policies = (AS_LOGGED, *(read_policy(path) for path in policy or ()))
    bench = _bench(policies, home or log / "home")
    names = tuple(each.name for each in policies)
    with _progress("captured requests") as show:
        keep_collector_off_the_heap()
        rerun = rerun_log(log, bench, out, show)
    with _progress("limits and attention") as show:
        probed = probe(log, rerun.columns, names, bench.snapshots[0], show)
    judgement = judge_policies(rerun.columns, names) if rerun.columns else None
    path = report or out / "report.html"
    write_report(Page(rerun, judgement, probed, names), path)
    if as_json:
        typer.echo(json.dumps(summary(rerun, judgement, path)))
    else:
        _print_tables(rerun, judgement, path)


def _bench(policies: "tuple[RerunPolicy, ...]", home: Path) -> "Bench":
    from ranker.errors import InvalidInputError
    from ranker.home import Home
    from ranker.rerun.chunk import Bench
    from ranker.serving.home_loader import load_snapshot

    names = [each.name for each in policies]
    for name in names:
        if names.count(name) > 1:
            raise InvalidInputError("policy.name", name, "appears more than once; “as logged” is taken")
    homes = [Home(each.home or home) for each in policies]
    for each in homes:
        each.check()
    # A policy file says which model answers, not the home's experiments of today.
    loaded = {each.root: replace(load_snapshot(each, None), rollouts={}) for each in homes}
    return Bench(policies, tuple(loaded[each.root] for each in homes), homes[0].draw_key())


def _progress(what: str) -> Any:
    """Gives a function that shows (done, total) as a bar on standard error."""
    from contextlib import contextmanager

    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    @contextmanager
    def shown() -> Any:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
            task = bars.add_task(what)
            yield lambda done, total: bars.update(task, completed=done, total=total)

    return shown()


def summary(rerun: "Rerun", judgement: "Judgement | None", report: Path) -> dict[str, Any]:
    """Returns the figures as JSON types; the same log and policies give the same."""
    from dataclasses import asdict

    return {
        "flaws": dict(rerun.flaws.counts),
        "examples": rerun.flaws.examples,
        "policies": {name: asdict(totals) for name, totals in rerun.totals.items()},
        "judgement": None if judgement is None else asdict(judgement),
        "report": str(report),
    }


def _print_tables(rerun: "Rerun", judgement: "Judgement | None", report: Path) -> None:
    from rich.console import Console
    from rich.table import Table

    from ranker.rerun.judgement import HEADLINE

    console = Console()
    moved = Table("policy", "rerun", "unmoved", "moved by", title="What moved")
    for name, totals in rerun.totals.items():
        causes = ", ".join(f"{cause} {count:,.0f}" for cause, (count, _) in sorted(totals.causes.items()))
        moved.add_row(name, f"{totals.reruns:,}", f"{totals.unmoved:,}", causes)
    console.print(moved)
    if judgement is not None:
        values = Table(
            "policy", "value", "95 %", "change", "95 %", "answer", title=f"Value per request, {HEADLINE}"
        )
        for each in judgement.policies:
            found, change = each.estimates[HEADLINE], each.difference
            values.add_row(
                each.name,
                f"{found.value:.4f}",
                f"{found.interval.low:.4f} … {found.interval.high:.4f}",
                f"{change.value:+.4f}",
                f"{change.interval.low:+.4f} … {change.interval.high:+.4f}",
                found.verdict.value,
            )
        console.print(values)
    for flaw, count in sorted(rerun.flaws.counts.items()):
        console.print(
            f"{flaw}: {count:,}, such as {rerun.flaws.examples[flaw]}", style="yellow", highlight=False
        )
    console.print(f"[bold]Report:[/] {report}", soft_wrap=True, highlight=False)
