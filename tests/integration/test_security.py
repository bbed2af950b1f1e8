"""TLS, client certificates and tokens, on real servers."""

from __future__ import annotations

import json
import logging
import os
import signal
import time
from contextlib import contextmanager, nullcontext

import grpc
import pytest
import trustme
from grpc_health.v1 import health_pb2, health_pb2_grpc
from prometheus_client import generate_latest
from typer.testing import CliRunner

from ranker.cli import app
from ranker.client import RankerClient
from ranker.connection import Security, connect, read_security
from ranker.errors import ForbiddenError, InvalidInputError, StateError, UnauthenticatedError
from ranker.events.postgres import migrate
from ranker.serving.access import Scope, add_token, digest, read_tokens
from ranker.serving.server import Server
from tests.integration.conftest import serving, settings


def write_certificate(ca, folder, name):
    """Writes certificate and key for localhost; returns the settings' fields for them."""
    issued = ca.issue_cert("localhost", "127.0.0.1")
    certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
    certificate.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    key.write_bytes(issued.private_key_pem.bytes())
    return certificate, key


@pytest.fixture
def ca(tmp_path):
    made = trustme.CA()
    made.cert_pem.write_to_path(tmp_path / "ca.pem")
    return made


@pytest.fixture
def tls(ca, tmp_path):
    certificate, key = write_certificate(ca, tmp_path, "server")
    return {"tls_certificate": certificate, "tls_key": key}


@contextmanager
def running(home, **changes):
    server = Server(settings(home, **changes))
    server.start()
    try:
        yield server
    finally:
        server.close()


def test_a_server_with_a_certificate_answers_over_tls_alone(home, tls, tmp_path, make_request):
    with running(home, **tls) as server:
        with RankerClient(server.address, security=Security(tmp_path / "ca.pem")) as client:
            assert client.rank(make_request()).decision_id == "r1"
        with RankerClient(server.address) as plain, pytest.raises(StateError, match="cannot be reached"):
            plain.versions()
        stranger = trustme.CA()
        stranger.cert_pem.write_to_path(tmp_path / "other.pem")
        with (
            RankerClient(server.address, security=Security(tmp_path / "other.pem")) as doubting,
            pytest.raises(StateError, match="cannot be reached"),
        ):
            doubting.versions()


def test_a_certificate_is_renewed_without_a_restart(home, tls, tmp_path):
    with running(home, **tls) as server:
        new = trustme.CA()
        new.cert_pem.write_to_path(tmp_path / "new.pem")
        write_certificate(new, tmp_path, "server")
        with RankerClient(server.address, security=Security(tmp_path / "new.pem")) as client:
            assert client.versions()["models"]


def test_callers_show_a_certificate_where_one_is_asked_for(home, ca, tls, tmp_path):
    certificate, key = write_certificate(ca, tmp_path, "caller")
    with running(home, **tls, tls_client_ca=tmp_path / "ca.pem") as server:
        with RankerClient(server.address, security=Security(tmp_path / "ca.pem", certificate, key)) as client:
            assert client.versions()["models"]
        with (
            RankerClient(server.address, security=Security(tmp_path / "ca.pem")) as nobody,
            pytest.raises(StateError, match="cannot be reached"),
        ):
            nobody.versions()


def test_tokens_open_what_their_scopes_say(home, tls, tmp_path, make_request):
    def holder(name, *scopes):
        path = tmp_path / name
        path.write_text(add_token(tmp_path / "tokens.json", name, scopes) + "\n")
        return Security(tmp_path / "ca.pem", token_file=path)

    frontend, operator = holder("frontend", Scope.RANK), holder("operator", Scope.ADMIN)
    with running(home, **tls, tokens=tmp_path / "tokens.json", reload_seconds=0.05) as server:
        with RankerClient(server.address, security=frontend) as client:
            assert client.rank(make_request()).decision_id == "r1"
            with pytest.raises(ForbiddenError, match="'frontend' has only: rank"):
                client.reload()
            with pytest.raises(ForbiddenError, match="scope = 'report'"):
                client.report([])
        with RankerClient(server.address, security=operator) as client:
            assert client.reload()["models"]
        anonymous = Security(tmp_path / "ca.pem")
        with (
            RankerClient(server.address, security=anonymous) as client,
            pytest.raises(UnauthenticatedError, match="must be 'Bearer <token>'"),
        ):
            client.rank(make_request())
        with connect(server.address, anonymous) as channel:  # a load balancer has no token
            answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())
            assert answer.status == health_pb2.HealthCheckResponse.SERVING
        metrics = generate_latest(server.parts.metrics.registry).decode()
        assert 'adranker_rpc_refused_total{code="PERMISSION_DENIED"} 2.0' in metrics
        assert 'adranker_rpc_refused_total{code="UNAUTHENTICATED"} 1.0' in metrics

        (tmp_path / "tokens.json").write_text("{}")
        deadline = time.monotonic() + 10
        with RankerClient(server.address, security=frontend) as client:
            while time.monotonic() < deadline:
                try:
                    client.rank(make_request())
                except UnauthenticatedError:
                    break
                time.sleep(0.05)
            else:
                pytest.fail("a revoked token still opens")


@pytest.mark.parametrize("shape", ["{token}", {"sha256": "{token}", "scopes": ["rank"]}])
def test_a_token_pasted_into_the_file_is_not_repeated(tmp_path, shape):
    pasted = "pasted-secret-0123456789"
    text = json.dumps({"frontend": shape}).replace("{token}", pasted)
    (tmp_path / "tokens.json").write_text(text)
    with pytest.raises(InvalidInputError, match=r"tokens\.frontend") as raised:
        read_tokens(tmp_path / "tokens.json")
    assert pasted not in str(raised.value)


def test_no_secret_is_logged_told_or_measured(home, tls, tmp_path, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    tokens = tmp_path / "tokens.json"
    good, bad, pasted = add_token(tokens, "frontend", [Scope.RANK]), "unknown-secret", "pasted-secret"
    told = []
    with running(home, **tls, tokens=tokens, reload_seconds=0.05) as server:
        for secret, do in ((good, RankerClient.reload), (bad, RankerClient.versions)):
            (tmp_path / "token").write_text(secret)
            access = Security(tmp_path / "ca.pem", token_file=tmp_path / "token")
            with RankerClient(server.address, security=access) as client:
                with pytest.raises((ForbiddenError, UnauthenticatedError)) as refused:
                    do(client)
                told.append(str(refused.value))
        tokens.write_text(json.dumps({"frontend": pasted}))
        deadline = time.monotonic() + 10
        while "tokens.frontend" not in caplog.text:
            assert time.monotonic() < deadline, "the broken file is not reported"
            time.sleep(0.02)
        told.append(generate_latest(server.parts.metrics.registry).decode())
    key = (home / "draw.key").read_bytes()
    private = tls["tls_key"].read_text().splitlines()[1]
    everything = "\n".join([caplog.text, *capfd.readouterr(), *told])
    for secret in (good, bad, pasted, digest(good), key.hex(), repr(key)[2:-1], private):
        assert secret not in everything


def test_a_server_that_logs_everything_logs_no_secret(home, tls, empty_url, tmp_path, make_request):
    password, tokens = "hunter2-of-the-database", tmp_path / "tokens.json"
    url = empty_url.replace("postgres@", f"postgres:{password}@", 1)
    migrate(url)
    good, bad = add_token(tokens, "frontend", list(Scope)), "unknown-secret-0123456789"
    environment = {
        **os.environ,
        "ADRANKER_EVENTS_URL": url,
        "ADRANKER_TLS_CERTIFICATE": str(tls["tls_certificate"]),
        "ADRANKER_TLS_KEY": str(tls["tls_key"]),
        "ADRANKER_TOKENS": str(tokens),
        "ADRANKER_RELOAD_SECONDS": "0.1",
    }
    options = ["--with-learner", "--log-format", "json", "--log-level", "debug"]
    log = tmp_path / "log"
    with log.open("w") as file, serving(home, *options, stderr=file, env=environment) as server:
        for secret, error in ((good, None), (bad, UnauthenticatedError)):
            (tmp_path / "token").write_text(secret)
            access = Security(tmp_path / "ca.pem", token_file=tmp_path / "token")
            with RankerClient(server.address, security=access) as client:
                for i in range(3):
                    with nullcontext() if error is None else pytest.raises(error):
                        client.rank(make_request(f"r{i}"))
                        client.versions()
        tokens.write_text("{")  # and what is logged of a broken file
        deadline = time.monotonic() + 30
        while "tokens" not in log.read_text():
            assert time.monotonic() < deadline, "the broken file is not reported"
            time.sleep(0.05)
        assert server.signal(signal.SIGTERM) == 0
    nowhere = f"postgresql://me:{password}@127.0.0.1:1/events"  # nobody listens there
    with pytest.raises(StateError, match="events_url") as failed:
        Server(settings(home, events_url=nowhere))
    everything = log.read_text() + str(failed.value)
    assert everything.count('"message": "decided"') == 3
    private = tls["tls_key"].read_text().splitlines()[1]
    for secret in (password, good, bad, digest(good), private, (home / "draw.key").read_bytes().hex()):
        assert secret not in everything


def test_the_commands_make_and_use_tokens(home, tls, tmp_path):
    made = CliRunner().invoke(
        app, ["token", "operator", "--scope", "admin", "--file", str(tmp_path / "tokens.json")]
    )
    assert made.exit_code == 0, made.output
    (tmp_path / "token").write_text(made.stdout)
    (tmp_path / "security.toml").write_text('root_certificates = "ca.pem"\ntoken_file = "token"\n')
    with running(home, **tls, tokens=tmp_path / "tokens.json") as server:
        arguments = ["versions", "--address", server.address, "--security", str(tmp_path / "security.toml")]
        told = CliRunner().invoke(app, arguments)
    assert told.exit_code == 0, told.output
    assert '"models"' in told.stdout


def test_without_the_flag_there_is_no_admin_service(home):
    with (
        running(home, admin=False) as server,
        RankerClient(server.address) as client,
        pytest.raises(grpc.RpcError) as refused,
    ):
        client.versions()
    assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tls_certificate": "a.pem"}, "tls_key = 'None': certificate and key come together"),
        ({"tokens": "t.json"}, "tokens = 't.json': needs tls_certificate"),
        ({"tls_client_ca": "ca.pem"}, "tls_client_ca = 'ca.pem': needs tls_certificate"),
    ],
)
def test_half_of_a_protection_is_refused(home, changes, message):
    with pytest.raises(InvalidInputError, match=message):
        settings(home, **changes)


def test_files_that_are_no_certificates_are_named(home, tmp_path):
    (tmp_path / "x.pem").write_text("nothing")
    files = {"tls_certificate": tmp_path / "x.pem", "tls_key": tmp_path / "none.key"}
    with pytest.raises(InvalidInputError, match=r"tls_key = '.*none.key': cannot be read: No such file"):
        Server(settings(home, **files))
    with pytest.raises(InvalidInputError, match=r"tls_certificate = '.*x.pem': is not a PEM file"):
        Server(settings(home, **(files | {"tls_key": write_key(tmp_path)})))


def write_key(folder):
    _, key = write_certificate(trustme.CA(), folder, "any")
    return key


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("token = 'x'", r"security.token = 'x': must be a path; known are \['certificate', 'key'"),
        ("key = 3", "security.key = 3: must be a path"),
        ("key = 'x'", "certificate and key come together"),
        ("=", "is not TOML"),
    ],
)
def test_a_wrong_security_file_is_named(tmp_path, content, message):
    (tmp_path / "security.toml").write_text(content)
    with pytest.raises(InvalidInputError, match=message):
        read_security(tmp_path / "security.toml")
