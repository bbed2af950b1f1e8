"""The composition names commands, ports, variables and services that exist."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from ranker.cli import app
from ranker.events.postgres import parse_url
from ranker.serving.bus.address import parse_bus
from ranker.serving.settings import ServerSettings

DEPLOY = Path(__file__).parents[2] / "deploy"
COMPOSITION = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSITION["services"]
OURS = {name: service for name, service in SERVICES.items() if service.get("image") == "adranker"}
DEFAULTS = {field.name: field.default for field in fields(ServerSettings)}
DOCKERFILE = (DEPLOY / "Dockerfile").read_text()


def test_there_is_one_image_for_all_that_is_ours():
    assert set(OURS) == {"migrate", "server", "learner", "consumer"}
    assert set(SERVICES) - set(OURS) == {"postgres", "prometheus", "kafka"}
    assert sum("build" in service for service in SERVICES.values()) == 1


@pytest.mark.parametrize("name", sorted(OURS))
def test_its_command_exists_with_these_options(name: str):
    command = OURS[name].get("command", ["serve"])  # of the image
    words = [word for word in command if not word.startswith(("-", "/"))]
    told = CliRunner().invoke(app, [*words, "--help"], env={"COLUMNS": "200", "NO_COLOR": "1"})
    assert told.exit_code == 0
    for option in (word for word in command if word.startswith("-")):
        assert option in told.stdout


@pytest.mark.parametrize("name", sorted(OURS))
def test_its_variables_are_settings(name: str):
    known = {f"ADRANKER_{field.name.upper()}" for field in fields(ServerSettings)}
    assert set(OURS[name]["environment"]) <= known


def test_the_url_reaches_the_database_as_it_is_set_up():
    postgres = SERVICES["postgres"]["environment"]
    for service in OURS.values():
        url = parse_url(re.sub(r"\$\{\w+:\?[^}]*\}", "secret", service["environment"]["ADRANKER_EVENTS_URL"]))
        assert (url.host, url.port, url.password) == ("postgres", 5432, "secret")
        assert (url.username, url.database) == (postgres["POSTGRES_USER"], postgres["POSTGRES_DB"])


def test_ports_are_those_that_the_server_listens_on():
    exposed = re.search(r"^EXPOSE (\d+) (\d+)$", DOCKERFILE, re.MULTILINE)
    assert exposed is not None
    assert [int(port) for port in exposed.groups()] == [DEFAULTS["port"], DEFAULTS["metrics_port"]]
    assert SERVICES["server"]["ports"] == [f"{DEFAULTS['port']}:{DEFAULTS['port']}"]
    scraped = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())["scrape_configs"]
    server, consumer = scraped
    assert server["static_configs"] == [{"targets": [f"server:{DEFAULTS['metrics_port']}"]}]
    (found_by,) = consumer["dns_sd_configs"]
    assert (found_by["names"], found_by["port"]) == (["consumer"], DEFAULTS["metrics_port"])


def test_the_bus_is_there_only_where_it_is_asked_for():
    assert {name for name, service in SERVICES.items() if "profiles" in service} == {"kafka", "consumer"}
    (told,) = re.findall(r"ADRANKER_BUS_URL=(\S+)", (DEPLOY / "compose.yaml").read_text())
    bus = parse_bus(told)
    assert SERVICES["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"] == f"PLAINTEXT://{bus.brokers}"
    assert "[kafka]" in DOCKERFILE
    for name in ("server", "consumer"):
        assert OURS[name]["environment"]["ADRANKER_BUS_URL"] == "${ADRANKER_BUS_URL:-}"


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_it_waits_for_services_and_mounts_volumes_that_exist(name: str):
    service = SERVICES[name]
    waits = service.get("depends_on", [])
    assert set(waits) <= set(SERVICES)
    if isinstance(waits, dict):
        for other, how in waits.items():
            healthy = how["condition"] == "service_healthy"
            # The server's is the image's own.
            assert not healthy or "test" in SERVICES[other].get("healthcheck", {}) or other == "server"
    for volume in service.get("volumes", []):
        source = re.sub(r"\$\{\w+:\?[^}]*\}", "/set", volume).split(":")[0]
        assert source.startswith("/") or (DEPLOY / source).is_dir() or source in COMPOSITION["volumes"]


@pytest.mark.parametrize("name", sorted(OURS))
def test_our_own_services_can_change_nothing_but_the_home(name: str):
    service = OURS[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert [volume.rpartition(":")[2] for volume in service["volumes"]] == ["/home/adranker"]
    assert "HEALTHCHECK" in DOCKERFILE
    assert (service.get("healthcheck") == {"disable": True}) == (name != "server")
