"""The command `adranker`: composes the commands of all packages."""

# Typer reads the annotations at run time, so its types must be real imports here.
import json
import os
import sys
import threading
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from bandit.errors import CreativeError
from nas.command import nas_app
from nas.errors import SearchError
from ranker.architecture_search.command import search_command
from ranker.attention.command import fit_attention_command
from ranker.creatives_report.command import creatives_app
from ranker.decision_command import explain_command, replay_decision_command
from ranker.errors import InvalidInputError, RankerError
from ranker.load.command import load_command
from ranker.replay.command import gate_command
from ranker.rerun.command import replay_command
from ranker.rollout_command import models_app
from ranker.scoring.command import train_ctr_command
from ranker.serving.command import serve_command
from ranker.serving.consume_command import consume_command
from ranker.serving.stopping import stop_at_signals
from ranker.simulation.command import simulate_command

if TYPE_CHECKING:
    from ranker.client import RankerClient

# What `pip install adranker` leaves out, and the extra that brings it.
EXTRAS = dict.fromkeys(("jinja2", "matplotlib", "onnx", "pyro", "sklearn", "torch"), "learn") | {
    "hdrh": "load",
    "opentelemetry": "tracing",
}

Address = Annotated[str, typer.Option(help="Where the server listens.")]
EventsUrl = Annotated[
    str | None,
    typer.Option(envvar="ADRANKER_EVENTS_URL", help="postgresql://… of the events; else a file in the home."),
]
HomeOption = Annotated[Path, typer.Option(help="Directory of schemas, models, creatives and events.")]
SecurityFile = Annotated[Path | None, typer.Option("--security", help="TOML file: see docs/operations.md.")]
Json = Annotated[bool, typer.Option("--json", help="Print one line of JSON.")]

Choice = TypeVar("Choice", bound=StrEnum)

app = typer.Typer(
    help="Rank ads under constraints, choose their creatives, learn from outcomes, judge policies offline.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.command("serve")(serve_command)
app.command("consume")(consume_command)
app.command("load")(load_command)
app.command("train-ctr")(train_ctr_command)
app.command("fit-attention")(fit_attention_command)
app.command("replay")(replay_command)
app.command("simulate")(simulate_command)
app.command("gate")(gate_command)
app.command("replay-decision")(replay_decision_command)
app.command("explain")(explain_command)
app.add_typer(creatives_app, name="creatives")
app.add_typer(models_app, name="models")
nas_app.command("search")(search_command)
app.add_typer(nas_app, name="nas")
events_app = typer.Typer(help="Look after the event store.", no_args_is_help=True)
app.add_typer(events_app, name="events")


@app.command("init")
def init_command(home: HomeOption = Path("var/serve"), as_json: Json = False) -> None:
    """Make a home that can be served: the example of the Open Bandit and adult data, trained here."""
    from ranker.demo.home import prepare_home

    prepare_home(home)
    typer.echo(
        json.dumps({"home": str(home)}) if as_json else f"{home} is ready: adranker serve --home {home}"
    )


@app.command("warm-up")
def warm_up_command() -> None:
    """Compile the numerical kernels now, so that no later start has to: once after each installation."""
    import time

    from ranker.solver import warm_up

    started = time.perf_counter()
    warm_up()
    typer.echo(json.dumps({"seconds": round(time.perf_counter() - started, 1)}))


@app.command("learn")
def learn_command(
    home: HomeOption = Path("var/serve"),
    batch_size: Annotated[int, typer.Option(help="Rewards that are worth a posterior at once.")] = 1000,
    max_wait_seconds: Annotated[float, typer.Option(help="Longest that a reward waits.")] = 2.0,
    inference: Annotated[str, typer.Option(help="closed_form, or svi (Pyro).")] = "closed_form",
    check_every: Annotated[
        int, typer.Option(help="Compare with the svi fit every so many versions; 0 never.")
    ] = 0,
    weigh_pending: Annotated[
        bool, typer.Option(help="Weigh impressions whose click may still come by their age.")
    ] = True,
    events_url: EventsUrl = None,
    log_format: Annotated[str, typer.Option(envvar="ADRANKER_LOG_FORMAT", help="text or json.")] = "text",
    parent: Annotated[
        int | None, typer.Option(help="End when this parent process does.", hidden=True)
    ] = None,
) -> None:
    """Turn joined outcomes into creative posteriors until SIGTERM; prints one JSON line a version.

    Several may run on one store: one learns, the others wait until it has died.
    """
    from ranker.creative_learning import FitOptions, Inference, learn_until
    from ranker.home import Home
    from ranker.learning import LearningSettings
    from ranker.serving.log_lines import LogFormat, LogLevel, log_to_stderr

    log_to_stderr(_one_of(LogFormat, "log_format", log_format), LogLevel.INFO)
    stop = stop_at_signals()
    if parent is not None:
        _stop_with_parent(parent, stop)

    def told(news: dict[str, object]) -> None:
        typer.echo(json.dumps(news))

    settings = LearningSettings(batch_size=batch_size, max_wait_seconds=max_wait_seconds)
    fit = FitOptions(_one_of(Inference, "inference", inference), check_every, weigh_pending)
    learn_until(stop, Home(home, events_url), settings, fit, told)


def _one_of(kind: type[Choice], name: str, text: str) -> Choice:
    if text not in set(kind):
        raise InvalidInputError(name, text, f"must be one of {', '.join(kind)}")
    return kind(text)


def _stop_with_parent(parent: int, stop: threading.Event) -> None:
    """Stops when the parent is gone: a killed server leaves no learner behind to hold the home's lock."""

    def watch() -> None:
        while os.getppid() == parent:
            if stop.wait(0.5):
                return
        stop.set()

    threading.Thread(target=watch, daemon=True).start()


@app.command("export")
def export_command(
    out: Annotated[Path, typer.Argument(help="Directory for the Parquet files.")],
    created_from: Annotated[
        str, typer.Option("--from", help="Whole hour, e.g. 2026-11-24T15:00Z: decisions from then on.")
    ] = "",
    created_before: Annotated[str, typer.Option("--before", help="Whole hour: decisions before it.")] = "",
    home: HomeOption = Path("var/serve"),
    events_url: EventsUrl = None,
    as_json: Json = False,
) -> None:
    """Write decisions and outcomes as Parquet, by the hour; the server may go on meanwhile."""
    from dataclasses import asdict

    from ranker.events.export import export_parquet
    from ranker.home import Home

    summary = asdict(
        export_parquet(
            Home(home, events_url).event_location,
            out,
            created_from=_time("from", created_from) if created_from else float("-inf"),
            created_before=_time("before", created_before) if created_before else float("inf"),
        )
    )
    typer.echo(json.dumps(summary, default=str) if as_json else f"{out}: {summary}")


def _time(name: str, text: str) -> float:
    """Reads a time; without a zone it is UTC."""
    from datetime import UTC, datetime

    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidInputError(name, text, "must be a time like 2026-11-24T15:00Z") from None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


@events_app.command("partition")
def partition_command(
    export: Annotated[Path, typer.Argument(help="An export with one file a table, of an earlier release.")],
    as_json: Json = False,
) -> None:
    """Lay an export of an earlier release by the hour, in place."""
    from ranker.events.export_upgrade import partition_export

    rows = partition_export(export)
    typer.echo(json.dumps(rows) if as_json else f"{export}: {rows}")


@events_app.command("migrate")
def migrate_command(events_url: EventsUrl = None, as_json: Json = False) -> None:
    """Create or update the tables of the PostgreSQL event store; a file needs none of this."""
    if not events_url:
        raise InvalidInputError("events_url", events_url, "give --events-url or set ADRANKER_EVENTS_URL")
    from ranker.events.postgres import migrate

    version = migrate(events_url)
    typer.echo(json.dumps({"layout": version}) if as_json else f"the tables have layout {version}")


@app.command("demo")
def demo_command(
    home: HomeOption = Path("var/demo"),
    report: Annotated[Path, typer.Option(help="The HTML report.")] = Path("var/demo/report.html"),
    requests: Annotated[int, typer.Option(help="Logged requests of each kind to serve.")] = 10_000,
    as_json: Json = False,
) -> None:
    """Serve real logged traffic through a real server, judge what happened, write a report."""
    from ranker.demo.run import run_demo

    run_demo(home, report, num_requests=requests, as_json=as_json)


@app.command("versions")
def versions_command(
    address: Address = "127.0.0.1:50051", security: SecurityFile = None, as_json: Json = False
) -> None:
    """Show which models and which posterior a server answers from."""
    with _client(address, security) as client:
        _print_versions(client.versions(), as_json)


@app.command("reload")
def reload_command(
    address: Address = "127.0.0.1:50051", security: SecurityFile = None, as_json: Json = False
) -> None:
    """Let a server look for new models and posteriors now."""
    with _client(address, security) as client:
        _print_versions(client.reload(), as_json)


@app.command("health")
def health_command(
    address: Address = "127.0.0.1:50051", security: SecurityFile = None, as_json: Json = False
) -> None:
    """Ask a server whether it serves: exit code 0 if it does, 1 if not."""
    with _client(address, security) as client:
        status = client.health()
    typer.echo(json.dumps({"status": status}) if as_json else status)
    raise typer.Exit(0 if status == "SERVING" else 1)


@app.command("token")
def token_command(
    name: Annotated[str, typer.Argument(help="Who gets it.")],
    scope: Annotated[list[str], typer.Option(help="rank, report or admin; repeatable.")],
    file: Annotated[Path, typer.Option(help="The server's tokens file (ADRANKER_TOKENS).")],
    as_json: Json = False,
) -> None:
    """Make a token for a caller: shown here once, the file keeps its hash."""
    from ranker.serving.access import Scope, add_token

    token = add_token(file, name, [_one_of(Scope, "scope", one) for one in scope])
    typer.echo(json.dumps({"name": name, "token": token, "scopes": scope}) if as_json else token)


def _client(address: str, security: Path | None) -> "RankerClient":
    from ranker.client import RankerClient
    from ranker.connection import read_security

    return RankerClient(address, security=None if security is None else read_security(security))


def _print_versions(versions: dict[str, object], as_json: bool) -> None:
    typer.echo(json.dumps(versions, indent=None if as_json else 2))


def main() -> None:
    """Runs the command; what is wrong with the input ends it with one line and exit code 2."""
    try:
        app()
    except (RankerError, CreativeError, SearchError) as error:
        sys.exit(_told(f"error: {error}"))
    except OSError as error:
        sys.exit(_told(f"error: {error.filename or 'system'} = {error.strerror or error}"))
    except ModuleNotFoundError as error:
        extra = EXTRAS.get((error.name or "").partition(".")[0])
        if extra is None:
            raise
        sys.exit(_told(f"error: {error.name} is not installed: pip install 'adranker[{extra}]'"))


def _told(message: str) -> int:
    print(message, file=sys.stderr)  # noqa: T201 (a command speaks to its caller)
    return 2


if __name__ == "__main__":
    main()
