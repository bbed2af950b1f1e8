"""Tokens and their scopes, without a server."""

from __future__ import annotations

import json

import pytest

from ranker.errors import ForbiddenError, InvalidInputError, UnauthenticatedError
from ranker.serving.access import Scope, TokenTable, add_token, digest, read_tokens

RANK, RELOAD = "/ads.ranker.v1.RankerService/Rank", "/ads.ranker.v1.AdminService/Reload"
REPORT = "/ads.ranker.v1.LearnerService/ReportOutcomes"
REFLECTION = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"


def bearer(token):
    return [("user-agent", "test"), ("authorization", f"Bearer {token}")]


def test_a_token_opens_what_its_scopes_say(tmp_path):
    path = tmp_path / "tokens.json"
    frontend = add_token(path, "frontend", [Scope.RANK, Scope.REPORT])
    operator = add_token(path, "operator", [Scope.ADMIN])
    table = TokenTable(path)
    table.check(RANK, bearer(frontend))
    table.check(REPORT, bearer(frontend))
    table.check(RELOAD, bearer(operator))
    table.check(REFLECTION, bearer(operator))
    for method in (RELOAD, REFLECTION):
        with pytest.raises(
            ForbiddenError, match="scope = 'admin': the token 'frontend' has only: rank, report"
        ):
            table.check(method, bearer(frontend))
    with pytest.raises(ForbiddenError, match="scope = 'rank'"):
        table.check(RANK, bearer(operator))


@pytest.mark.parametrize(
    "metadata", [[], [("authorization", "")], [("authorization", "Basic abc")], bearer("guess"), bearer("")]
)
def test_without_a_known_token_nothing_opens_and_nothing_is_repeated(tmp_path, metadata):
    add_token(tmp_path / "tokens.json", "frontend", [Scope.RANK])
    with pytest.raises(UnauthenticatedError) as refused:
        TokenTable(tmp_path / "tokens.json").check(RANK, metadata)
    assert "guess" not in str(refused.value)
    assert "abc" not in str(refused.value)


def test_the_file_holds_no_token_and_only_its_owner_reads_it(tmp_path):
    path = tmp_path / "tokens.json"
    token = add_token(path, "frontend", [Scope.RANK])
    assert token not in path.read_text()
    assert digest(token) in path.read_text()
    assert path.stat().st_mode & 0o077 == 0
    with pytest.raises(InvalidInputError, match="name = 'frontend': has a token already"):
        add_token(path, "frontend", [Scope.ADMIN])


def test_a_token_that_is_taken_out_opens_nothing_any_more(tmp_path):
    path = tmp_path / "tokens.json"
    token = add_token(path, "frontend", [Scope.RANK])
    table = TokenTable(path)
    table.poll()
    table.check(RANK, bearer(token))
    path.write_text("{")
    with pytest.raises(InvalidInputError, match="is not JSON"):
        table.poll()
    table.check(RANK, bearer(token))  # a file that is half written locks nobody out
    path.write_text("{}")
    table.poll()
    with pytest.raises(UnauthenticatedError):
        table.check(RANK, bearer(token))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "must be an object of tokens by name"),
        ({"a": 1}, r"tokens.a = 'int': must have sha256 and scopes"),
        ({"a": {"sha256": "0" * 64}}, r"tokens.a = \['sha256'\]: must have sha256 and scopes"),
        ({"a": {"sha256": "0" * 63, "scopes": ["rank"]}}, r"sha256 = '63 characters': must be 64 hex digits"),
        ({"a": {"sha256": "0" * 64, "scopes": ["root"]}}, r"tokens.a.scopes = 'root': must be one of rank"),
        ({"a": {"sha256": "0" * 64, "scopes": []}}, r"tokens.a.scopes = \[\]: must name some of rank"),
    ],
)
def test_a_wrong_file_is_refused_by_its_entry(tmp_path, content, message):
    path = tmp_path / "tokens.json"
    path.write_text(json.dumps(content))
    with pytest.raises(InvalidInputError, match=message):
        read_tokens(path)
