"""Does what is on record hold? Owns: the questions about audit, bank, money, writes and fixes."""

from __future__ import annotations

from orchestrator.campaign.findings import Findings
from orchestrator.campaign.record import Question
from orchestrator.campaign.words import many


def audit_holds(found: Findings) -> Question:
    """Does the audit verify?"""
    ok = found.audit_ok and found.audit_records > 0
    answer = (
        f"Yes: {found.audit_records} records, unbroken." if ok else f"No: {found.audit_problem}"
    )
    return Question(
        id="audit_holds",
        text="Does the audit verify?",
        holds=ok,
        answer=answer,
        evidence={"records": found.audit_records},
    )


def bank_valid(found: Findings) -> Question:
    """Is the reasoning bank whole?"""
    good = found.bank_problem is None
    return Question(
        id="bank_valid",
        text="Is the reasoning bank valid?",
        holds=good,
        answer=f"Yes, {found.bank_items} items." if good else f"No: {found.bank_problem}",
        evidence={"items": found.bank_items},
    )


def spend_held(found: Findings) -> Question:
    """Is spend at or below its cap, to the micro-dollar, and does every micro have an entry?"""
    over = [row for row in found.spend if row.cap is not None and row.held > row.cap]
    apart = [row for row in found.spend if row.held != row.entries]
    total = sum(row.held for row in found.spend if row.scope == "*")
    caps = [row.cap for row in found.spend if row.scope == "*" and row.cap is not None]
    answer = f"Held ${total / 1e6:,.6f}"
    answer += f" of ${sum(caps) / 1e6:,.2f}" if caps else ""
    answer += f" on {many(len(caps), 'day')}; every micro-dollar has its entry." if caps else "."
    if over:
        answer = f"{over[0].scope} on {over[0].day} holds {over[0].held} of {over[0].cap} micros."
    elif apart:
        row = apart[0]
        answer = f"{row.scope} on {row.day} holds {row.held} micros and its entries {row.entries}."
    return Question(
        id="spend_held",
        text="Is spend at or below the cap, to the micro-dollar?",
        holds=not over and not apart,
        answer=answer,
        evidence={
            "scopes": [
                {"day": row.day, "scope": row.scope, "held_micros": row.held, "cap_micros": row.cap}
                for row in found.spend
            ]
        },
    )


def no_writes(found: Findings) -> Question:
    """Was anything written at a vendor?"""
    counted = "the twins' own count" if found.sandbox else "permits spent"
    answer = (
        f"No: {found.vendor_writes} writes, by {counted}."
        if found.vendor_writes == 0
        else f"{found.vendor_writes} writes, by {counted}."
        if found.vendor_writes > 0
        else "Nobody counted."
    )
    return Question(
        id="no_writes",
        text="Was anything written at a vendor in shadow mode?",
        holds=found.vendor_writes == 0,
        answer=answer,
        evidence={"writes": found.vendor_writes},
    )


def fix_proposed(found: Findings) -> Question:
    """Did the Auto-Fix system propose a solution?"""
    names = sorted({str(each.get("diagnosis", each.get("title", "?"))) for each in found.proposals})
    failed = sum(int(each.get("count", 0)) for each in found.clusters)
    answer = (
        f"{len(found.proposals)} proposals for {len(found.clusters)} clusters of {failed} "
        f"failures: {', '.join(names[:8])}."
        if found.proposals
        else f"None, for {len(found.clusters)} clusters of {failed} failures."
    )
    return Question(
        id="fix_proposed",
        text="Did the Auto-Fix system propose a solution?",
        holds=bool(found.proposals) or not found.clusters,
        answer=answer,
        evidence={
            "proposals": len(found.proposals),
            "clusters": len(found.clusters),
            "failures": failed,
            "diagnoses": names,
        },
    )
