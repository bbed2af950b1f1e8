"""The command `adranker serve`."""

# Typer reads the annotations at run time, so its types must be real imports here.
import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from ranker.serving.stopping import await_stop, stop_at_signals


def serve_command(
    home: Annotated[Path | None, typer.Option(help="Directory made by `adranker init`.")] = None,
    host: Annotated[str | None, typer.Option(help="Interface to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="gRPC port; 0 takes a free one.")] = None,
    metrics_port: Annotated[int | None, typer.Option(help="Prometheus port; 0 takes a free one.")] = None,
    durability: Annotated[str | None, typer.Option(help="committed, synced or queued.")] = None,
    exploration_ratio: Annotated[float | None, typer.Option(help="Share of uniformly random slates.")] = None,
    capture_ratio: Annotated[
        float | None, typer.Option(help="Share of requests kept in full, to be replayed.")
    ] = None,
    window_seconds: Annotated[float | None, typer.Option(help="How long outcomes count.")] = None,
    events_url: Annotated[
        str | None, typer.Option(help="postgresql://… of the events; else a file in the home.")
    ] = None,
    bus_url: Annotated[
        str | None,
        typer.Option(help="kafka://host:9092/topic to publish on; `adranker consume` stores."),
    ] = None,
    with_learner: Annotated[bool, typer.Option(help="Run the learner as a child process.")] = False,
    inference: Annotated[
        str, typer.Option(help="The learner's: closed_form, or svi (Pyro).")
    ] = "closed_form",
    log_format: Annotated[str | None, typer.Option(help="text or json.")] = None,
    log_level: Annotated[str | None, typer.Option(help="debug, info, warning or error.")] = None,
    otlp_endpoint: Annotated[
        str | None, typer.Option(help="http://host:4317 of a collector of spans; else there are none.")
    ] = None,
    trace_ratio: Annotated[
        float | None, typer.Option(help="Share of calls without a traceparent that have spans.")
    ] = None,
) -> None:
    """Serve until SIGTERM or SIGINT, then drain. Prints one JSON line with the addresses when ready.

    What is not given comes from ADRANKER_<OPTION>, else from the default: see ranker/serving/settings.py.
    """
    # Not above: every command imports this module, and gRPC takes its time.
    from ranker.creative_learning import Inference
    from ranker.errors import InvalidInputError
    from ranker.home import Home
    from ranker.serving.collector import keep_collector_off_the_heap
    from ranker.serving.learner_process import LearnerProcess
    from ranker.serving.log_lines import LogFormat, LogLevel, log_to_stderr
    from ranker.serving.server import Server
    from ranker.serving.settings import settings_from_environment

    if inference not in set(Inference):
        raise InvalidInputError("inference", inference, f"must be one of {', '.join(Inference)}")
    settings = settings_from_environment(
        home=home,
        host=host,
        port=port,
        metrics_port=metrics_port,
        durability=durability,
        exploration_ratio=exploration_ratio,
        capture_ratio=capture_ratio,
        window_seconds=window_seconds,
        events_url=events_url,
        log_format=log_format,
        log_level=log_level,
        otlp_endpoint=otlp_endpoint,
        trace_ratio=trace_ratio,
        bus_url=bus_url,
    )
    log_to_stderr(LogFormat(settings.log_format), LogLevel(settings.log_level))
    stop = stop_at_signals()
    server = Server(settings)
    server.start()
    home_of_learner = Home(settings.home, settings.events_url)
    options = ["--inference", inference, "--log-format", settings.log_format]
    learner = LearnerProcess(home_of_learner, options, server.parts.metrics) if with_learner else None
    keep_collector_off_the_heap()
    addresses = {"address": server.address, "metrics_address": server.metrics_address}
    typer.echo(json.dumps(addresses))
    sys.stdout.flush()
    await_stop(stop)
    server.close()
    if learner is not None:
        learner.close()
