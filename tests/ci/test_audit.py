"""The audit step against a vulnerability service of the test's own."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

ROOT = Path(__file__).parents[2]
NOWHERE = "http://127.0.0.1:1/v1/query"
FLAW = {
    "id": "PYSEC-1",
    "modified": "2026-01-01T00:00:00Z",
    "summary": "a flaw",
    "affected": [
        {
            "package": {"name": "alembic", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "99.0"}]}],
        }
    ],
}

pytestmark = pytest.mark.skipif(
    not (ROOT / ".venv" / "bin" / "pip-audit").exists(), reason="pip-audit is not in the project's .venv"
)


@contextmanager
def service(vulnerable: str) -> Iterator[str]:
    """Answers as OSV does: one package has a flaw."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            found = {"vulns": [FLAW]} if asked["package"]["name"] == vulnerable else {}
            body = json.dumps(found).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/v1/query"
    server.shutdown()
    server.server_close()


def audit(url: str, *options: str) -> tuple[int, str]:
    command = [ROOT / ".ci" / "audit", *options, "--", "--vulnerability-service", "osv", "--osv-url", url]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=240)
    assert not ran.stderr
    return ran.returncode, ran.stdout


def test_what_is_audited_and_clean_passes():
    with service(vulnerable="") as url:
        code, told = audit(url, "--required")
    assert code == 0
    assert told.startswith("audited: ")
    assert "0 with known vulnerabilities" in told


def test_a_vulnerability_fails_and_is_told():
    with service(vulnerable="alembic") as url:
        code, told = audit(url)
    assert code == 1
    assert "alembic" in told
    assert "PYSEC-1, fixed in 99.0" in told


@pytest.mark.parametrize(("options", "expected"), [((), 0), (("--required",), 1)])
def test_without_its_service_nothing_counts_as_audited(options, expected):
    code, told = audit(NOWHERE, *options)
    assert code == expected
    assert told.startswith("NOT AUDITED: ")
