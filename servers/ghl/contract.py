"""GHL: the CRM. The look-up of a lead, and every tool of the server.

What the queen calls is named here; arguments and results stand beside: `contract_reads`,
`contract_writes`, `contract_mail`.
"""

from __future__ import annotations

from pydantic import Field

from guardrails.model import CrmView
from servers.common.contract import Args, Result, ToolSpec
from servers.ghl.contract_mail import RECONCILE_SEND, RECONCILE_WRITE, SEND_EMAIL
from servers.ghl.contract_reads import (
    CHECK_ACCESS,
    FIND_OPPORTUNITY,
    LIST_PIPELINES,
    LIST_WORKFLOWS,
    PLAN_CONTACT,
)
from servers.ghl.contract_write_tools import (
    ADD_NOTE,
    ADD_TAGS,
    ADD_TO_WORKFLOW,
    CREATE_OR_UPDATE_OPPORTUNITY,
    CREATE_TASK,
    REMOVE_FROM_WORKFLOW,
    REMOVE_TAGS,
    SET_DND,
    UPSERT_CONTACT,
)

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
    "itself (search results omit DND), and whether the company or its parent is a customer. For "
    "deciding about a person; before writing to the contact use plan_contact. Changes nothing.",
    LookUpLead,
    CrmLookUp,
    open_world=True,
    outside="tags and customers' domains",
)
READS = (
    LOOK_UP_LEAD,
    PLAN_CONTACT,
    FIND_OPPORTUNITY,
    LIST_PIPELINES,
    LIST_WORKFLOWS,
    CHECK_ACCESS,
)
RECONCILES = (RECONCILE_SEND, RECONCILE_WRITE)  # they read the vendor, and settle our own record
WRITES = (
    UPSERT_CONTACT,
    ADD_TAGS,
    REMOVE_TAGS,
    ADD_NOTE,
    CREATE_TASK,
    CREATE_OR_UPDATE_OPPORTUNITY,
    ADD_TO_WORKFLOW,
    REMOVE_FROM_WORKFLOW,
    SET_DND,
    SEND_EMAIL,
)
TOOLS = (*READS, *RECONCILES, *WRITES)
__all__ = [
    "ADD_NOTE", "ADD_TAGS", "ADD_TO_WORKFLOW", "CHECK_ACCESS", "CREATE_OR_UPDATE_OPPORTUNITY",
    "CREATE_TASK", "FIND_OPPORTUNITY", "LIST_PIPELINES", "LIST_WORKFLOWS", "LOOK_UP_LEAD",
    "PLAN_CONTACT", "READS", "RECONCILES", "RECONCILE_SEND", "RECONCILE_WRITE",
    "REMOVE_FROM_WORKFLOW", "REMOVE_TAGS", "SEND_EMAIL", "SERVER", "SET_DND", "TOOLS",
    "UPSERT_CONTACT", "WRITES", "CrmLookUp", "LookUpLead",
]  # fmt: skip
