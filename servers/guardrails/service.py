"""What the guardrails server does, over the gate. No MCP here.

Owns: the translation between the contract and the core. Decides nothing itself.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from typing import Any

import structlog

from guardrails.audit import AuditLog
from guardrails.authorize import Authorizer
from guardrails.bank import Bank, Pattern
from guardrails.brakes.stop import UNKNOWN_EPOCH, StopSwitch
from guardrails.clock import parse
from guardrails.config import Config
from guardrails.errors import SwarmError
from guardrails.explain import explain
from guardrails.gate import Gate
from guardrails.hive import Hive
from guardrails.model import Decision, LeadState
from guardrails.policy import PolicyDocument
from guardrails.replay import find_decision, replay
from guardrails.store import Store
from servers.guardrails.contract import (
    Authorization,
    AuthorizeSend,
    AuthorizeWrite,
    BankConsulted,
    ConsultBank,
    ExplainDecision,
    Explanation,
    GetStatus,
    Recorded,
    RecordedRow,
    RecordIntake,
    Replay,
    ReplayDecision,
    ReviewLead,
    Status,
)

log = structlog.get_logger(__name__)
UNREADABLE = "unreadable"


class GuardrailsService:
    """The tools' behaviour. All arguments and results are the contract's."""

    def __init__(
        self,
        config: Config,
        hive: Hive,
        store: Store,
        audit: AuditLog,
        bank: Bank,
        stop: StopSwitch,
        gate: Gate,
        authorizer: Authorizer,
    ) -> None:
        self._config = config
        self._hive = hive
        self._store = store
        self._audit = audit
        self._bank = bank
        self._stop = stop
        self._gate = gate
        self._authorizer = authorizer

    async def review_lead(self, args: ReviewLead) -> Decision:
        """Decide, on record first. Raises what `Gate.review` raises."""
        decision = await self._gate.review(args)
        log.info(
            "decided", decision_id=decision.decision_id, audit_id=decision.audit_id,
            state=decision.state, lead_id=decision.lead_id, run_id=args.run_id,
        )  # fmt: skip
        return decision

    async def authorize_send(self, args: AuthorizeSend) -> Authorization:
        """Leave to send, on record first. Raises what `Authorizer.send` raises."""
        given = await self._authorizer.send(args)
        _log_answer(given, decision=args.decision_audit_id)
        return given

    async def authorize_write(self, args: AuthorizeWrite) -> Authorization:
        """Leave to write, on record first. Raises what `Authorizer.write` raises."""
        given = await self._authorizer.write(args)
        _log_answer(given, decision=None)
        return given

    async def record_intake(self, args: RecordIntake) -> Recorded:
        """Put rejected rows on record."""
        placed = await self._gate.record_intake(args.run_id, args.rows)
        return Recorded(
            rows=tuple(RecordedRow(row=row, audit_id=ref.audit_id) for row, ref in placed)
        )

    async def consult_bank(self, args: ConsultBank) -> BankConsulted:
        """Ask the bank. Raises BankUnreadable."""
        pattern = Pattern(
            lead_id=args.lead_id or None,
            scope=args.scope,
            template_hash=args.template_hash or None,
            features=args.features,
        )
        return BankConsulted(answer=self._bank.consult(pattern))

    async def explain_decision(self, args: ExplainDecision) -> Explanation:
        """Tell a record. Raises NotFound, AuditBroken."""
        record, newest = await asyncio.to_thread(find_decision, self._audit, args.id)
        body = record["body"]
        return Explanation(
            audit_id=record["audit_id"],
            at=parse(record["at"]),
            kind=record["kind"],
            lead_id=record["lead_id"],
            run_id=record["run_id"],
            state=LeadState(body["state"]) if "state" in body else None,
            verdict=body.get("verdict"),
            text=explain(record, newest),
            record=record,
        )

    async def replay_decision(self, args: ReplayDecision) -> Replay:
        """Derive a verdict again. Raises NotFound, BadInput, AuditBroken."""
        found = await asyncio.to_thread(replay, self._audit, self._store, args.id)
        return Replay(
            audit_id=found.audit_id,
            recorded=found.recorded,
            replayed=found.replayed,
            same=found.same,
            differences=found.differences,
        )

    async def get_status(self, _args: GetStatus) -> Status:
        """Whether decisions can be made; names what cannot be read."""
        return await asyncio.to_thread(self._status)

    async def read_bank(self) -> str:
        """The whole bank as JSON. Raises BankUnreadable."""
        return await asyncio.to_thread(self._bank_text)

    async def read_policy(self) -> str:
        """The policy in force, with its version, as JSON."""
        document = PolicyDocument.of(self._config).model_dump(mode="json")
        return json.dumps({"policy_version": self._gate.policy_version, **document}, indent=2)

    def _status(self) -> Status:
        problems: list[str] = []
        stop = self._stop.state()
        if stop.epoch == UNKNOWN_EPOCH:
            problems.append(f"stop: {stop.reason}")
        version = _read("bank", lambda: self._bank.version, problems)
        size = _read("bank", lambda: self._bank.size, problems)
        head = _read("audit", self._audit.head, problems)
        if not os.access(self._hive.audit_dir, os.W_OK):
            problems.append("audit: its directory cannot be written")
        return Status(
            mode=self._config.production.mode,
            sandbox=self._hive.sandbox,
            stopped=stop.stopped,
            stop_reason=stop.reason,
            policy_version=self._gate.policy_version,
            bank_version=version or UNREADABLE,
            bank_items=size or 0,
            audit_records=head.seq if head else 0,
            audit_head=head.hash if head and head.seq else None,
            deciding=not problems,
            problems=tuple(dict.fromkeys(problems)),
        )

    def _bank_text(self) -> str:
        items = [item.model_dump(mode="json") for item in self._bank.items()]
        return json.dumps({"version": self._bank.version, "items": items}, ensure_ascii=False)


def _read(what: str, reader: Callable[[], Any], problems: list[str]) -> Any:
    try:
        return reader()
    except SwarmError as error:
        problems.append(f"{what}: {error.message}")
        return None


def _log_answer(given: Authorization, decision: str | None) -> None:
    log.info(
        "authorized" if given.permit else "not_authorized", decision=decision, key=given.key,
        verdict=given.verdict, audit_id=given.audit_id,
        reasons=[reason.code for reason in given.reasons],
    )  # fmt: skip
