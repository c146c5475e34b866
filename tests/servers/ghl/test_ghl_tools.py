"""The tools as a client sees them: what each may do is told, and every write asks for leave."""

from __future__ import annotations

from typing import Any

import pytest
from mcp import Client

from servers.common.toolserver import describe_tool
from servers.ghl import contract as ghl
from servers.ghl.contract_form import Write, WriteResult
from servers.ghl.tools import build_server
from tests.mcp.failures import failure_of
from tests.servers.ghl.writing import Studio

pytestmark = pytest.mark.anyio
CHANGES_OR_ENDS_SOMETHING = {
    "upsert_contact", "remove_tags", "create_or_update_opportunity", "add_to_workflow",
    "remove_from_workflow", "set_dnd", "send_email",
}  # fmt: skip


@pytest.mark.parametrize("spec", ghl.WRITES, ids=lambda spec: spec.name)
def test_a_write_says_that_it_is_one_and_takes_a_key_and_a_permit(spec: Any) -> None:
    told = describe_tool(spec).annotations
    assert told is not None
    assert (told.read_only_hint, told.idempotent_hint, told.open_world_hint) == (False, True, True)
    assert told.destructive_hint is (spec.name in CHANGES_OR_ENDS_SOMETHING)
    assert issubclass(spec.args, Write)
    assert spec.result is WriteResult
    assert {"key", "permit"} <= set(spec.args.model_json_schema()["required"])


@pytest.mark.parametrize("spec", ghl.READS, ids=lambda spec: spec.name)
def test_a_read_takes_no_permit_and_harms_nothing(spec: Any) -> None:
    told = describe_tool(spec).annotations
    assert told is not None
    assert (told.read_only_hint, told.destructive_hint) == (True, False)
    assert "permit" not in spec.args.model_fields


@pytest.mark.parametrize("spec", ghl.RECONCILES, ids=lambda spec: spec.name)
def test_finding_out_takes_no_permit_and_settles_our_record(spec: Any) -> None:
    told = describe_tool(spec).annotations
    assert told is not None
    assert (told.read_only_hint, told.destructive_hint) == (False, False)
    assert "permit" not in spec.args.model_fields


async def test_each_tool_of_the_contract_is_served_once(studio: Studio) -> None:
    async with Client(build_server(studio.tools)) as client:
        listed = (await client.list_tools()).tools
        assert [tool.name for tool in listed] == [spec.name for spec in ghl.TOOLS]


async def test_a_write_without_leave_is_refused_with_what_to_do_next(studio: Studio) -> None:
    asked = {"key": "note:1", "permit": "none", "contact_id": "c1", "text": "x"}
    async with Client(build_server(studio.tools)) as client:
        answer = await client.call_tool("add_note", asked)
    assert failure_of(answer)["code"] == "refused"
    assert studio.wire.seen == []
