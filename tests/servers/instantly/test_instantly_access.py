"""Trying Instantly's key, and how the mailbox stands."""

from __future__ import annotations

import pytest

from servers.instantly.contract_reads import CheckWorkspace, WorkspaceAccess
from servers.instantly.twin_records import MAILBOX
from tests.servers.instantly.desk import Desk

pytestmark = pytest.mark.anyio


async def tried(desk: Desk, mailbox: str = MAILBOX) -> WorkspaceAccess:
    return await desk.tools.access.check_access(CheckWorkspace(mailbox=mailbox))


async def test_a_good_key_opens_every_door_and_shows_the_mailbox(desk: Desk) -> None:
    found = await tried(desk)
    assert {door.name: door.status for door in found.doors} == {
        "instantly.workspace": "ok", "instantly.campaigns": "ok", "instantly.leads": "ok",
        "instantly.block_list": "ok", "instantly.mailbox": "ok",
    }  # fmt: skip
    assert found.doors[0].seen == "Sandbox workspace"
    assert found.mailbox is not None
    assert (found.mailbox.status, found.mailbox.warmup) == ("active", "active")
    assert desk.app.site.counters.report()["by_kind"].get("write", 0) == 0


async def test_a_mailbox_that_is_not_connected_is_not_there(desk: Desk) -> None:
    found = await tried(desk, "somebody.else@agency.example")
    assert found.mailbox is None
    assert found.doors[-1].seen == "Instantly has no such mailbox"


@pytest.mark.parametrize("denial", ["revoked", "no_scope", "no_plan"])
async def test_a_refused_key_is_refused(desk: Desk, denial: str) -> None:
    site = desk.app.site
    switched = site.behaviour.model_dump() | {"auth": {"instantly": denial}}
    site.behaviour = type(site.behaviour).model_validate(switched)
    found = await tried(desk)
    assert {door.status for door in found.doors} == {"refused"}
    assert found.mailbox is None
