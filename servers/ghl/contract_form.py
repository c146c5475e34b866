"""The form of every GHL write. Owns: what all write tools take and answer, and their text types.

A write takes `key` (who wants it done names it once, for ever) and `permit` (guardrails' leave for
exactly this, once); what it would do is `intent()`, the same before the permit, in the permit, and
when it is read back from the request that leaves. Nothing here knows the vendor's field names.
"""

from __future__ import annotations

import unicodedata
from abc import abstractmethod
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from guardrails.model import digest
from guardrails.model.writes import WriteAction, WriteIntent
from servers.common.contract import Args, Result

VENDOR = "ghl"
KEY_HELP = (
    "Names this write for ever, e.g. note:<delivery id>. The same key never writes twice: a second "
    "call answers with what the first did. Use the key that authorize_write or authorize_send gave."
)
PERMIT_HELP = (
    "Token from guardrails' authorize_write or authorize_send for exactly these arguments; valid "
    "once and for seconds. There is no other way to write."
)


def _line(text: str) -> str:
    """One line without control characters or blanks around it."""
    stripped = unicodedata.normalize("NFC", text).strip()
    if any(unicodedata.category(char) in ("Cc", "Zl", "Zp") for char in stripped):
        raise ValueError("must be one line without control characters")
    if not stripped:
        raise ValueError("must not be empty: leave out what is not known")
    return stripped


def _text(text: str) -> str:
    """Text of several lines, its line ends written as `\\n`."""
    lines = unicodedata.normalize("NFC", text).replace("\r\n", "\n").replace("\r", "\n")
    if any(unicodedata.category(char) == "Cc" and char not in "\n\t" for char in lines):
        raise ValueError("must hold no control characters")
    if not lines.strip():
        raise ValueError("must not be empty")
    return lines.strip("\n")


def _exact_line(text: str) -> str:
    if not text.strip() or any(unicodedata.category(c) in ("Cc", "Zl", "Zp") for c in text):
        raise ValueError("must be one line, not empty, without control characters")
    return text


def _exact_text(text: str) -> str:
    if not text.strip() or any(unicodedata.category(c) == "Cc" and c not in "\n\t" for c in text):
        raise ValueError("must not be empty, with \\n as line end and no other control characters")
    return text


def _tags(tags: tuple[str, ...]) -> tuple[str, ...]:
    """As GHL keeps them: lower-case, each once; sorted, so that one set has one form."""
    return tuple(sorted({_line(tag).lower() for tag in tags}))


# Ids stand in a URL's path: letters, digits, - and _ alone.
VendorId = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_-]+$")]
Line = Annotated[str, Field(max_length=500), AfterValidator(_line)]
Text = Annotated[str, Field(max_length=20_000), AfterValidator(_text)]
# As approved, to the letter: looked at and never mended.
ExactLine = Annotated[str, Field(max_length=200), AfterValidator(_exact_line)]
ExactText = Annotated[str, Field(max_length=20_000), AfterValidator(_exact_text)]
Tags = Annotated[
    tuple[Annotated[str, Field(max_length=100)], ...],
    Field(min_length=1, max_length=50),
    AfterValidator(_tags),
]
ContactId = Annotated[
    VendorId, Field(description="GHL's id of the contact, from plan_contact or look_up_lead.")
]
Key = Annotated[str, Field(min_length=1, max_length=120, description=KEY_HELP)]


class Write(Args):
    """Arguments of a tool that changes something at GHL."""

    key: Key
    permit: str = Field(max_length=4000, description=PERMIT_HELP, repr=False)

    @abstractmethod
    def intent(self) -> WriteIntent:
        """What it would do: what the permit has to be for."""


class WriteResult(Result):
    """What became of a write."""

    status: Literal["sent", "already", "unknown"] = Field(
        description="sent: done, by this call or an earlier one with this key. already: it was so "
        "before, nothing was written. unknown: the request may have left and the CRM does not show "
        "what became of it; never write it again under another key, use reconcile_send or "
        "reconcile_write."
    )
    vendor_ref: str | None = Field(
        default=None,
        description="GHL's id of the contact, note, task, opportunity or message; null if unknown.",
    )
    detail: str = Field(default="", description="More, for a person.")


def concerning(contact_id: str) -> str:
    """How a permit names a contact."""
    return f"contact:{contact_id}"


def intent_of(action: WriteAction, recipient: str, content: dict[str, Any]) -> WriteIntent:
    """An intent at this vendor."""
    return WriteIntent(vendor=VENDOR, action=action, recipient=recipient, content=content)


def reference(key: str) -> str:
    """What is written into a note or a task so that it is found again: GHL has no field for it."""
    return digest({"ghl": key})[:16]


def with_reference(text: str, key: str) -> str:
    """`text` with the write's reference as its last line."""
    return f"{text}\n\nRef {reference(key)}"
