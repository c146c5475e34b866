"""What the Instantly twin sends. Owns: when a lead gets its e-mail, and what stands in it.

As the vendor: an active campaign sends its first step to every lead that is due, with the lead's
variables put in as they are; a variable that the lead does not have is sent as it is written. Not
true on purpose: at once, whatever the schedule says, and never a second step.
"""

from __future__ import annotations

import re
from typing import Any

from servers.instantly.twin_records import CAMPAIGN_STATUS, Record, Workspace

_VARIABLE = re.compile(r"\{\{\s*([A-Za-z_][A-Za-z0-9_]*)\s*\}\}")
_BUILT_IN = {
    "email": "email", "firstName": "first_name", "lastName": "last_name",
    "companyName": "company_name", "jobTitle": "job_title", "phone": "phone",
    "website": "website", "personalization": "personalization",
}  # fmt: skip
_ACTIVE, _DUE, _DONE = CAMPAIGN_STATUS["active"], 1, 3


def send_due(workspace: Workspace, campaign: Record) -> None:
    """Everybody of the campaign who is due gets the first step."""
    for lead in list(workspace.leads.values()):
        if lead["campaign"] == campaign["id"]:
            send_to(workspace, campaign, lead)


def send_to(workspace: Workspace, campaign: Record, lead: Record) -> None:
    """The lead gets the first step, if the campaign runs and it has not had it."""
    had = lead.get("timestamp_last_contact") or lead["status"] != _DUE
    if campaign["status"] != _ACTIVE or had or workspace.is_blocked(lead["email"]):
        return
    variant = _first_variant(campaign)
    if variant is None:
        return
    workspace.outbox.append(
        {
            "at": workspace.now(),
            "to": lead["email"],
            "sender": next(iter(campaign.get("email_list") or ()), ""),
            "subject": rendered(variant["subject"], lead),
            "html": rendered(variant["body"], lead),
            "ref": lead["id"],
        }
    )
    lead |= {"timestamp_last_contact": workspace.now(), "status": _DONE}


def rendered(template: str, lead: Record) -> str:
    """`template` with the lead's variables put in."""
    values = {name: lead.get(field) for name, field in _BUILT_IN.items()} | lead["payload"]

    def value(found: re.Match[str]) -> str:
        known: Any = values.get(found[1])
        return found[0] if known is None else str(known)

    return _VARIABLE.sub(value, template)


def _first_variant(campaign: Record) -> Record | None:
    for sequence in campaign.get("sequences") or ():
        for step in sequence["steps"]:
            variants: list[Record] = [v for v in step["variants"] if not v.get("v_disabled")]
            return variants[0] if variants else None
    return None
