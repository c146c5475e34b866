"""Messages of a conversation as GHL shows them. Owns: the two forms of one e-mail, and the pages.

A list shows each message with the ids of its e-mails; subject, recipients and whole body stand
only in the e-mail itself. Newest first, 20 unless asked otherwise. Shapes from the vendor's
specification (conversations, version 2021-04-15).
"""

from __future__ import annotations

from typing import Any

from servers.ghl.twin_records import LOCATION_ID, Record

_TYPES = {"Email": ("TYPE_EMAIL", 3), "SMS": ("TYPE_SMS", 2), "WhatsApp": ("TYPE_WHATSAPP", 19)}
_OTHER = ("TYPE_CUSTOM_SMS", 20)


def kept(body: Record, made: str, contact: Record, conversation: Record, at: str) -> Record:
    """A sent message as it is kept: what was asked, and what became of it."""
    own = {"id": made, "contactId": contact["id"], "conversationId": conversation["id"]}
    to = {"emailTo": contact.get("email")}
    return to | body | own | {"locationId": LOCATION_ID, "dateAdded": at}


def page_of(messages: list[Record], query: dict[str, str]) -> dict[str, Any]:
    """One page of these messages, which are oldest first."""
    wanted = {name for name in query.get("type", "").split(",") if name}
    shown = [listed(message) for message in reversed(messages)]
    shown = [message for message in shown if not wanted or message["messageType"] in wanted]
    ids = [message["id"] for message in shown]
    after = query.get("lastMessageId")
    start = ids.index(after) + 1 if after in ids else 0
    limit = int(query["limit"]) if query.get("limit", "").isdigit() else 20
    found = shown[start : start + limit]
    return {
        "lastMessageId": found[-1]["id"] if found else "",
        "nextPage": start + limit < len(shown),
        "messages": found,
    }


def listed(message: Record) -> dict[str, Any]:
    """A message as the list shows it."""
    name, number = _TYPES.get(message["type"], _OTHER)
    shown = {
        "id": message["id"],
        "type": number,
        "messageType": name,
        "locationId": LOCATION_ID,
        "contactId": message["contactId"],
        "conversationId": message["conversationId"],
        "dateAdded": message["dateAdded"],
        "direction": "outbound",
        "status": "sent",
        "contentType": "text/html" if name == "TYPE_EMAIL" else "text/plain",
        "source": "api",
    }
    if name == "TYPE_EMAIL":
        return shown | {"meta": {"email": {"messageIds": [message["id"]]}}}
    return shown | {"body": message.get("message") or ""}


def whole(message: Record) -> dict[str, Any]:
    """An e-mail as it is read by its id."""
    return {
        "id": message["id"],
        "threadId": message.get("threadId") or message["id"],
        "locationId": LOCATION_ID,
        "contactId": message["contactId"],
        "conversationId": message["conversationId"],
        "dateAdded": message["dateAdded"],
        "subject": message.get("subject") or "",
        "body": message.get("html") or message.get("message") or "",
        "direction": "outbound",
        "status": "sent",
        "contentType": "text/html",
        "attachments": message.get("attachments") or [],
        "from": message.get("emailFrom") or "",
        "to": [message["emailTo"]],
        "cc": message.get("emailCc") or [],
        "bcc": message.get("emailBcc") or [],
        "source": "api",
    }
