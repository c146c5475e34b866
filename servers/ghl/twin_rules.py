"""What GHL accepts in a request body. Owns: property whitelists and the 422 they lead to.

The published specification allows unknown properties, the live service does not: it answers 422
with one sentence per offence. Shapes from the vendor's specification (contacts, opportunities,
conversations; version 2021-07-28); sentences as its validator writes them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_CONTACT = (
    "firstName lastName name email phone address1 city state postalCode website timezone dnd "
    "dndSettings inboundDndSettings tags customFields source dateOfBirth country assignedTo"
)
_TYPES: dict[str, tuple[type, ...]] = {
    "a string": (str,),
    "a boolean value": (bool,),
    "an array": (list,),
    "an object": (dict,),
    "a number": (int, float),
}
_KINDS = {
    "dnd": "a boolean value",
    "createNewIfDuplicateAllowed": "a boolean value",
    "completed": "a boolean value",
    "pinned": "a boolean value",
    "tags": "an array",
    "customFields": "an array",
    "filters": "an array",
    "searchAfter": "an array",
    "sort": "an array",
    "followers": "an array",
    "attachments": "an array",
    "emailCc": "an array",
    "emailBcc": "an array",
    "dndSettings": "an object",
    "inboundDndSettings": "an object",
    "pageLimit": "a number",
    "page": "a number",
    "monetaryValue": "a number",
    "scheduledTimestamp": "a number",
    "isRemoveAllFollowers": "a boolean value",
}


@dataclass(frozen=True)
class Body:
    """Properties a body may and must have."""

    allowed: frozenset[str]
    required: tuple[str, ...] = ()

    @classmethod
    def of(cls, allowed: str, required: str = "") -> Body:
        """From two space-separated lists; what is required is allowed too."""
        return cls(frozenset(allowed.split()) | set(required.split()), tuple(required.split()))

    def offences(self, body: Mapping[str, Any]) -> list[str]:
        """One sentence per offence, in the vendor's words; empty when there is none."""
        found = [f"property {name} should not exist" for name in body if name not in self.allowed]
        found += [
            f"{name} should not be empty" for name in self.required if body.get(name) in (None, "")
        ]
        for name, value in body.items():
            kind = _KINDS.get(name, "a string")
            if value is None or name not in self.allowed:
                continue
            wrong_bool = kind == "a number" and isinstance(value, bool)
            if wrong_bool or not isinstance(value, _TYPES[kind]):
                found.append(f"{name} must be {kind}")
        return found


UPSERT = Body.of(f"{_CONTACT} gender companyName createNewIfDuplicateAllowed", "locationId")
CREATE = Body.of(f"{_CONTACT} gender companyName", "locationId")
UPDATE = Body.of(_CONTACT)  # no locationId, no companyName, no gender: the vendor's own gap
SEARCH = Body.of("page searchAfter filters sort query", "locationId pageLimit")
TAGS = Body.of("", "tags")
NOTE = Body.of("userId title color pinned", "body")
TASK = Body.of("body assignedTo", "title dueDate completed")
WORKFLOW = Body.of("eventStartTime")
OPPORTUNITY = Body.of(
    "pipelineStageId monetaryValue assignedTo customFields",
    "pipelineId locationId name status contactId",
)
# Union of the published form (followers, no contact) and the one that works live (contactId).
OPPORTUNITY_UPSERT = Body.of(
    "id contactId name status pipelineStageId monetaryValue assignedTo lostReasonId followers "
    "isRemoveAllFollowers followersActionType",
    "pipelineId locationId",
)
OPPORTUNITY_UPDATE = Body.of(
    "pipelineId name pipelineStageId status monetaryValue assignedTo customFields"
)
OPPORTUNITY_STATUS = Body.of("lostReasonId", "status")
# The specification also requires subType and status; the live service does not.
MESSAGE = Body.of(
    "subType appointmentId attachments emailFrom emailCc emailBcc html message subject "
    "replyMessageId templateId threadId scheduledTimestamp conversationProviderId emailTo "
    "customSubtypeId emailReplyMode fromNumber toNumber forward status usesNativeSchedulingAi "
    "optimizationPeriod",
    "type contactId",
)
MESSAGE_TYPES = (
    "SMS", "RCS", "Email", "WhatsApp", "IG", "FB", "Custom", "Live_Chat", "TIKTOK",
)  # fmt: skip
OPPORTUNITY_STATUSES = ("open", "won", "lost", "abandoned", "all")
