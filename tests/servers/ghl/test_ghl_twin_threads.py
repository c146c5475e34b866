"""What the twin shows of notes, tasks and conversations, as the vendor's specification has it."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from servers.ghl.twin_door import TOKEN
from servers.ghl.twin_records import LOCATION_ID
from tests.servers.ghl.writing import Studio

pytestmark = pytest.mark.anyio


async def ask(studio: Studio, method: str, path: str, **more: Any) -> httpx.Response:
    version = "2021-04-15" if path.startswith("/conversations") else "2021-07-28"
    headers = {"Authorization": f"Bearer {TOKEN}", "Version": version}
    transport = httpx.ASGITransport(studio.app)
    base = "http://sandbox/ghl"
    async with httpx.AsyncClient(transport=transport, base_url=base, trust_env=False) as client:
        return await client.request(method, path, headers=headers | more.pop("headers", {}), **more)


async def test_notes_and_tasks_are_listed_by_contact(studio: Studio) -> None:
    ana, ben = studio.new_contact("ana@firm.example"), studio.new_contact("ben@firm.example")
    for contact in (ana, ben):
        await ask(studio, "POST", f"/contacts/{contact}/notes", json={"body": f"note {contact}"})
        task = {"title": "Call", "dueDate": "2026-03-12T09:00:00Z", "completed": False}
        await ask(studio, "POST", f"/contacts/{contact}/tasks", json=task)
    [note] = (await ask(studio, "GET", f"/contacts/{ana}/notes")).json()["notes"]
    assert (note["body"], note["contactId"]) == (f"note {ana}", ana)
    [task_seen] = (await ask(studio, "GET", f"/contacts/{ben}/tasks")).json()["tasks"]
    assert (task_seen["title"], task_seen["contactId"]) == ("Call", ben)
    assert (await ask(studio, "GET", "/contacts/nobody/notes")).status_code == 400


async def test_a_conversation_is_paged_newest_first(studio: Studio) -> None:
    own = studio.new_contact("ana@firm.example")
    for at in range(3):
        said = {"type": "Email", "contactId": own, "subject": f"S{at}", "html": f"<p>{at}</p>"}
        await ask(studio, "POST", "/conversations/messages", json=said)
    await ask(
        studio, "POST", "/conversations/messages",
        json={"type": "SMS", "contactId": own, "message": "hi"},
    )  # fmt: skip
    found = await ask(
        studio, "GET", "/conversations/search", params={"locationId": LOCATION_ID, "contactId": own}
    )
    [conversation] = found.json()["conversations"]
    path = f"/conversations/{conversation['id']}/messages"
    first = (await ask(studio, "GET", path, params={"type": "TYPE_EMAIL", "limit": 2})).json()
    assert first["nextPage"] is True
    rest = (
        await ask(
            studio,
            "GET",
            path,
            params={"type": "TYPE_EMAIL", "lastMessageId": first["lastMessageId"]},
        )
    ).json()
    assert rest["nextPage"] is False
    messages = [*first["messages"], *rest["messages"]]
    assert {m["messageType"] for m in messages} == {"TYPE_EMAIL"}
    emails = []
    for message in messages:
        [email_id] = message["meta"]["email"]["messageIds"]
        emails.append(
            (await ask(studio, "GET", f"/conversations/messages/email/{email_id}")).json()
        )
    assert [email["subject"] for email in emails] == ["S2", "S1", "S0"]
    assert emails[0]["to"] == ["ana@firm.example"]
    assert (emails[0]["body"], emails[0]["direction"]) == ("<p>2</p>", "outbound")
    everything = (await ask(studio, "GET", path)).json()["messages"]
    assert everything[0]["messageType"] == "TYPE_SMS"


async def test_messages_need_the_conversations_version(studio: Studio) -> None:
    refused = await ask(
        studio, "GET", "/conversations/x/messages", headers={"Version": "2021-07-28"}
    )
    assert refused.status_code == 401
    assert (await ask(studio, "GET", "/conversations/x/messages")).status_code == 400
    assert (await ask(studio, "GET", "/conversations/messages/email/x")).status_code == 400
