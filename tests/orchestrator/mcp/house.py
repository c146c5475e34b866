"""The Orchestrator-MCP over a real hive, audit and store, called in memory as a client calls it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal

import mcp_types as types
from mcp import Client
from mcp.server.lowlevel import Server

from guardrails.approval_model import Approval
from guardrails.audit import AuditLog
from guardrails.config import Config
from guardrails.hive import Hive
from guardrails.model import Mode
from guardrails.store import Store
from orchestrator.approvals.case import Cases
from orchestrator.mcp.parts import Parts, state_key
from orchestrator.mcp.service_insight import InsightService
from orchestrator.mcp.tools import build_server
from tests.conftest import SteppableClock
from tests.decision_samples import CONFIG
from tests.guardrails.approval_samples import Assisted, Waiting
from tests.guardrails.authorize_samples import in_mode
from tests.mcp.failures import failure_of
from tests.orchestrator.mcp.taking import bank_of

Era = Literal["auto", "legacy"]
Says = Callable[[types.ElicitRequestFormParams], types.ElicitResult]
ERAS: tuple[Era, ...] = ("auto", "legacy")  # 2026-07-28, and the handshake before it


def yes(by: str = "Ada", **more: Any) -> types.ElicitResult:
    """A person approves."""
    return types.ElicitResult(
        action="accept", content={"decision": "approve", "approver": by, **more}
    )


def no(reason: str | None = "tone", by: str = "Ada", words: str = "") -> types.ElicitResult:
    """A person rejects."""
    content = {"decision": "reject", "approver": by, "reason_code": reason, "words": words}
    return types.ElicitResult(action="accept", content=content)


def naming(*names: str) -> Config:
    """The repository's configuration, assisted, with these as approvers through MCP."""
    config = in_mode(Mode.ASSISTED)
    rules = config.production.approvals.model_copy(update={"mcp_approvers": names})
    production = config.production.model_copy(update={"approvals": rules})
    return config.model_copy(update={"production": production})


class House:
    """One hive with everything behind the tools. `asked` keeps the questions that were put."""

    def __init__(
        self, hive: Hive, store: Store, clock: SteppableClock, config: Config | None = None
    ) -> None:
        self.hive, self.store, self.clock = hive, store, clock
        self.audit = AuditLog(hive, store, clock)
        self.config = config or naming("Ada", "Ben")
        self.desk = Assisted(hive, store, clock, self.audit, bank_of(hive, clock), self.config)
        self.waiting = Waiting(self.desk)
        self.asked: list[types.ElicitRequestFormParams] = []
        self.parts = Parts(
            config=self.config,
            config_path=CONFIG,
            hive=hive,
            store=store,
            audit=self.audit,
            bank=self.desk.bank,
            approvals=self.waiting.approvals,
            cases=Cases(self.audit, store),
            clock=clock,
            database_url=None,
            now=clock,
        )
        self.insight = InsightService(self.parts)

    def close(self) -> None:
        """Close what was opened."""
        self.insight.close()
        self.audit.close()

    def server(self) -> Server[Any]:
        """A server of this hive; another call makes a replica."""
        return build_server(self.parts, self.insight, state_key(self.hive))

    @asynccontextmanager
    async def client(
        self, says: Says | types.ElicitResult | None = None, era: Era = "auto"
    ) -> AsyncIterator[Client]:
        """A client whose person answers so; without an answer it cannot ask anybody."""

        async def put(_ctx: Any, params: Any) -> types.ElicitResult:
            self.asked.append(params)
            assert says is not None
            return says(params) if callable(says) else says

        callback = put if says is not None else None
        async with Client(self.server(), mode=era, elicitation_callback=callback) as connected:
            yield connected

    def store_query(self, statement: Any) -> list[Any]:
        """What a statement finds."""
        with self.store.read() as conn:
            return list(conn.execute(statement).all())

    async def state(self, approval: Approval) -> str:
        """How an approval stands."""
        found = await self.waiting.approvals.get(approval.approval_id)
        assert found is not None
        return found.state.value


async def call(client: Client, name: str, **arguments: Any) -> dict[str, Any]:
    """What a tool answers."""
    result = await client.call_tool(name, arguments)
    assert not result.is_error, result.content
    assert result.structured_content is not None
    return result.structured_content


async def failure(client: Client, name: str, **arguments: Any) -> dict[str, Any]:
    """How a tool fails."""
    result = await client.call_tool(name, arguments)
    assert result.is_error
    found = failure_of(result)
    return found


def written(hive: Hive) -> str:
    """Everything in the audit."""
    return "".join(file.read_text() for file in sorted(Path(hive.audit_dir).glob("*.jsonl")))
