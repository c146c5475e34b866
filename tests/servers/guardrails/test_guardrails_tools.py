"""The guardrails server in memory: descriptions, refusals, structured failures, resources."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from mcp import Client, MCPError

from guardrails.approvers import ApproverList
from guardrails.audit import AuditLog
from guardrails.authorize import Authorizer
from guardrails.brakes.stop import StopSwitch
from guardrails.gate import Gate
from guardrails.hive import Hive
from guardrails.ledger import Ledger
from guardrails.model import Mode, OutreachView
from guardrails.store import Store
from servers.guardrails.contract import (
    TOOLS,
    AuthorizeSend,
    AuthorizeWrite,
    ReviewLead,
    send_key,
)
from servers.guardrails.service import GuardrailsService
from servers.guardrails.tools import build_server
from tests.conftest import SteppableClock
from tests.decision_samples import DOSSIER, DRAFT, QUALIFICATION, SENDER, dossier, new_bank
from tests.guardrails.authorize_samples import KNOWN, conversation, in_mode, note
from tests.mcp.failures import failure_of

pytestmark = pytest.mark.anyio


@pytest.fixture
def mode() -> Mode:
    """Of the server; a test may ask for another one."""
    return Mode.SHADOW


@pytest.fixture
def service(
    hive: Hive, sqlite_store: Store, clock: SteppableClock, mode: Mode
) -> Iterator[GuardrailsService]:
    config = in_mode(mode)
    audit = AuditLog(hive, sqlite_store, clock)
    bank, stop = new_bank(hive, clock), StopSwitch(hive, sqlite_store)
    gate = Gate(config, hive, sqlite_store, audit, bank, stop, clock, sender=SENDER)
    ledger = Ledger.of(config.production, sqlite_store, clock, hive.salt())
    authorizer = Authorizer(
        config,
        hive,
        sqlite_store,
        audit,
        bank,
        stop,
        clock,
        ledger,
        sender=SENDER,
        approvers=ApproverList(()),
    )
    yield GuardrailsService(config, hive, sqlite_store, audit, bank, stop, gate, authorizer)
    audit.close()


@pytest.fixture
async def client(service: GuardrailsService) -> AsyncIterator[Client]:
    async with Client(build_server(service)) as connected:
        yield connected


def review(**changes: Any) -> dict[str, Any]:
    """Arguments of review_lead as they travel."""
    fields: dict[str, Any] = {
        "run_id": "run-1",
        "dossier": DOSSIER,
        "qualification": QUALIFICATION,
        "draft": DRAFT,
    }
    return ReviewLead(**{**fields, **changes}).model_dump(mode="json")


async def call(client: Client, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    result = await client.call_tool(name, arguments)
    assert not result.is_error, result.content
    assert result.structured_content is not None
    return result.structured_content


async def failure(client: Client, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    result = await client.call_tool(name, arguments)
    return failure_of(result)


async def test_every_tool_and_every_argument_is_described(client: Client) -> None:
    listed = {tool.name: tool for tool in (await client.list_tools()).tools}
    assert set(listed) == {spec.name for spec in TOOLS}
    for tool in listed.values():
        assert tool.description
        assert tool.annotations is not None
        assert tool.annotations.destructive_hint is False
        for name, argument in tool.input_schema.get("properties", {}).items():
            assert argument.get("description"), f"{tool.name}.{name}"


async def test_a_review_is_decided_explained_and_replayed(client: Client) -> None:
    decision = await call(client, "review_lead", review())
    assert (decision["verdict"], decision["state"]) == ("pass", "shadow_logged")
    told = await call(client, "explain_decision", {"id": decision["decision_id"]})
    assert told["audit_id"] == decision["audit_id"]
    assert told["text"].startswith(f"{DOSSIER.lead.lead_id}: shadow logged.")
    by_lead = await call(client, "explain_decision", {"id": DOSSIER.lead.lead_id})
    assert by_lead["audit_id"] == decision["audit_id"]
    again = await call(client, "replay_decision", {"id": decision["audit_id"]})
    assert again["same"] is True
    assert again["recorded"] == again["replayed"] == "pass (shadow_logged)"


async def test_asking_twice_gives_the_same_audit_record(client: Client) -> None:
    first = await call(client, "review_lead", review())
    second = await call(client, "review_lead", review())
    assert first == second
    assert (await call(client, "get_status", {}))["audit_records"] == 1


@pytest.mark.parametrize(
    "extra",
    [{"approve": True}, {"confirm": True}, {"mode": "live"}, {"verdict": "pass"}],
    ids=str,
)
async def test_no_argument_overrides_a_decision(client: Client, extra: dict[str, Any]) -> None:
    found = await failure(client, "review_lead", {**review(), **extra})
    assert found["code"] == "bad_input"
    assert next(iter(extra)) in found["message"]


async def test_the_mode_is_the_servers_and_not_the_callers(client: Client) -> None:
    decision = await call(client, "review_lead", review())
    assert decision["mode"] == Mode.SHADOW.value
    assert decision["sandbox"] is True


def asked(decision: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Arguments of authorize_send as they travel."""
    fields: dict[str, Any] = {
        "decision_audit_id": decision["audit_id"],
        "intent": conversation(),
        "crm": KNOWN,
        "outreach": OutreachView(),
    }
    return AuthorizeSend(**{**fields, **changes}).model_dump(mode="json")


@pytest.mark.parametrize("mode", [Mode.LIVE])
async def test_a_ready_email_and_what_follows_get_permits(client: Client) -> None:
    decision = await call(client, "review_lead", review())
    sent = await call(client, "authorize_send", asked(decision))
    assert (sent["verdict"], sent["key"]) == ("permitted", send_key(decision["audit_id"]))
    assert sent["permit"].count(".") == 2
    told = await call(client, "explain_decision", {"id": sent["audit_id"]})
    assert (told["kind"], told["verdict"], told["state"]) == ("authorize", "permitted", None)
    wanted = AuthorizeWrite(
        key="note:1", intent=note(), decision_audit_id=decision["audit_id"]
    ).model_dump(mode="json")
    written = await call(client, "authorize_write", wanted)
    assert written["verdict"] == "permitted"


async def test_in_shadow_a_permit_is_refused_and_not_an_error(client: Client) -> None:
    decision = await call(client, "review_lead", review())
    refused = await call(client, "authorize_send", asked(decision))
    assert (refused["verdict"], refused["permit"]) == ("refused", None)
    assert refused["reasons"][0]["code"] == "mode_shadow"


@pytest.mark.parametrize("mode", [Mode.LIVE])
@pytest.mark.parametrize(
    "extra",
    [
        {"confirm": True},
        {"mode": "live"},
        {"permit_seconds": 300},
        {"force": 1},
        {"approval_id": "approved-by-the-model"},
        {"approver": "U-0000000000000000"},
    ],
    ids=str,
)
async def test_no_argument_makes_a_permit(client: Client, extra: dict[str, Any]) -> None:
    decision = await call(client, "review_lead", review())
    found = await failure(client, "authorize_send", {**asked(decision), **extra})
    assert found["code"] == "bad_input"
    given = {**asked(decision), "decision_audit_id": "A-made-up"}
    refused = await call(client, "authorize_send", given)
    assert (refused["verdict"], refused["permit"]) == ("refused", None)


@pytest.mark.parametrize("mode", [Mode.LIVE])
async def test_a_stop_is_an_error_that_says_so(client: Client, hive: Hive) -> None:
    decision = await call(client, "review_lead", review())
    hive.stop_file.write_text("fire drill\n")
    assert (await failure(client, "authorize_send", asked(decision)))["code"] == "stopped"
    wanted = AuthorizeWrite(key="note:1", intent=note()).model_dump(mode="json")
    assert (await failure(client, "authorize_write", wanted))["code"] == "stopped"


async def test_rejected_rows_are_recorded_and_told(client: Client) -> None:
    row = {
        "row": 3,
        "lead_id": "L-0000000000000000000f",
        "state": "invalid",
        "reasons": [{"code": "no_email", "text": "There is no address."}],
    }
    placed = await call(client, "record_intake", {"run_id": "run-1", "rows": [row]})
    told = await call(client, "explain_decision", {"id": placed["rows"][0]["audit_id"]})
    assert (told["state"], told["verdict"]) == ("invalid", None)
    found = await failure(client, "replay_decision", {"id": placed["rows"][0]["audit_id"]})
    assert found["code"] == "bad_input"


async def test_the_bank_answers_with_its_numbers(client: Client) -> None:
    scope = DRAFT.scope.model_dump(mode="json")
    answer = (await call(client, "consult_bank", {"scope": scope}))["answer"]
    assert answer["verdict"] == "pass"
    assert "P(failure rate > 0.3)" in answer["text"]


@pytest.mark.parametrize("tool", ["explain_decision", "replay_decision"])
async def test_what_is_not_on_record_is_said_not_to_be(client: Client, tool: str) -> None:
    assert (await failure(client, tool, {"id": "A-nothing"}))["code"] == "not_found"


async def test_an_unreadable_bank_is_a_structured_refusal(client: Client, hive: Hive) -> None:
    hive.bank_file.write_bytes(b"{")
    found = await failure(client, "review_lead", review())
    assert found["code"] == "bank_unreadable"
    status = await call(client, "get_status", {})
    assert status["deciding"] is False
    assert status["bank_version"] == "unreadable"


async def test_a_disqualified_lead_needs_no_draft(client: Client) -> None:
    turned = dossier({"domain": "jasper.ai"}, crm=None, outreach=None, research=None)
    decision = await call(
        client, "review_lead", review(dossier=turned, draft=None, qualification=None)
    )
    assert decision["state"] == "disqualified"
    assert [reason["code"] for reason in decision["reasons"]] == ["competitor_domain"]


@pytest.mark.parametrize(
    ("uri", "code"),
    [("file:///etc/passwd", "not_found"), ("hive://reasoning-bank", "bank_unreadable")],
)
async def test_a_resource_that_cannot_be_read_is_a_structured_refusal(
    client: Client, hive: Hive, uri: str, code: str
) -> None:
    hive.bank_file.write_bytes(b"{")
    with pytest.raises(MCPError) as caught:
        await client.read_resource(uri)
    assert caught.value.error.data["failure"]["code"] == code


async def test_bank_and_policy_can_be_read(client: Client) -> None:
    listed = {str(item.uri): item for item in (await client.list_resources()).resources}
    assert set(listed) == {"hive://reasoning-bank", "config://policy"}
    assert all(item.description for item in listed.values())
    bank, policy = [
        json.loads((await client.read_resource(uri)).contents[0].text)  # type: ignore[union-attr]
        for uri in ("hive://reasoning-bank", "config://policy")
    ]
    assert bank["items"]
    assert policy["policy_version"]
    assert "jasper.ai" in policy["competitors"]["domains"]
