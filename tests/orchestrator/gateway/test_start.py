"""How the gateway starts: with its own variables alone, and never with half or public secrets."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from guardrails.config import load_config
from guardrails.errors import ConfigError
from guardrails.hive import Hive
from guardrails.store import open_store
from orchestrator.environment import Environment
from orchestrator.gateway.attach import attach
from orchestrator.gateway.ground import Options, configuration, opened, own_values
from orchestrator.gateway.main import opened_soon
from orchestrator.gateway.spawn import command, variables
from orchestrator.variables import VARIABLES
from servers.common import contract_sandbox

EVERYTHING = Environment({variable.name: f"value of {variable.name}" for variable in VARIABLES})
FOREIGN = (
    "GHL_PROD_API_KEY",
    "INSTANTLY_API_KEY",
    "CLAY_API_KEY",
    "RB2B_API_KEY",
    "SUPABASE_KEY",
    "SLACK_WEBHOOK_URL",
)


def test_its_process_gets_its_own_variables_and_no_vendors_key(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in FOREIGN:
        monkeypatch.setenv(name, f"value of {name}")
    given = variables(EVERYTHING)
    assert {"RB2B_WEBHOOK_SECRET", "SLACK_SIGNING_SECRET", "SWARM_DATABASE_URL"} <= set(given)
    assert not set(FOREIGN) & set(given)
    assert given["PATH"] == os.environ["PATH"]
    line = command(Options(Path("hive"), sandbox=True, port=0), as_json=True)
    assert not [word for word in line if "value of" in word]


@pytest.mark.parametrize("name", sorted(contract_sandbox.environment()))
def test_a_real_gateway_refuses_the_sandboxs_public_secrets(name: str) -> None:
    public = Environment({name: contract_sandbox.environment()[name]})
    with pytest.raises(ConfigError, match=name):
        own_values(public, sandbox=False)
    assert own_values(public, sandbox=True) == contract_sandbox.environment()


def test_without_keys_the_sandbox_has_all_doors_and_a_real_one_none() -> None:
    assert own_values(Environment({}), sandbox=True) == contract_sandbox.environment()
    assert own_values(Environment({}), sandbox=False) == {}


def test_a_bot_token_without_a_signing_secret_stops_the_start(tmp_path: Path) -> None:
    half = {
        "SLACK_BOT_TOKEN": "xoxb-1",
        "SLACK_CHANNEL_ID": "C1",
        "SLACK_APP_ID": "A1",
        "SLACK_TEAM_ID": "T1",
    }
    options = Options(tmp_path / "hive", sandbox=False)
    config = load_config()
    with (
        opened(options, config, Environment(half)) as ground,
        pytest.raises(ConfigError, match="SLACK_SIGNING_SECRET"),
    ):
        attach(ground, "http://127.0.0.1:9")
    with opened(options, config, Environment({})) as ground:
        assert attach(ground, "http://127.0.0.1:9").interactions is None


def test_host_and_port_of_the_command_line_win(tmp_path: Path) -> None:
    stated = configuration(Options(tmp_path, sandbox=True, host="::1", port=0)).production.gateway
    assert (stated.host, stated.port) == ("::1", 0)
    filed = configuration(Options(tmp_path, sandbox=True)).production.gateway
    assert (filed.host, filed.port) == ("127.0.0.1", 8080)


@pytest.mark.anyio
async def test_a_database_of_a_newer_version_is_not_touched(hive: Hive) -> None:
    store = open_store(hive)
    with store.transaction() as conn:
        conn.exec_driver_sql("INSERT INTO schema_version VALUES (9999)")
    with pytest.raises(ConfigError):
        await opened_soon(store)
    store.close()
