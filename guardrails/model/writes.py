"""What is to be done at a vendor. Owns: the closed list of writes, and what binds each.

The same intent is stated three times and must be the same each time: by who asks for a permit, by
the permit, and by the request that is about to leave, from whose bytes it is read back.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from guardrails.model.base import Frozen, canonical_json, digest


class WriteAction(StrEnum):
    """Everything that the swarm may do at a vendor."""

    ENROL_LEAD = "enrol_lead"  # Instantly: an e-mail goes out by a campaign
    SEND_EMAIL = "send_email"  # GHL: an e-mail goes out by a conversation
    REPLY_EMAIL = "reply_email"  # Instantly: an answer in a thread
    CREATE_CAMPAIGN = "create_campaign"
    ACTIVATE_CAMPAIGN = "activate_campaign"
    PAUSE_CAMPAIGN = "pause_campaign"
    BLOCK_ADDRESS = "block_address"
    UPSERT_CONTACT = "upsert_contact"
    ADD_TAGS = "add_tags"
    REMOVE_TAGS = "remove_tags"
    ADD_NOTE = "add_note"
    CREATE_TASK = "create_task"
    CREATE_OPPORTUNITY = "create_opportunity"
    UPDATE_OPPORTUNITY = "update_opportunity"
    ADD_TO_WORKFLOW = "add_to_workflow"
    REMOVE_FROM_WORKFLOW = "remove_from_workflow"
    SET_DND = "set_dnd"

    @property
    def is_email(self) -> bool:
        """Whether somebody gets an e-mail by it: it counts against the caps."""
        return self in _EMAILS


_EMAILS = frozenset({WriteAction.ENROL_LEAD, WriteAction.SEND_EMAIL, WriteAction.REPLY_EMAIL})


def _as_json(content: Mapping[str, Any]) -> Mapping[str, Any]:
    """Refuse what has no digest: NaN, infinity, half a character."""
    try:
        canonical_json(content)
    except TypeError as error:
        raise ValueError("holds something that is no JSON value") from error
    return content


class WriteIntent(Frozen):
    """One write, as exactly as a permit allows it."""

    vendor: str = Field(description="ghl or instantly.")
    action: WriteAction = Field(description="What is to be done there.")
    recipient: str = Field(
        description="Whom it concerns: an e-mail address, `contact:<id>`, `campaign:<id>`..."
    )
    content: Annotated[Mapping[str, Any], AfterValidator(_as_json)] = Field(
        description="All that it says or changes; JSON values."
    )

    @property
    def content_hash(self) -> str:
        """Digest of everything but the recipient, who has a hash of his own."""
        content = {"vendor": self.vendor, "action": self.action.value, "content": self.content}
        return digest(content)
