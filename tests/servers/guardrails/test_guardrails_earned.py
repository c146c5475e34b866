"""The guardrails process, started by anybody with a configuration that says live."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from guardrails.audit import AuditLog
from guardrails.clock import utc_now
from guardrails.config import load_config
from guardrails.explain import explain
from guardrails.hive import Hive
from guardrails.model import Mode
from guardrails.readiness_record import Registrar
from guardrails.store import open_store
from orchestrator.mcp_session import Session
from orchestrator.processes import ServerSpec
from servers.guardrails.contract import GET_STATUS, GetStatus
from tests.decision_samples import CONFIG

pytestmark = [pytest.mark.anyio, pytest.mark.processes]


async def mode_of(hive: Path, config: Path, log: Path) -> Mode:
    """What a real process says of its mode, whoever asks it for more."""
    env = {"HIVE_MIND_DIR": str(hive), "SWARM_CONFIG": str(config), "SWARM_MODE": "live",
           "SWARM_SANDBOX": "0", "PYTHONPATH": str(CONFIG.parent)}  # fmt: skip
    session = await Session.start(ServerSpec("guardrails", env), log_file=log, timeout_s=60)
    try:
        return (await session.call(GET_STATUS, GetStatus(), 60)).mode
    finally:
        await session.close()


async def test_it_works_in_shadow_until_this_hive_has_earned_more(tmp_path: Path) -> None:
    path, config, log = tmp_path / "hive", tmp_path / "production.json", tmp_path / "log"
    said = load_config().production.model_dump(mode="json") | {"mode": "live"}
    config.write_text(json.dumps(said))
    hive = Hive.open(path, sandbox=False)
    store = open_store(hive)
    assert await mode_of(path, config, log) is Mode.SHADOW
    assert "never earned here" in await asyncio.to_thread(log.read_text)  # and says so

    audit = AuditLog(hive, store, utc_now)
    registrar = Registrar(hive, audit, load_config(config), utc_now)
    held, _ = await registrar.state("earned", Mode.ASSISTED, {"spf": "ok"}, "person:ops")
    told = explain(audit.find(held.audit_id) or {})
    audit.close()
    store.close()
    assert "Mode assisted earned by person:ops" in told
    assert await mode_of(path, config, log) is Mode.ASSISTED
