"""One harmless errand at each server, for clients that are not ours, and what comes back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

CSV = "Email,First Name,Last Name,Company\nana.voss@firm.example,Ana,Voss,Firm Studio\n"


@dataclass(frozen=True)
class Errand:
    """A read-only call, and a field of its result."""

    tool: str
    answers: str
    arguments: dict[str, Any]
    resources: int = 0


ERRANDS = {
    "hunter": Errand("import_leads", "leads", {"csv_text": CSV}),
    "enricher": Errand("check_access", "doors", {}),
    "crafter": Errand("list_templates", "templates", {}),
    "guardrails": Errand("get_status", "policy_version", {}, resources=2),
    "ghl": Errand("look_up_lead", "crm", {"email": "ana.voss@firm.example"}),
    "instantly": Errand("list_campaigns", "campaigns", {}),
    "orchestrator": Errand("get_status", "queen", {}, resources=3),
}
REFUSED = {"confirm": True}  # no tool takes it
