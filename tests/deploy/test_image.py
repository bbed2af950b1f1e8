"""The image and the composition, as far as they can be checked without building them."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

from typer.testing import CliRunner

from ranker.cli import app
from ranker.serving.settings import ServerSettings
from tests.integration.conftest import home, server, settings, trained  # noqa: F401 (fixtures)

DEPLOY = Path(__file__).parents[2] / "deploy"


def test_the_dockerfile_has_no_faults():
    ran = subprocess.run(
        [str(Path(sys.executable).with_name("hadolint")), str(DEPLOY / "Dockerfile")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout


def test_the_image_runs_what_exists():
    text = (DEPLOY / "Dockerfile").read_text()
    known = {f"ADRANKER_{field.name.upper()}" for field in fields(ServerSettings)}
    assert set(re.findall(r"ADRANKER_[A-Z_]+(?==)", text)) <= known
    assert re.search(r"^USER 10001$", text, re.MULTILINE)
    for command in ("serve", "health", "warm-up"):
        assert command in text
        assert CliRunner().invoke(app, [command, "--help"]).exit_code == 0
    assert 'CMD ["serve"]' in text
    assert str(ServerSettings.__dataclass_fields__["port"].default) in text


def test_health_tells_by_its_exit_code(server):  # noqa: F811 (fixture)
    told = CliRunner().invoke(app, ["health", "--address", server.address])
    assert (told.exit_code, told.stdout) == (0, "SERVING\n")
    told = CliRunner().invoke(app, ["health", "--address", "127.0.0.1:1", "--json"])
    assert (told.exit_code, told.stdout) == (1, '{"status": "UNREACHABLE"}\n')
