"""GHL: the CRM. Look-ups; the write tools come with the send path."""

from __future__ import annotations

from pydantic import Field

from guardrails.model import CrmView
from servers.common.contract import Args, Result, ToolSpec

SERVER = "ghl"


class LookUpLead(Args):
    """Who to look up."""

    email: str | None = Field(description="The person's e-mail address, if known.")
    domains: tuple[str, ...] = Field(
        default=(),
        description="The company's domain and its parents: any customer among them is named.",
    )


class CrmLookUp(Result):
    """What the CRM knows. An empty view means it was asked and knows nothing."""

    crm: CrmView


LOOK_UP_LEAD = ToolSpec(
    "look_up_lead",
    "Look up a lead in the CRM",
    "Find the contact by e-mail and read its DND, tags, last contact and bounces from the contact "
    "itself (search results omit DND), and whether the company or its parent is a customer.",
    LookUpLead,
    CrmLookUp,
    open_world=True,
)
TOOLS = (LOOK_UP_LEAD,)
