"""The command `adranker gate`."""

# Typer reads the annotations at run time, so its types must be real imports here.
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ranker.replay.gate import Gate, GateRows

# Of `adranker gate` where the candidate may not go live; 2 is for wrong input.
NOT_PROMOTED = 1


def gate_command(
    log: Annotated[Path, typer.Argument(help="The whole log so far: a file, or a directory of files.")],
    state: Annotated[Path, typer.Option(help="Where the test is kept from one look to the next.")],
    max_weight: Annotated[
        float, typer.Option(help="Largest possible weight of the candidate, not the largest seen.")
    ],
    max_incumbent_weight: Annotated[
        float | None, typer.Option(help="The same of the incumbent; needed with --incumbent.")
    ] = None,
    candidate: Annotated[
        str,
        typer.Option(help="How likely the candidate would do what was logged: a column, or a policy's TOML."),
    ] = "target_propensity",
    incumbent: Annotated[
        str | None, typer.Option(help="The same of the incumbent; without it, the incumbent wrote the log.")
    ] = None,
    max_reward: Annotated[float, typer.Option(help="Rewards lie in 0 … this.")] = 1.0,
    level: Annotated[float, typer.Option(help="1 − the chance of ever promoting what is no better.")] = 0.95,
    min_rows: Annotated[int, typer.Option(help="Rows before which nothing is decided.")] = 1000,
    as_json: Annotated[bool, typer.Option("--json", help="Print one line of JSON.")] = False,
) -> None:  # the arguments are the command line's, and Typer wants them flat
    """Say whether a policy may go live. Exit status: 0 it may, 1 not yet or never, 2 wrong input.

    Look as often as you like: the answer comes from a confidence sequence. Rows are taken in the order of the
    log; an export of the event store, in the order in which its rewards were joined.
    """
    # Not above: every command imports this module, and the numerics take a second to load.
    from ranker.errors import InvalidInputError
    from ranker.replay.gate import Decision, GateSettings, look
    from ranker.replay.gate_file import read_gate, write_gate

    if (incumbent is None) != (max_incumbent_weight is None):
        raise InvalidInputError("max_incumbent_weight", max_incumbent_weight, "goes with --incumbent")
    settings = GateSettings(max_weight, max_incumbent_weight, max_reward, level, min_rows)
    gate = look(read_gate(state, settings), _rows(log, candidate, incumbent))
    write_gate(gate, state)
    typer.echo(json.dumps(_summary(gate)) if as_json else _sentence(gate))
    if gate.decision is not Decision.PROMOTE:
        raise typer.Exit(NOT_PROMOTED)


def _rows(log: Path, candidate: str, incumbent: str | None) -> "Iterator[GateRows]":
    from ranker.replay.gate_reading import gate_rows
    from ranker.replay.policies import ColumnPolicy
    from ranker.replay.policy_file import options_for, read_row_policy
    from ranker.replay.readers import ReadOptions

    policies = [
        read_row_policy(Path(each)) if each.endswith(".toml") else ColumnPolicy(each, each)
        for each in (candidate, incumbent)
        if each is not None
    ]
    options = options_for(policies, ReadOptions(max_bad_ratio=0.0))
    return gate_rows(log, policies[0], policies[1] if len(policies) > 1 else None, options)


def _summary(gate: "Gate") -> dict[str, object]:
    n, interval = max(gate.num_rows, 1), gate.interval
    return {
        "decision": gate.decision,
        "rows": gate.num_rows,
        "level": gate.settings.level,
        "difference": (gate.reward_sums[0] - gate.reward_sums[1]) / n,
        "low": interval.low,
        "high": interval.high,
        "candidate_value": gate.reward_sums[0] / n,
        "incumbent_value": gate.reward_sums[1] / n,
        "mean_weight": gate.weight_sums[0] / n,
    }


def _sentence(gate: "Gate") -> str:
    summary = _summary(gate)
    return (
        f"{summary['decision']}: candidate − incumbent = {summary['difference']:.6g}, at any time in "
        f"{summary['low']:.6g} … {summary['high']:.6g} ({gate.settings.level:.0%}), {gate.num_rows:,} rows"
    )
