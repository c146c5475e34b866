"""P8, settings and logs: each server reads its own variables, and shows none of them."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import anyio
import pytest
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client
from pydantic import SecretStr

from guardrails.errors import ConfigError
from servers.common.settings import ServerSettings
from servers.enricher.settings import EnricherSettings
from servers.ghl.settings import GhlSettings
from servers.instantly.settings import InstantlySettings

pytestmark = pytest.mark.anyio
SETTINGS: tuple[type[ServerSettings], ...] = (GhlSettings, InstantlySettings, EnricherSettings)
KEYS = {
    "GHL_PROD_API_KEY": "pit-ghl-secret-0001",
    "GHL_LOCATION_ID": "loc-0001",
    "INSTANTLY_API_KEY": "inst-secret-0001",
    "CLAY_API_KEY": "clay-secret-0001",
    "RB2B_API_KEY": "rb2b-secret-0000000001",
    "SUPABASE_KEY": "supabase-secret-0001",
    "SLACK_BOT_TOKEN": "xoxb-secret-0001",
}


def own_variables(settings: type[ServerSettings]) -> set[str]:
    shared = set(ServerSettings.model_fields)
    return {
        str(field.validation_alias)
        for name, field in settings.model_fields.items()
        if name not in shared
    }


def test_no_variable_belongs_to_two_servers() -> None:
    seen: set[str] = set()
    for settings in SETTINGS:
        own = own_variables(settings)
        assert own
        assert seen.isdisjoint(own)
        seen |= own
    assert {"GHL_PROD_API_KEY", "INSTANTLY_API_KEY", "CLAY_API_KEY", "RB2B_API_KEY"} <= seen


@pytest.mark.parametrize("settings", SETTINGS)
def test_settings_hold_no_other_servers_key_and_print_none(
    settings: type[ServerSettings], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    read = settings()
    secrets = [value for value in KEYS.values() if "secret" in value]
    shown = repr(read) + str(read) + read.model_dump_json() + repr(vars(read))
    assert not any(secret in shown for secret in secrets)
    held = {
        value.get_secret_value() for value in vars(read).values() if isinstance(value, SecretStr)
    }
    assert held == {
        KEYS[name] for name in own_variables(settings) if "secret" in KEYS.get(name, "")
    }


@pytest.mark.parametrize("variable", ["GHL_PROD_API_KEY", "GHL_LOCATION_ID", "INSTANTLY_API_KEY",
                                      "CLAY_API_KEY"])  # fmt: skip
@pytest.mark.parametrize("value", [None, "", "  "])
def test_a_missing_key_is_named_with_what_it_is_for(
    variable: str, value: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, known in KEYS.items():
        monkeypatch.setenv(name, known)
    if value is None:
        monkeypatch.delenv(variable)
    else:
        monkeypatch.setenv(variable, value)
    readers = {
        "GHL_PROD_API_KEY": lambda: GhlSettings().key(),
        "GHL_LOCATION_ID": lambda: GhlSettings().location(),
        "INSTANTLY_API_KEY": lambda: InstantlySettings().key(),
        "CLAY_API_KEY": lambda: EnricherSettings().clay_keys(),
    }
    with pytest.raises(ConfigError, match=f"{variable} is not set; it is needed to") as caught:
        readers[variable]()
    assert "Put it in .env" in caught.value.remedy
    assert not any(known in str(caught.value) for known in KEYS.values())


def test_rb2b_is_recommended_and_not_required(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RB2B_API_KEY", raising=False)
    assert EnricherSettings().rb2b_keys() is None


@pytest.mark.parametrize(
    ("stated", "header"), [(None, "clay-api-key"), ("bearer", "Authorization")]
)
def test_clays_header_can_be_switched(
    stated: str | None, header: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLAY_API_KEY", "k-1")
    if stated:
        monkeypatch.setenv("CLAY_AUTH_HEADER", stated)
    assert list(EnricherSettings().clay_keys()) == [header]


@pytest.mark.processes
def test_a_server_without_its_key_does_not_start_and_names_it(tmp_path: Path) -> None:
    env = {"PATH": os.environ["PATH"], **KEYS, "HIVE_MIND_DIR": str(tmp_path / "hive")}
    del env["CLAY_API_KEY"]
    ended = subprocess.run(
        [sys.executable, "-P", "-m", "servers.enricher"],
        env=env,
        capture_output=True,
        text=True,
        timeout=60,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "CLAY_API_KEY is not set; it is needed to" in ended.stderr
    assert not any(secret in ended.stderr for secret in KEYS.values())
    assert not (tmp_path / "hive").exists()


def test_a_malformed_key_is_refused_without_being_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GHL_PROD_API_KEY", "pit secret\twith spaces")
    with pytest.raises(ConfigError, match="GHL_PROD_API_KEY") as caught:
        GhlSettings().key()
    assert "pit secret" not in str(caught.value)


@pytest.mark.processes
async def test_neither_answers_nor_logs_of_a_real_server_hold_key_or_body(tmp_path: Path) -> None:
    """The vendor misbehaves: it sends the key, the address and a mail back in its error."""
    seen: list[bytes] = []
    key = KEYS["GHL_PROD_API_KEY"]
    mail = "Dear Ana, this is a whole e-mail that nobody should find in a log"

    async def vendor(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readuntil(b"\r\n\r\n"))
        echo = {"message": f"bad token {key} for ana@firm.example", "html": mail, "headers": key}
        body = json.dumps(echo).encode()
        head = f"HTTP/1.1 401 Unauthorized\r\ncontent-length: {len(body)}\r\n"
        writer.write(f"{head}content-type: application/json\r\n\r\n".encode() + body)
        writer.close()

    server = await asyncio.start_server(vendor, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    env = {
        "GHL_PROD_API_KEY": key,
        "GHL_LOCATION_ID": "loc-0001",
        "GHL_BASE_URL": f"http://127.0.0.1:{port}",
        "HIVE_MIND_DIR": str(tmp_path),
        "SWARM_SANDBOX": "1",
    }
    command = StdioServerParameters(
        command=sys.executable, args=["-P", "-m", "servers.ghl"], env=env
    )
    async with server:
        with (tmp_path / "stderr").open("w") as stderr, anyio.fail_after(60):
            async with Client(stdio_client(command, errlog=stderr)) as client:
                answer = await client.call_tool("look_up_lead", {"email": "ana@firm.example"})
    assert f"Bearer {key}".encode() in seen[0]  # the key was used
    assert answer.is_error
    shown = answer.model_dump_json() + (tmp_path / "stderr").read_text()
    assert "HTTP 401" in shown
    assert "tool_failed" in shown
    for secret in (key, mail, "Dear Ana", "ana@firm.example"):
        assert secret not in shown


def test_a_crash_is_logged_without_the_local_variables_that_hold_keys_and_mails() -> None:
    program = """
import structlog
from servers.common.main import configure_logging
configure_logging()
def crash():
    key, body = "pit-ghl-secret-" + "0001", "Dear Ana, a whole e-mail"
    raise RuntimeError("boom")
try:
    crash()
except RuntimeError:
    structlog.get_logger("x").exception("tool_crashed")
"""
    ended = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    logged = json.loads(ended.stderr)
    assert logged["event"] == "tool_crashed"
    assert logged["exception"][0]["exc_value"] == "boom"
    assert "secret" not in ended.stderr
    assert "Dear Ana" not in ended.stderr
