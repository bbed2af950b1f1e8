"""The command `adranker consume`."""

# Typer reads the annotations at run time, so its types must be real imports here.
import json
import sys
from collections import Counter
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ranker.serving.stopping import stop_at_signals

if TYPE_CHECKING:
    from ranker.events.store import EventStore
    from ranker.serving.bus.consumer import BusConsumer
    from ranker.serving.settings import ServerSettings


def consume_command(
    home: Annotated[Path | None, typer.Option(help="Directory made by `adranker init`.")] = None,
    bus_url: Annotated[
        str | None, typer.Option(help="kafka://host:9092/topic, where the servers publish.")
    ] = None,
    events_url: Annotated[
        str | None, typer.Option(help="postgresql://… of the events; else a file in the home.")
    ] = None,
    group: Annotated[
        str, typer.Option(help="One of a group reads, the others wait; a new group reads all again.")
    ] = "adranker",
    metrics_port: Annotated[int | None, typer.Option(help="Prometheus port; 0 takes a free one.")] = None,
    until_end: Annotated[bool, typer.Option(help="Stop once all is stored that is on the bus now.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the totals as one line of JSON.")] = False,
) -> None:
    """Write what servers publish on the bus into the event store, until SIGTERM; then print the totals.

    Prints a JSON line when it waits for another to end, and one when it reads. What is not given comes from
    ADRANKER_<OPTION>, else from the default.
    """
    # Not above: every command imports this module.
    from ranker.errors import InvalidInputError
    from ranker.events.lease import Lease, open_lease_rows
    from ranker.home import Home
    from ranker.serving.bus.consumer import BusConsumer
    from ranker.serving.event_stores import bus_of, learned_until, store_of_consumer
    from ranker.serving.log_lines import LogFormat, LogLevel, log_to_stderr
    from ranker.serving.retention import Retirer
    from ranker.serving.settings import settings_from_environment

    settings = settings_from_environment(
        home=home, bus_url=bus_url, events_url=events_url, metrics_port=metrics_port
    )
    log_to_stderr(LogFormat(settings.log_format), LogLevel(settings.log_level))
    if not settings.bus_url:
        raise InvalidInputError("bus_url", settings.bus_url, "give --bus-url or set ADRANKER_BUS_URL")
    stop = stop_at_signals()
    bus, place = bus_of(settings), Home(settings.home, settings.events_url)
    place.check()
    counts: Counter[str] = Counter()
    with Lease(open_lease_rows(place.leases), f"consumer_{group}") as lease, ExitStack() as opened:
        typer.echo(json.dumps({"consumer": "waits"}))
        sys.stdout.flush()
        if lease.acquire(stop, lambda: 0):
            store = store_of_consumer(place, settings)
            opened.callback(store.close)
            consumer = BusConsumer(bus, store, group)
            opened.callback(consumer.close)
            retirer = Retirer(store, partial(learned_until, place))
            opened.callback(retirer.close)
            address = _serve_metrics(settings, store, consumer)
            retirer.start()
            typer.echo(json.dumps({"consumer": "reads", "bus": str(bus), "metrics_address": address}))
            sys.stdout.flush()
            consumer.run(stop, lease.check, until_end=until_end)
            counts = consumer.counts
    totals = dict(sorted(counts.items()))
    typer.echo(json.dumps(totals) if as_json else f"{bus}: {totals or 'nothing was new'}")


def _serve_metrics(settings: "ServerSettings", store: "EventStore", consumer: "BusConsumer") -> str:
    from prometheus_client import CollectorRegistry, start_http_server

    from ranker.errors import StateError
    from ranker.serving.bus.metrics import BusCollector
    from ranker.serving.metrics import EventCollector

    registry = CollectorRegistry()
    registry.register(BusCollector(consumer))
    registry.register(EventCollector(store))
    host, port = settings.host, settings.metrics_port
    try:
        server, _ = start_http_server(port, host, registry=registry)
    except OSError as error:
        raise StateError("metrics_address", f"{host}:{port}", str(error.strerror)) from error
    return f"{host}:{server.server_port}"
