"""What is read around writes, in every form the vendor has been seen to answer in."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from guardrails.errors import VendorSchemaDrift
from servers.ghl.vendor_records import GhlRecords
from servers.ghl.vendor_writes import OPERATIONS
from tests.servers.wires import ScriptedWire, answer, client_over

pytestmark = pytest.mark.anyio
SINCE = datetime(2026, 3, 10, 13, tzinfo=UTC)
FOUND = answer(200, {"conversations": [{"id": "v1"}], "total": 1})
EMAIL = {
    "id": "e1", "dateAdded": "2026-03-10T14:00:00.000Z", "direction": "outbound",
    "subject": "S", "body": "<p>B</p>", "to": ["ana@firm.example"],
}  # fmt: skip
MESSAGE = {"id": "m1", "messageType": "TYPE_EMAIL", "meta": {"email": {"messageIds": ["e1"]}}}


def records(*steps: httpx.Response) -> tuple[GhlRecords, ScriptedWire]:
    wire = ScriptedWire(*steps)
    return GhlRecords(client_over(wire, OPERATIONS), "loc1", "2021-07-28", "2021-04-15"), wire


def page(*messages: Any, more: bool = False) -> dict[str, Any]:
    return {"lastMessageId": "m1", "nextPage": more, "messages": list(messages)}


@pytest.mark.parametrize(
    "listed",
    [
        page(MESSAGE),
        {"messages": page(MESSAGE)},  # live
        page(MESSAGE | {"meta": {"email": {"email": {"messageIds": ["e1"]}}}}),  # its example
        page(MESSAGE | {"id": "e1", "meta": None}),
    ],
    ids=["documented", "live", "example", "without meta"],
)
@pytest.mark.parametrize(
    "shown",
    [EMAIL, {"emailMessage": EMAIL}, EMAIL | {"to": "ana@firm.example"}],
    ids=["documented", "wrapped", "one recipient"],
)
async def test_an_email_is_read_in_each_form(listed: Any, shown: Any) -> None:
    crm, wire = records(FOUND, answer(200, listed), answer(200, shown))
    found = await crm.mails_since("c1", SINCE)
    [mail] = found.mails
    assert (mail.id, mail.to, mail.subject) == ("e1", ("ana@firm.example",), "S")
    assert found.complete
    assert [request.headers["version"] for request in wire.seen] == ["2021-04-15"] * 3
    assert wire.seen[2].url.path.endswith("/conversations/messages/email/e1")


async def test_what_came_in_and_what_is_older_is_left_out() -> None:
    two = page(MESSAGE, MESSAGE | {"id": "m2", "meta": {"email": {"messageIds": ["e2"]}}})
    old = EMAIL | {"id": "e2", "dateAdded": "2026-03-10T12:59:59Z"}
    for other in (old, EMAIL | {"id": "e2", "direction": "inbound"}):

        def step(request: httpx.Request, other: Any = other) -> httpx.Response:
            return answer(200, EMAIL if request.url.path.endswith("/e1") else other)

        wire = ScriptedWire(FOUND, answer(200, two), step)
        crm = GhlRecords(client_over(wire, OPERATIONS), "loc1", "2021-07-28", "2021-04-15")
        assert [mail.id for mail in (await crm.mails_since("c1", SINCE)).mails] == ["e1"]


async def test_more_than_was_read_is_said() -> None:
    crm, _ = records(FOUND, answer(200, page(more=True)))
    assert not (await crm.mails_since("c1", SINCE)).complete


@pytest.mark.parametrize(
    "steps",
    [
        (answer(200, {"total": 0}),),
        (FOUND, answer(200, {"messages": []})),
        (FOUND, answer(200, page({"id": "m1"}))),
        (FOUND, answer(200, page(MESSAGE)), answer(200, {"id": "e1"})),
    ],
    ids=["conversations", "nextPage", "messageType", "email"],
)
async def test_a_conversation_in_a_form_we_do_not_know_proves_nothing(steps: Any) -> None:
    crm, _ = records(*steps)
    with pytest.raises(VendorSchemaDrift):
        await crm.mails_since("c1", SINCE)


async def test_nobody_known_is_told_by_null_and_by_nothing_else() -> None:
    crm, _ = records(answer(200, {"contact": None}))
    assert await crm.card_of("ana@firm.example") is None
    for other in ({}, {"contact": {}}, {"contact": []}):
        crm, _ = records(answer(200, other))
        with pytest.raises(VendorSchemaDrift):
            await crm.card_of("ana@firm.example")


async def test_another_contact_than_the_one_asked_for_is_an_error() -> None:
    read = answer(200, {"contact": {"id": "c2", "tags": []}})
    crm, _ = records(read)
    with pytest.raises(VendorSchemaDrift, match="another contact"):
        await crm.card("c1")


async def test_opportunities_of_others_are_not_taken_for_the_contacts_own() -> None:
    one = {"id": "o1", "status": "open", "pipelineId": "p1", "pipelineStageId": "s1"}
    listed = [one | {"contactId": "c2"}, one | {"contactId": "c1", "id": "o2"}]
    crm, wire = records(answer(200, {"opportunities": listed}))
    assert [held.id for held in await crm.opportunities("c1", "p1")] == ["o2"]
    assert dict(wire.seen[0].url.params)["contact_id"] == "c1"
