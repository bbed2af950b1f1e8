"""Alert rules and dashboard: their own tests by promtool, and a real Prometheus on a real server."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import time
import urllib.parse
import urllib.request
from collections import Counter
from pathlib import Path
from unittest.mock import Mock

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from ranker.client import RankerClient
from ranker.serving.bus.metrics import BusCollector
from tests.integration.conftest import home, make_request, server, settings, trained  # noqa: F401 (fixtures)

DEPLOY = Path(__file__).parents[2] / "deploy"
NAMES = re.compile(r"adranker_[a-z_]+")
needs_promtool = pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
needs_prometheus = pytest.mark.skipif(
    shutil.which("prometheus") is None, reason="Prometheus is not installed"
)


@needs_promtool
def test_the_alerts_fire_when_they_should_and_only_then():
    ran = subprocess.run(
        ["promtool", "test", "rules", "alerts_test.yml"],
        cwd=DEPLOY / "prometheus",
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_every_alert_has_a_test():
    alerts = re.findall(r"- alert: (\w+)", (DEPLOY / "prometheus" / "alerts.yml").read_text())
    tests = (DEPLOY / "prometheus" / "alerts_test.yml").read_text()
    assert len(alerts) == 13
    assert [alert for alert in alerts if alert not in tests] == []


@pytest.mark.parametrize("path", ["prometheus/alerts.yml", "grafana/adranker.json"])
def test_every_metric_that_is_looked_at_exists(server, make_request, path):  # noqa: F811 (fixtures)
    with RankerClient(server.address) as client:
        client.rank(make_request())
    with urllib.request.urlopen(f"http://{server.metrics_address}/metrics") as response:
        described = re.findall(r"# TYPE (\w+)", response.read().decode())
    of_consumer = CollectorRegistry()
    of_consumer.register(BusCollector(Mock(counts=Counter(), lag=0, stored_until=0.0)))
    described += re.findall(r"# TYPE (\w+)", generate_latest(of_consumer).decode())
    suffixes = ("", "_bucket", "_sum", "_count")
    exist = {name + suffix for name in described for suffix in suffixes}
    asked = set(NAMES.findall((DEPLOY / path).read_text())) - {"adranker_"}
    assert len(asked) > 5
    assert asked - exist == set()


@needs_prometheus
def test_a_real_prometheus_scrapes_the_server_and_notices_its_end(home, make_request, tmp_path):  # noqa: F811
    from ranker.serving.server import Server

    running = Server(settings(home))
    running.start()
    config = (DEPLOY / "prometheus" / "prometheus.yml").read_text()
    assert "server:9464" in config
    config = config.replace("server:9464", running.metrics_address).replace("5s", "200ms")
    (tmp_path / "prometheus.yml").write_text(config)
    shutil.copy(DEPLOY / "prometheus" / "alerts.yml", tmp_path)
    command = ["prometheus", "--config.file=prometheus.yml", "--storage.tsdb.path=data"]
    address = free_address()
    command += [f"--web.listen-address={address}"]
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(command, cwd=tmp_path, stderr=log, stdout=log)
    try:
        base = f"http://{address}/api/v1"
        wait_for(lambda: ready(address))
        with RankerClient(running.address) as client:
            for i in range(7):
                client.rank(make_request(f"r{i}"))
        query = 'adranker_rpc_calls_total{method="Rank",code="OK"}'
        wait_for(lambda: value(base, query) == 7.0)
        assert value(base, "adranker_events_decisions_total") == 7.0
        rules = wait_for(lambda: evaluated(base))
        assert len(rules) == 13
        assert {rule["health"] for rule in rules} == {"ok"}
        assert {rule["state"] for rule in rules} == {"inactive"}
        running.close()
        wait_for(lambda: state(base, "AdrankerDown") == "pending")
    finally:
        process.terminate()
        process.wait(timeout=20)


def free_address():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{found.getsockname()[1]}"


def ready(address):
    try:
        with urllib.request.urlopen(f"http://{address}/-/ready", timeout=5) as response:
            return response.status == 200
    except OSError:
        return False


def asked(url):
    with urllib.request.urlopen(url, timeout=5) as response:
        return json.load(response)["data"]


def value(base, query):
    result = asked(f"{base}/query?{urllib.parse.urlencode({'query': query})}")["result"]
    return float(result[0]["value"][1]) if result else None


def evaluated(base):
    rules = [rule for group in asked(f"{base}/rules")["groups"] for rule in group["rules"]]
    return rules if rules and all(rule["health"] != "unknown" for rule in rules) else None


def state(base, alert):
    rules = [rule for group in asked(f"{base}/rules")["groups"] for rule in group["rules"]]
    return next(rule["state"] for rule in rules if rule["name"] == alert)


def wait_for(condition, seconds=60.0):
    deadline = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.1)
