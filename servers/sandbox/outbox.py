"""What people would have received. Owns: one list of the e-mails that the twins sent, in order.

The host shows it at `GET /_twin/outbox`; tests compare it with what was approved. `text` is what
somebody reads in a mail program: tags and entities resolved, white space as HTML has it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from html.parser import HTMLParser
from typing import Any, TypedDict

from servers.ghl.twin import GhlTwin
from servers.instantly.twin import InstantlyTwin
from servers.sandbox.wire import Twin

_SPACE = re.compile(r"[ \t\r\n]+")
_BLOCKS = frozenset({"p", "div"})


class Sent(TypedDict):
    """One e-mail that a twin sent."""

    vendor: str
    at: str  # UTC; empty where the twin keeps no time
    to: str
    sender: str  # empty: the account's own
    subject: str
    html: str
    text: str
    ref: str  # the vendor's id of the lead, message or answer


def outbox(twins: Iterable[Twin]) -> list[Sent]:
    """Every e-mail of every twin; each vendor's in the order in which it sent them."""
    return [sent for twin in twins for sent in _sent_by(twin)]


def _sent_by(twin: Twin) -> list[Sent]:
    if isinstance(twin, InstantlyTwin):
        sent = twin.workspace.outbox
        return [_entry(twin, one, one["html"]) for one in sent]
    if isinstance(twin, GhlTwin):
        return [_message(twin, one) for one in twin.records.messages if one["type"] == "Email"]
    return []


def _message(twin: GhlTwin, message: Mapping[str, Any]) -> Sent:
    contact = twin.records.contacts[message["contactId"]]
    said = {
        "at": message.get("dateAdded"),
        "to": message.get("emailTo") or contact.get("email"),
        "sender": message.get("emailFrom"),
        "subject": message.get("subject"),
        "ref": message["id"],
    }
    return _entry(twin, said, message.get("html") or message.get("message") or "")


def _entry(twin: Twin, said: Mapping[str, Any], html: str) -> Sent:
    return {
        "vendor": twin.vendor,
        "at": str(said["at"] or ""),
        "to": str(said["to"] or ""),
        "sender": str(said["sender"] or ""),
        "subject": str(said["subject"] or ""),
        "html": html,
        "text": as_read(html),
        "ref": str(said["ref"]),
    }


def as_read(html: str) -> str:
    """The text that a mail program shows for `html`."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return reader.text()


class _Reader(HTMLParser):
    """Lines as they are shown: runs of white space are one space, none at a line's ends."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._lines = [""]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """A break ends the line; a block begins after an empty one."""
        if tag == "br":
            self._lines.append("")
        elif tag in _BLOCKS and any(self._lines):
            self._lines += ["", ""]

    def handle_data(self, data: str) -> None:
        """Text; entities are characters already."""
        shown = self._lines[-1] + _SPACE.sub(" ", data)
        self._lines[-1] = shown.lstrip(" ").replace("  ", " ")

    def text(self) -> str:
        """What was read so far."""
        return "\n".join(line.rstrip(" ") for line in self._lines)
