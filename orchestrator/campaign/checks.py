"""The questions, in the guide's order first. Owns: which are asked.

Refuses nothing and forgets nothing: a campaign passes only when every answer is as it must be.
"""

from __future__ import annotations

from collections.abc import Callable

from orchestrator.campaign import checks_brakes, checks_leads, checks_process, checks_state
from orchestrator.campaign.findings import Findings
from orchestrator.campaign.record import Question

ASKED: tuple[Callable[[Findings], Question], ...] = (
    checks_brakes.breaker_tripped,
    checks_brakes.nothing_while_open,
    checks_state.fix_proposed,
    checks_process.survived,
    checks_leads.nothing_lost,
    checks_leads.nothing_doubled,
    checks_leads.nothing_different,
    checks_leads.steady,
    checks_leads.recovered,
    checks_brakes.one_probe,
    checks_brakes.retries_bounded,
    checks_state.audit_holds,
    checks_state.spend_held,
    checks_state.bank_valid,
    checks_state.no_writes,
    checks_process.no_orphans,
    checks_process.memory_flat,
    checks_process.files_flat,
)


def ask(found: Findings) -> tuple[Question, ...]:
    """Every question, answered."""
    questions = [question(found) for question in ASKED]
    if found.coverage is not None:
        questions.append(covered(found))
    return tuple(questions)


def covered(found: Findings) -> Question:
    """Of a sweep: was every fault put at every place?"""
    assert found.coverage is not None
    missing = sorted(found.coverage.wanted - found.coverage.done)
    wanted = len(found.coverage.wanted)
    done = wanted - len(missing)
    share = 100 * done / wanted if wanted else 0.0
    told = ", ".join(f"{site} {fault}" for site, fault in missing[:5])
    return Question(
        id="covered",
        text="Was every fault put at every call site?",
        holds=wanted > 0 and not missing,
        answer=f"{done} of {wanted} ({share:.0f} %)." + (f" Missing: {told}." if missing else ""),
        evidence={
            "sites": sorted({site for site, _ in found.coverage.wanted}),
            "missing": [list(each) for each in missing],
        },
    )
