"""Did every lead get the decision it should? Owns: the questions about leads."""

from __future__ import annotations

from collections import Counter

from orchestrator.campaign.findings import Findings
from orchestrator.campaign.record import LeadResult, Question
from orchestrator.campaign.verdicts import LOST
from orchestrator.campaign.words import many

_SHOWN = 20


def steady(found: Findings) -> Question:
    """The hypothesis: without faults the same leads get the same decisions."""
    told = "; ".join(found.unsteady[:3])
    return Question(
        id="steady_state",
        text="Is the swarm steady without faults (the same leads, the same decisions)?",
        holds=not found.unsteady and bool(found.leads),
        answer=f"No: {told}." if found.unsteady else f"Yes, for {len(found.leads)} leads.",
        evidence={"differences": list(found.unsteady[:_SHOWN])},
    )


def nothing_lost(found: Findings) -> Question:
    """Was any lead lost?"""
    return _count(
        found, "lost", "nothing_lost", "Was any lead lost (a row without a state in some round)?"
    )


def nothing_doubled(found: Findings) -> Question:
    """Was any lead decided twice?"""
    return _count(
        found, "doubled", "nothing_doubled", "Was any lead doubled (two decisions in one round)?"
    )


def nothing_different(found: Findings) -> Question:
    """Was any lead decided differently than without faults?"""
    text = "Was any lead decided differently than without faults?"
    wrong = [lead for lead in found.leads if lead.verdict == "different"]
    counts = Counter(lead.verdict for lead in found.leads)
    states: Counter[str] = Counter()
    for lead in found.leads:
        states.update("same" if state == lead.baseline else state for state in lead.under_faults)
    answer = (
        f"{len(wrong)} of {len(found.leads)} leads. In {found.rounds} rounds: "
        + ", ".join(f"{number} {state}" for state, number in states.most_common())
        + "; every deferral names the fault."
        if not wrong
        else f"{len(wrong)} of {len(found.leads)} leads, e.g. {_told(wrong[0])}."
    )
    return Question(
        id="nothing_different",
        text=text,
        holds=not wrong and bool(found.leads),
        answer=answer,
        evidence={
            "verdicts": dict(counts),
            "states": dict(states),
            "leads": [_told(lead) for lead in wrong[:_SHOWN]],
        },
    )


def recovered(found: Findings) -> Question:
    """Once the faults are over, does every lead get its decision?"""
    behind = [lead for lead in found.leads if lead.after != lead.baseline]
    answer = (
        f"Yes: every lead had its decision {found.recovery_s:.1f} s after the faults ended, in "
        f"{many(found.recovery_rounds, 'round')}."
        if not behind
        else f"{len(behind)} leads did not recover, e.g. {_told(behind[0])}."
    )
    return Question(
        id="recovered",
        text="Does every lead get the decision it gets without faults, once they are over?",
        holds=not behind and bool(found.leads),
        answer=answer,
        evidence={
            "seconds": found.recovery_s,
            "rounds": found.recovery_rounds,
            "behind": [_told(lead) for lead in behind[:_SHOWN]],
        },
    )


def _count(found: Findings, verdict: str, name: str, text: str) -> Question:
    wrong = [lead for lead in found.leads if lead.verdict == verdict]
    rows = len(found.leads) * found.rounds
    answer = (
        f"None: {many(len(found.leads), 'lead')} in {many(found.rounds, 'round')}, "
        f"{many(rows, 'row')}."
        if not wrong
        else f"{len(wrong)}, e.g. {_told(wrong[0])}."
    )
    return Question(
        id=name,
        text=text,
        holds=not wrong and bool(found.leads),
        answer=answer,
        evidence={
            "rows": rows,
            "resumed": found.resumes,
            "halts": dict(found.halts),
            "leads": [_told(lead) for lead in wrong[:_SHOWN]],
        },
    )


def _told(lead: LeadResult) -> str:
    other = sorted({state for state in lead.under_faults if state != lead.baseline})
    seen = f", with faults also {', '.join(other)}" if other else ""
    after = f", afterwards {lead.after}" if lead.after != lead.baseline else ""
    lost = " (no state)" if LOST in lead.under_faults or lead.after == LOST else ""
    return f"row {lead.row}: {lead.baseline} without faults{seen}{after}{lost}"
