"""Conversation e-mail: to the right person, as approved, and what the conversation proves."""

from __future__ import annotations

from typing import Any

import pytest

from guardrails.errors import BadInput, NotFound, Refused, VendorUnavailable
from servers.ghl.contract_mail import ReconcileSend, SendEmail
from servers.ghl.service import Contact
from servers.ghl.service_mail import MailTools
from servers.ghl.service_writes import Writer
from tests.servers.ghl.writing import Studio

pytestmark = pytest.mark.anyio
EMAIL = "ana@firm.example"
BODY = 'Hi Ana,\n\n"A" < B & C.\n\nReply "no thanks" and I won\'t write again.'


def send(contact_id: str, **more: Any) -> SendEmail:
    said = {
        "key": "send:1", "permit": "", "contact_id": contact_id, "to": EMAIL,
        "sender": "Robin@agency.example", "subject": "Hiring at Firm", "body": BODY,
    }  # fmt: skip
    return SendEmail(**(said | more))


def asked(write: SendEmail) -> ReconcileSend:
    return ReconcileSend(**write.model_dump(exclude={"permit"}))


async def unknown(studio: Studio, write: SendEmail, fault: str) -> None:
    studio.wire.faults, studio.wire.goes_blind = [fault], True
    assert (await studio.do(write)).status == "unknown"
    studio.wire.blind = False


async def test_it_leaves_as_approved_to_exactly_this_address(studio: Studio) -> None:
    own = studio.new_contact(EMAIL)
    result = await studio.do(send(own))
    [message] = studio.records.messages
    assert (result.status, result.vendor_ref) == ("sent", message["id"])
    assert studio.wire.body() == {
        "type": "Email",
        "contactId": own,
        "emailTo": EMAIL,
        "emailFrom": "Robin@agency.example",
        "subject": "Hiring at Firm",
        "message": BODY,
        "html": "<p>Hi Ana,</p>\n<p>&quot;A&quot; &lt; B &amp; C.</p>\n"
        "<p>Reply &quot;no thanks&quot; and I won&#x27;t write again.</p>",
    }
    assert studio.wire.written[0].headers["Version"] == "2021-04-15"


@pytest.mark.parametrize(
    "fields",
    [
        {"dnd": True},
        {"dndSettings": {"Email": {"status": "active"}}},
        {"dndSettings": {"Email": {"status": "permanent"}}},
    ],
    ids=str,
)
async def test_nobody_on_dnd_is_written_to(studio: Studio, fields: dict[str, Any]) -> None:
    own = studio.new_contact(EMAIL, **fields)
    with pytest.raises(Refused, match="DND"):
        await studio.do(send(own))
    assert studio.wire.written == []
    assert studio.office.status("send:1") == "pending"  # its place under the caps is free again


async def test_dnd_on_another_contact_with_the_same_address_counts(studio: Studio) -> None:
    own = studio.new_contact(EMAIL)
    studio.new_contact(EMAIL, dnd=True)
    with pytest.raises(Refused, match="DND"):
        await studio.do(send(own))


async def test_a_contact_with_another_address_is_refused(studio: Studio) -> None:
    own = studio.new_contact("somebody@firm.example")
    with pytest.raises(Refused, match="address"):
        await studio.do(send(own))
    studio.new_contact(EMAIL)  # it is somebody's, and not this contact's
    with pytest.raises(Refused, match="address"):
        await studio.do(send(own, key="send:2"))
    assert studio.wire.written == []


async def test_an_address_that_is_only_one_of_the_contacts_others_is_refused(
    studio: Studio,
) -> None:
    own = studio.new_contact("main@firm.example")
    hosts = ("firm.example",)
    held = Contact(own, ("main@firm.example", EMAIL), hosts, (), "lead", False, None)

    class OneContact:
        async def contacts_with(self, email: str) -> tuple[Contact, ...]:
            return (held,)

        async def marked_contacts_at(self, domains: object, marks: object) -> tuple[Contact, ...]:
            return ()

    writer = Writer(studio.crm, studio.gate)
    tools = MailTools(studio.crm, OneContact(), writer, studio.gate, studio.clock)
    write = await studio.permitted(send(own))
    assert isinstance(write, SendEmail)
    with pytest.raises(Refused, match="address"):
        await tools.send_email(write)
    assert studio.wire.written == []


async def test_a_contact_that_the_search_does_not_show_yet_waits(studio: Studio) -> None:
    made = studio.records.add_contact({"email": EMAIL})
    with pytest.raises(VendorUnavailable, match="does not show"):
        await studio.do(send(made["id"]))
    studio.clock.step(3)
    assert (await studio.do(send(made["id"]))).status == "sent"


async def test_the_vendors_own_refusal_ends_it_as_failed(studio: Studio) -> None:
    own = studio.new_contact(EMAIL, validEmail=False)
    with pytest.raises(Exception, match="email is invalid"):
        await studio.do(send(own))
    assert studio.office.status("send:1") == "failed"
    assert studio.records.messages == []


async def test_a_message_said_to_have_failed_is_in_doubt(studio: Studio) -> None:
    own = studio.new_contact(EMAIL)
    studio.wire.faults = ["says_no"]
    result = await studio.do(send(own))
    assert (result.status, studio.office.status("send:1")) == ("unknown", "unknown")
    assert "failed" in result.detail


async def test_an_earlier_email_with_the_same_words_proves_nothing(studio: Studio) -> None:
    own = studio.new_contact(EMAIL)
    await studio.do(send(own))
    studio.clock.step(days=1)
    later = send(own, key="send:2")
    await unknown(studio, later, "timeout_before")
    studio.clock.step(1000)
    found = await studio.tools.mail.reconcile_send(asked(later))
    assert (found.verdict, studio.office.status("send:2")) == ("not_done", "unknown")


async def test_the_same_subject_with_another_text_is_inconclusive(studio: Studio) -> None:
    own = studio.new_contact(EMAIL)
    write = send(own)
    await unknown(studio, write, "timeout_before")
    await studio.do(send(own, key="send:2", body="Another text."))
    studio.clock.step(1000)
    found = await studio.tools.mail.reconcile_send(asked(write))
    assert found.verdict == "inconclusive"
    assert "another text" in found.detail


async def test_a_conversation_too_long_to_be_read_proves_nothing(studio: Studio) -> None:
    own = studio.new_contact(EMAIL)
    write = send(own)
    await unknown(studio, write, "timeout_before")
    record = studio.contact(EMAIL)
    conversation = studio.records.conversation_of(record)
    for at in range(101):
        studio.records.messages.append(
            {
                "id": f"m{at}",
                "type": "Email",
                "contactId": own,
                "emailTo": EMAIL,
                "conversationId": conversation["id"],
                "dateAdded": studio.records.now(),
                "subject": f"Other {at}",
                "message": "x",
            }
        )
    studio.clock.step(1000)
    assert (await studio.tools.mail.reconcile_send(asked(write))).verdict == "inconclusive"


async def test_reconciling_needs_the_very_email(studio: Studio) -> None:
    own = studio.new_contact(EMAIL)
    write = send(own)
    with pytest.raises(NotFound):
        await studio.tools.mail.reconcile_send(asked(write))
    await unknown(studio, write, "timeout_after")
    for change in ({"subject": "Another"}, {"body": "Another."}, {"to": "ben@firm.example"}):
        with pytest.raises(Refused, match="another write"):
            await studio.tools.mail.reconcile_send(asked(write.model_copy(update=change)))
    assert studio.office.status("send:1") == "unknown"


async def test_what_was_never_dispatched_is_not_reconciled(studio: Studio) -> None:
    own = studio.new_contact(EMAIL)
    write = await studio.permitted(send(own))
    assert isinstance(write, SendEmail)
    with pytest.raises(BadInput, match="claimed"):
        await studio.tools.mail.reconcile_send(asked(write))


@pytest.mark.parametrize("field", ["subject", "body", "to", "sender"])
def test_what_is_no_email_is_refused_at_the_door(field: str) -> None:
    for wrong in ("", " ", "a\x00b", "a\r\nBcc: x@y.example"):
        with pytest.raises((ValueError, BadInput)):
            send("c1", **{field: wrong})
