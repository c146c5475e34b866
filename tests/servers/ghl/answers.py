"""GHL's answers as a test writes them, and look-ups over them."""

from __future__ import annotations

from typing import Any

import httpx

from guardrails.model import CrmView
from servers.ghl.contract import LookUpLead
from servers.ghl.service import CrmRules, CustomerMarks, GhlService
from servers.ghl.vendor import OPERATIONS, GhlCrm
from tests.servers.wires import ScriptedWire, answer, client_over

VERSION = "2021-07-28"
RULES = CrmRules(
    customer=CustomerMarks(("customer",), ("customer",)),
    bounce_tags=("bounced", "hard bounce"),
    free_mail=frozenset({"freemail.example"}),
)


def over(wire: httpx.AsyncBaseTransport) -> GhlService:
    return GhlService(GhlCrm(client_over(wire, OPERATIONS), "loc1", VERSION), RULES)


async def looked_up(wire: ScriptedWire, email: str | None, *domains: str) -> CrmView:
    return (await over(wire).look_up_lead(LookUpLead(email=email, domains=domains))).crm


# What the search shows of every contact, whatever is unknown of it.
SHOWN: dict[str, Any] = {
    "email": None,
    "additionalEmails": [],
    "website": None,
    "tags": [],
    "type": "lead",
}
READ = {"id": "c1", "email": "ana@firm.example", "tags": [], "type": "lead", "dnd": False}


def page(*contacts: dict[str, Any]) -> httpx.Response:
    shown = [{**SHOWN, **contact} for contact in contacts]
    return answer(200, {"contacts": shown, "total": len(shown)})


def contact(**fields: Any) -> httpx.Response:
    return answer(200, {"contact": {**READ, "dndSettings": {}, **fields}})


HIT = page({"id": "c1", "email": "Ana@Firm.example"})
