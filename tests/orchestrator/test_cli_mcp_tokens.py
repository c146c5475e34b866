"""`swarm mcp token`: what counts at once, and what is said when the record cannot be written."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner, Result

from guardrails.clock import utc_now
from guardrails.hive import Hive
from guardrails.mcp_token_model import Scope
from guardrails.mcp_tokens import Tokens
from orchestrator.cli import app

NOWHERE = "postgresql://nobody@/none?host=/nowhere"


@pytest.fixture
def tokens(hive: Hive) -> Tokens:
    return Tokens(hive, utc_now)


def swarm(hive: Hive, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["mcp", "token", *arguments, "--hive", str(hive.path), "--json"])


def test_without_the_database_a_token_is_revoked_and_it_is_said_what_is_missing(
    hive: Hive, tokens: Tokens, monkeypatch: pytest.MonkeyPatch
) -> None:
    text, _ = tokens.create("desk", Scope.READ, None)
    monkeypatch.setenv("SWARM_DATABASE_URL", NOWHERE)
    done = swarm(hive, "revoke", "desk")
    told = json.loads(done.stdout)["error"]
    assert (done.exit_code, told["code"]) == (1, "store_unavailable")
    assert told["message"].startswith("desk is revoked, but not on the record")
    assert tokens.holder(text) is None


def test_without_the_database_no_token_is_made(
    hive: Hive, tokens: Tokens, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SWARM_DATABASE_URL", NOWHERE)
    assert swarm(hive, "create", "--name", "desk", "--scope", "read").exit_code == 1
    assert tokens.listed() == ()
