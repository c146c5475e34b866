"""Who opted out is blocked at the vendors as well: once, under a permit, whatever comes between."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from guardrails.clock import iso
from guardrails.errors import Failure, ServerUnavailable
from guardrails.ledger_rows import Status
from guardrails.model import Mode
from guardrails.permits import Bound, PermitCheck
from guardrails.store.people_tables import outcomes
from guardrails.store.write_tables import writes
from orchestrator.deliver_writes import Writer
from orchestrator.mcp_session import ToolFailed
from orchestrator.outcomes.protect import Protector
from servers.ghl.contract_form import WriteResult
from servers.ghl.contract_reads import ContactPlan
from servers.ghl.contract_writes import ContactFields
from tests.guardrails.authorize_samples import Write
from tests.orchestrator.outcomes.stage import Person, Stage


@dataclass
class Servers:
    """Guardrails' real leave; vendors that act only when the permit holds."""

    stage: Stage
    contact_id: str | None = "c-1"
    dnd: dict[str, str] = field(default_factory=dict)
    acts: list[tuple[str, str]] = field(default_factory=list)
    broken: dict[str, Exception] = field(default_factory=dict)

    async def call(self, server: str, spec: Any, args: Any) -> Any:
        if spec.name in self.broken:
            raise self.broken[spec.name]
        if spec.name == "authorize_write":
            asked = Write(args.key, args.intent, args.lead_id, args.run_id, args.decision_audit_id)
            return await self.stage.desk.authorizer.write(asked)
        if spec.name == "plan_contact":
            return ContactPlan(
                contact_id=self.contact_id, changes=ContactFields(), dnd=dict(self.dnd)
            )
        return await self._act(server, spec.name, args)

    async def _act(self, server: str, tool: str, args: Any) -> WriteResult:
        desk, intent = self.stage.desk, args.intent()
        bound = Bound.to(
            intent,
            args.key,
            desk.config.production.mode,
            desk.gate.policy_version,
            desk.hive.salt(),
        )
        check = PermitCheck(desk.hive, desk.store, desk.stop, desk.clock, server)
        permit = await check.verify_and_spend(
            args.permit,
            bound,
            also=lambda conn, permit: desk.ledger.dispatch(conn, args.key, permit),
        )
        await desk.store.run(
            lambda conn: desk.ledger.end(conn, args.key, "sent", permit_id=permit.jti)
        )
        self.acts.append((tool, intent.recipient))
        return WriteResult(status="sent", vendor_ref="x")


@pytest.fixture
def servers(stage: Stage) -> Servers:
    return Servers(stage)


def protector(stage: Stage, servers: Servers, mode: Mode = Mode.LIVE) -> Protector:
    desk = stage.desk
    writer = Writer(servers, desk.ledger, stage.store, stage.clock, permit_seconds=30)
    return Protector(stage.store, servers, writer, stage.clock, mode)


def run(one: Protector) -> int:
    return asyncio.run(one.run_once())


def test_dnd_where_the_crm_knows_them_and_a_block_each_once(
    stage: Stage, ana: Person, servers: Servers
) -> None:
    stage.instantly("lead_unsubscribed", ana)
    assert run(protector(stage, servers)) == 1
    assert servers.acts == [("set_dnd", "contact:c-1"), ("block_address", ana.email)]
    assert run(protector(stage, servers)) == 0  # by another queen, after a crash: the ledger knows
    stage.instantly("lead_unsubscribed", ana)  # told again
    assert run(protector(stage, servers)) == 0
    assert len(servers.acts) == 2


def test_those_who_cannot_be_protected_keep_nobody_from_it(
    stage: Stage, ana: Person, servers: Servers
) -> None:
    """However many were erased since, or rest because the CRM does not answer for them."""
    stage.instantly("lead_unsubscribed", ana)
    told = stage.outcome()
    earlier = iso(stage.clock() - timedelta(minutes=1))
    gone = [
        told | {"outcome_id": f"O-{n}", "lead_id": "L-erased", "created_at": earlier}
        for n in range(60)
    ]
    with stage.store.transaction() as conn:
        conn.execute(outcomes.insert(), gone)
    assert run(protector(stage, servers)) == 1
    bob = stage.wrote_to("bob@elm.example")
    asked = [told | {"outcome_id": f"O-{n}-rests", "created_at": earlier} for n in range(60)]
    with stage.store.transaction() as conn:
        conn.execute(outcomes.insert(), asked)
    stage.instantly("lead_unsubscribed", bob)
    servers.broken = {"plan_contact": ServerUnavailable("away")}
    one = protector(stage, servers)
    assert run(one) == 0
    servers.broken = {}
    assert run(one) > 0
    assert ("block_address", bob.email) in servers.acts


def test_what_is_blocked_in_the_crm_stays_so_and_nothing_is_written_there_twice(
    stage: Stage, ana: Person, servers: Servers
) -> None:
    servers.dnd = {"SMS": "permanent"}
    stage.instantly("email_bounced", ana)
    assert run(protector(stage, servers)) == 1
    servers.dnd = {"Email": "active"}
    stage.instantly("spam_complaint", ana)
    assert run(protector(stage, servers)) == 1
    assert [tool for tool, _ in servers.acts] == ["set_dnd", "block_address", "block_address"]


def test_whom_the_crm_does_not_know_is_blocked_at_instantly(
    stage: Stage, ana: Person, servers: Servers
) -> None:
    servers.contact_id = None
    stage.instantly("lead_unsubscribed", ana)
    run(protector(stage, servers))
    assert servers.acts == [("block_address", ana.email)]


def test_answers_strangers_and_old_wishes_are_no_wishes(
    stage: Stage, ana: Person, servers: Servers
) -> None:
    stage.instantly("lead_interested", ana)
    stage.instantly("lead_unsubscribed", "stranger@far.example")
    assert run(protector(stage, servers)) == 0
    stage.instantly("lead_unsubscribed", ana)
    stage.clock.step(days=8)
    assert run(protector(stage, servers)) == 0
    assert servers.acts == []


def test_in_shadow_nothing_is_asked_of_anybody(stage: Stage, ana: Person, servers: Servers) -> None:
    stage.instantly("lead_unsubscribed", ana)
    servers.broken = {name: AssertionError(name) for name in ("plan_contact", "authorize_write")}
    assert run(protector(stage, servers, Mode.SHADOW)) == 0


def test_a_vendor_that_is_away_is_asked_again_after_a_rest(
    stage: Stage, ana: Person, servers: Servers
) -> None:
    servers.broken["plan_contact"] = ServerUnavailable("ghl is down")
    stage.instantly("lead_unsubscribed", ana)
    one = protector(stage, servers)
    assert (run(one), run(one), servers.acts) == (0, 0, [])
    del servers.broken["plan_contact"]
    assert run(one) == 0  # it rests
    stage.clock.step(601)
    assert run(one) == 1


def test_a_stop_halts_it_and_it_goes_on_after_the_resume(
    stage: Stage, ana: Person, servers: Servers
) -> None:
    stage.instantly("lead_unsubscribed", ana)
    stopped = Failure(code="stopped", message="stopped", remedy="", retryable=False)
    servers.broken["authorize_write"] = ToolFailed(stopped)
    one = protector(stage, servers)
    assert run(one) == 0
    assert servers.acts == []
    del servers.broken["authorize_write"]
    stage.clock.step(601)
    assert run(one) == 1


def test_whose_address_was_erased_is_protected_by_our_own_list_alone(
    stage: Stage, ana: Person, servers: Servers
) -> None:
    stage.instantly("lead_unsubscribed", ana)
    with stage.store.transaction() as conn:
        conn.exec_driver_sql("UPDATE run_items SET lead = NULL")
    assert run(protector(stage, servers)) == 0


def test_no_address_stands_in_the_keys_of_the_ledger(
    stage: Stage, ana: Person, servers: Servers
) -> None:
    stage.instantly("lead_unsubscribed", ana)
    stage.clock.step(timedelta(minutes=1).total_seconds())
    run(protector(stage, servers))
    keys = {row["key"] for row in stage.rows(writes) if row["status"] == Status.SENT.value}
    assert {key.split(":")[0] for key in keys} == {"send", "block", "dnd"}
    assert not any("@" in key for key in keys)
