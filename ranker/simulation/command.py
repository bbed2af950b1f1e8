"""The command `adranker simulate`."""

# Typer reads the annotations at run time, so its types must be real imports here.
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from ranker.simulation.scenario import Scenario
    from ranker.simulation.study import Study


def simulate_command(
    scenario: Annotated[str, typer.Argument(help="A scenario that ships, or a TOML file.")] = "",
    list_them: Annotated[bool, typer.Option("--list", help="Show the scenarios that ship.")] = False,
    out: Annotated[Path, typer.Option(help="Checkpoints; an interrupted run goes on from them.")] = Path(
        "var/simulation"
    ),
    report: Annotated[Path | None, typer.Option(help="The HTML report; by default in --out.")] = None,
    seed: Annotated[int | None, typer.Option(help="In place of the scenario's.")] = None,
    sessions: Annotated[int | None, typer.Option(help="In place of the scenario's.")] = None,
    parameters: Annotated[
        Path | None, typer.Option(help="A world fitted to your logs, in place of the one that ships.")
    ] = None,
    log: Annotated[
        bool, typer.Option(help="Write what the first policy did as a log for `adranker replay`.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one line of JSON.")] = False,
) -> None:  # the arguments are the command line's, and Typer wants them flat
    """Let policies serve a simulated market through the real pipeline, and report what each is worth."""
    # Not above: every command imports this module, and the numerics take a second to load.
    from ranker.errors import InvalidInputError
    from ranker.simulation.parameters import SHIPPED, read_parameters
    from ranker.simulation.report.page import write_report
    from ranker.simulation.scenario import read_scenario, shipped_scenarios
    from ranker.simulation.study import run_study

    if list_them:
        _print_scenarios(as_json=as_json)
        return
    if not scenario:
        raise InvalidInputError(
            "scenario", "", f"name a TOML file or one of {', '.join(shipped_scenarios())}"
        )
    chosen = _changed(read_scenario(scenario), seed, sessions)
    world = read_parameters(parameters or SHIPPED)
    place = out / chosen.name
    with _progress() as show:
        study = run_study(chosen, world, place, show, log=log)
    path = report or place / "report.html"
    write_report(study, path)
    if as_json:
        typer.echo(json.dumps(summary(study, path)))
    else:
        _print_table(study, path)


def _print_scenarios(*, as_json: bool) -> None:
    """Shows what each scenario that ships is for, and the policies that it compares."""
    from rich.console import Console
    from rich.table import Table

    from ranker.simulation.scenario import read_scenario, shipped_scenarios

    scenarios = [read_scenario(name) for name in shipped_scenarios()]
    if as_json:
        found = [
            {"name": each.name, "question": each.question, "policies": [p.name for p in each.policies]}
            for each in scenarios
        ]
        typer.echo(json.dumps(found))
        return
    table = Table("scenario", "question", "policies", show_lines=True)
    for each in scenarios:
        table.add_row(each.name, each.question, " · ".join(policy.name for policy in each.policies))
    Console().print(table)


def _changed(scenario: "Scenario", seed: int | None, sessions: int | None) -> "Scenario":
    from dataclasses import replace

    if seed is not None:
        scenario = replace(scenario, seed=seed)
    if sessions is not None:
        scenario = replace(scenario, traffic=replace(scenario.traffic, sessions=sessions))
    return scenario


def _progress() -> Any:
    """Gives a function that shows (what, done, total) as bars on standard error."""
    from contextlib import contextmanager

    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    @contextmanager
    def shown() -> Any:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
            tasks: dict[str, Any] = {}

            def show(what: str, done: int, total: int) -> None:
                if what not in tasks:
                    tasks[what] = bars.add_task(what)
                bars.update(tasks[what], completed=done, total=total)

            yield show

    return shown()


def summary(study: "Study", report: Path) -> dict[str, Any]:
    """Returns the figures of a study as JSON types; the same scenario and seed give the same."""
    from dataclasses import asdict

    return {
        "scenario": study.scenario.name,
        "seed": study.scenario.seed,
        "world": study.parameters_version,
        "policies": [asdict(policy) for policy in study.policies],
        "segments": {name: [asdict(each) for each in found] for name, found in study.segments.items()},
        "value_by_day": {name: values.tolist() for name, values in study.value_by_day.items()},
        "pr_auc": study.curves.pr_auc,
        "roc_auc": study.curves.roc_auc,
        "frontiers": {
            each.name: {n: getattr(each, n).tolist() for n in ("limits", "objective", "slope", "use")}
            for each in study.frontiers
        },
        "attention_loss": float(study.sensitivity.loss_if.max()),
        "report": str(report),
    }


def _print_table(study: "Study", report: Path) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    table = Table("policy", "value", "95 %", "change", "95 %", "revenue", title=study.scenario.name)
    for policy in study.policies:
        value, change = policy.value, policy.change
        table.add_row(
            policy.name,
            f"{value.value:.4f}",
            f"{value.low:.4f} … {value.high:.4f}",
            "" if change is None else f"{change.value:+.4f}",
            "" if change is None else f"{change.low:+.4f} … {change.high:+.4f}",
            f"{policy.revenue.value:.4f}",
        )
    console.print(table)
    console.print(f"[bold]Report:[/] {report}", soft_wrap=True, highlight=False)
