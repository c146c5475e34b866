"""The server starts while the database is away: what needs none works, the rest says so."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from mcp import Client
from sqlalchemy import Connection, text

from guardrails.errors import ConfigError, StoreUnavailable
from guardrails.hive import Hive
from guardrails.store import sqlite_engine
from orchestrator.mcp.late_store import LateStore
from orchestrator.mcp.parts import opened_parts, state_key
from orchestrator.mcp.service_insight import InsightService
from orchestrator.mcp.settings import OrchestratorSettings
from orchestrator.mcp.tools import build_server
from tests.orchestrator.mcp.house import call, failure
from tests.orchestrator.mcp.taking import people

pytestmark = pytest.mark.anyio


async def test_the_status_and_the_stop_are_there_without_the_database(tmp_path: Path) -> None:
    hive = Hive.open(tmp_path / "hive", sandbox=True)
    hive.database_file.mkdir()
    settings = OrchestratorSettings(hive=hive.path, sandbox=True)
    with opened_parts(settings) as parts:
        insight = InsightService(parts)
        async with Client(build_server(parts, insight, state_key(hive))) as client:
            status = await call(client, "get_status")
            assert "database" in status["unread"]
            assert status["stop"]["stopped"] is None
            told = await failure(client, "submit_leads", csv_text=people("ana"))
            assert (told["code"], told["retryable"]) == ("store_unavailable", True)
            stopped = await call(client, "stop_swarm", reason="a drill")
            assert (stopped["stopped"], stopped["everywhere"]) == (True, False)
            assert (await call(client, "get_status"))["stop"]["stopped"] is True
        insight.close()
    assert hive.stop_file.exists()


def late(folder: Path, admit: Any = None) -> LateStore:
    return LateStore(sqlite_engine(folder / "swarm.db"), admit)


def test_when_it_is_back_it_is_looked_at_once_and_before_anything_else(tmp_path: Path) -> None:
    there, seen = tmp_path / "there", list[str]()
    store = late(there, lambda _conn: seen.append("admitted"))
    for _ in range(2):
        with pytest.raises(StoreUnavailable), store.read():
            pass
    there.mkdir()

    def read() -> None:
        with store.read() as conn:
            seen.append(str(conn.execute(text("SELECT count(*) FROM runs")).scalar_one()))

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == ["admitted", "0", "0", "0", "0"]
    store.close()


def test_a_database_of_other_hives_is_never_used(tmp_path: Path) -> None:
    def admit(_conn: Connection) -> None:
        raise ConfigError("of hives with another salt")

    store = late(tmp_path, admit)
    for use in (store.read, store.transaction, store.read):
        with pytest.raises(ConfigError), use():
            pytest.fail("it was used")
    store.close()
