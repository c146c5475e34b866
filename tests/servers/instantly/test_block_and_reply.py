"""Blocking happens once; an answer goes to who wrote, once, and to nobody else."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from guardrails.errors import Refused
from servers.instantly.contract_writes import BlockAddress, ReplyEmail
from tests.servers.instantly.desk import ANA, BODY, HTTP_500, SENDER, SUBJECT, Desk

pytestmark = pytest.mark.anyio
LATE = httpx.ReadTimeout("late")


def blocking(value: str) -> BlockAddress:
    return BlockAddress(key="block:1", permit="none", value=value)


def answering(desk: Desk, **changes: Any) -> ReplyEmail:
    received = desk.twin.workspace.receive(ANA, SENDER, "Re: AI", "Tell me more.")
    said = {
        "key": "reply:1", "permit": "none", "reply_to": received["id"], "to": ANA,
        "sender": SENDER, "subject": SUBJECT, "body": BODY,
    }  # fmt: skip
    return ReplyEmail(**said | changes)


@pytest.mark.parametrize("value", ["Ana@Fresh.example", "fresh.example"])
async def test_an_address_or_domain_is_blocked_once(desk: Desk, value: str) -> None:
    done = await desk.tools.rest.block_address(await desk.permitted(blocking(value)))
    again = await desk.tools.rest.block_address(blocking(value))
    assert (done.status, again.status) == ("sent", "already")
    assert done.vendor_ref == again.vendor_ref
    assert desk.twin.workspace.is_blocked(ANA)
    assert len(desk.wire.writes) == 1


async def test_an_entry_that_only_looks_alike_is_none(desk: Desk) -> None:
    desk.twin.workspace.block("not-fresh.example")
    done = await desk.tools.rest.block_address(await desk.permitted(blocking("fresh.example")))
    assert done.status == "sent"


async def test_a_block_is_tried_again_after_an_error(desk: Desk) -> None:
    desk.wire.before.append(HTTP_500)
    done = await desk.tools.rest.block_address(await desk.permitted(blocking(ANA)))
    assert (done.status, len(desk.wire.writes)) == ("sent", 2)


async def test_an_answer_reaches_who_wrote_letter_for_letter_and_once(desk: Desk) -> None:
    args = await desk.permitted(answering(desk))
    done = await desk.tools.rest.reply_email(args)
    again = await desk.server().rest.reply_email(args)
    (sent,) = desk.outbox()
    assert (done.status, again.status, again.vendor_ref) == ("sent", "already", done.vendor_ref)
    assert (sent["sender"], sent["subject"], sent["text"]) == (SENDER, SUBJECT, BODY)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"to": "bob@fresh.example"}, "from somebody else"),
        ({"sender": "other@agency.example"}, "another mailbox"),
    ],
)
async def test_an_answer_to_somebody_else_is_refused(
    desk: Desk, changes: dict[str, Any], why: str
) -> None:
    args = await desk.permitted(answering(desk, **changes))
    with pytest.raises(Refused, match=why):
        await desk.tools.rest.reply_email(args)
    assert (desk.wire.writes, desk.status("reply:1")) == ([], "pending")


@pytest.mark.parametrize("acted", [False, True])
async def test_an_answer_of_unknown_fate_is_left_to_a_person(desk: Desk, acted: bool) -> None:
    args = await desk.permitted(answering(desk))
    (desk.wire.after if acted else desk.wire.before).append(LATE)
    for server in (desk.tools, desk.server()):
        assert (await server.rest.reply_email(args)).status == "unknown"
    assert (desk.status("reply:1"), len(desk.wire.writes)) == ("unknown", 1)
    assert len(desk.outbox()) == (1 if acted else 0)
