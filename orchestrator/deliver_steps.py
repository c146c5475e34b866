"""What passes between the steps of a delivery. Owns: its JSON form, and the reasons in words."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta

from guardrails.clock import iso, parse
from guardrails.correlation import Correlation, correlated
from guardrails.errors import ServerUnavailable
from guardrails.model import CrmView, OutreachView, Reason, Recollection
from orchestrator.deliver_writes import Fate, Outcome
from orchestrator.deliveries import Delivery
from orchestrator.engine import Json

_GOOD_FOR = timedelta(minutes=5)


def working_on(delivery: Delivery) -> AbstractContextManager[None]:
    return correlated(Correlation(delivery.lead_id, delivery.run_id))


def seen_of(
    fate: Fate | None = None,
    crm: CrmView | None = None,
    outreach: OutreachView | None = None,
    memory: Recollection | None = None,
    *,
    left: bool = False,
    at: datetime | None = None,
) -> Json:
    return {
        "left": left,
        "at": iso(at) if at else None,
        "fate": fate.model_dump_json() if fate else None,
        "crm": crm.model_dump_json() if crm else None,
        "outreach": outreach.model_dump_json() if outreach else None,
        "memory": memory.model_dump_json() if memory else None,
    }


def stale(seen: Json, now: datetime) -> bool:
    """Whether it is too long ago: a dead queen's look-up, gone on with by whoever came next."""
    return not seen.get("at") or now - parse(seen["at"]) > _GOOD_FOR


def as_json(fate: Fate) -> Json:
    return {"fate": fate.model_dump_json()}


def fate_of(found: Json) -> Fate | None:
    return Fate.model_validate_json(found["fate"]) if found["fate"] else None


def lowered() -> Reason:
    text = "Nothing goes out in shadow: it waits."
    return Reason(code="mode_lowered", text=text, remedy="It goes on in the mode of its decision.")


def died(reasons: Sequence[Reason]) -> bool:
    return any(reason.code == ServerUnavailable.code for reason in reasons)


def looked(verdict: str, detail: str) -> Reason:
    shown = {"not_done": "The vendor does not show it", "inconclusive": "The vendor cannot tell"}
    text = f"{shown.get(verdict, verdict)}: {detail or 'no more is known'}"
    remedy = "Look at the vendor yourself, then `swarm sends resolve` with what you saw."
    return Reason(code=f"reconcile_{verdict}", text=text, remedy=remedy)


def told(fate: Fate) -> bool:
    return fate.outcome is Outcome.DONE


def not_told(name: str, fate: Fate) -> Reason:
    why = "; ".join(reason.text for reason in fate.reasons) or fate.outcome.value
    return Reason(code=f"crm_{name}_{fate.outcome}", text=f"The CRM's {name}: {why}")
