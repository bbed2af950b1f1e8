"""The commands `adranker replay-decision` and `adranker explain`."""

# Typer reads the annotations at run time, so its types must be real imports here.
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from ranker.client import RankerClient

DecisionId = Annotated[str, typer.Argument(help="The decision's id, which is its request's.")]
Address = Annotated[str, typer.Option(help="Where the server listens.")]
SecurityFile = Annotated[Path | None, typer.Option("--security", help="TOML file: see docs/operations.md.")]
Json = Annotated[bool, typer.Option("--json", help="Print one line of JSON.")]


def replay_decision_command(
    decision_id: DecisionId,
    address: Address = "127.0.0.1:50051",
    security: SecurityFile = None,
    as_json: Json = False,
) -> None:
    """Recompute a logged decision from its versions, seed and request: exit code 0 if equal, 1 if not."""
    with _client(address, security) as client:
        replayed = client.replay_decision(decision_id)
    if as_json:
        typer.echo(json.dumps(replayed))
    elif replayed["is_equal"]:
        typer.echo(f"{decision_id}: equal to the last bit")
    else:
        typer.echo(f"{decision_id}: differs in {len(replayed['differences'])} values")
        for one in replayed["differences"]:
            typer.echo(f"  {one['field']}: logged {one['logged']}, recomputed {one['recomputed']}")
    raise typer.Exit(0 if replayed["is_equal"] else 1)


def explain_command(
    decision_id: DecisionId,
    address: Address = "127.0.0.1:50051",
    security: SecurityFile = None,
    as_json: Json = False,
) -> None:
    """Show why a logged decision is what it is: scores, prices, draws, and what each constraint cost."""
    with _client(address, security) as client:
        explained = client.explain(decision_id)
    if as_json:
        typer.echo(json.dumps(explained))
    else:
        _print_explained(explained)


def _client(address: str, security: Path | None) -> "RankerClient":
    # Not above: every command imports this module, and gRPC takes its time.
    from ranker.client import RankerClient
    from ranker.connection import read_security

    return RankerClient(address, security=None if security is None else read_security(security))


def _print_explained(explained: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    decision = explained["decision"]
    drawn = "explored: a uniformly random slate" if explained["is_explored"] else "drawn from the mixture"
    console = Console()
    console.print(f"{decision['decision_id']}  {drawn}, propensity {decision['slate_propensity']:.4g}")
    console.print(
        f"model {decision['model_version'] or '–'}  posterior {decision['posterior_version'] or '–'}"
    )
    if not explained["is_equal"]:
        console.print("This code does not recompute it as logged: see adranker replay-decision.")
    ads = Table("position", "candidate", "ctr", "bid", "value", "reduced value", "expected attention")
    shown = [each for each in explained["candidates"] if "position" in each]
    for each in sorted(shown, key=lambda each: int(each["position"])):
        numbers = (each[name] for name in ("ctr", "bid", "value", "reduced_value", "expected_attention"))
        ads.add_row(str(each["position"]), each["candidate_id"], *(f"{number:.4g}" for number in numbers))
    console.print(ads)
    limits = Table(
        "constraint", "dual", "cost", caption=f"all together cost {explained['constraints_cost']:.4g}"
    )
    for each in explained["constraints"]:
        limits.add_row(each["name"], f"{each['dual']:.4g}", f"{each['cost']:.4g}")
    console.print(limits)
