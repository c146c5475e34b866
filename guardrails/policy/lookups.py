"""Whether enough is known to decide. Owns: missing look-ups and failed look-ups.

A look-up that was not made is never "nothing found" (P6): the lead waits.
"""

from __future__ import annotations

from guardrails.policy.case import Case
from guardrails.policy.rules import Finding, Findings, Rule, defer
from guardrails.schedule import next_send, window_zones


def lookups(case: Case) -> Findings:
    """The CRM and the sending platform were asked, and research was made for a draft."""
    dossier = case.inputs.dossier
    if dossier.crm is None:
        yield missing("crm", "The CRM was not asked, or did not answer.")
    if dossier.outreach is None and case.lead.email is not None:
        yield missing("outreach", "The sending platform was not asked, or did not answer.")
    if dossier.research is None and case.draft is not None:
        yield missing("research", "The company was not researched before writing.")


def missing(what: str, text: str) -> Finding:
    """A look-up without which nobody may decide."""
    return defer("lookup_failed", text, f"the {what} look-up succeeds")


def problems(case: Case) -> Findings:
    """Look-ups that were made and failed."""
    for problem in case.inputs.dossier.problems:
        remedy = problem.remedy or "the look-up succeeds"
        yield defer("lookup_failed", f"{problem.code}: {problem.text}", remedy)


def qualified(case: Case) -> Findings:
    """A draft for somebody who was never scored."""
    if case.inputs.qualification is None:
        yield defer("not_qualified", "The lead was never scored.", "it is scored")


def sending_time(case: Case) -> Findings:
    """The recipient's time zone is known, so that a sending time can be."""
    if case.draft is None:
        return
    dossier = case.inputs.dossier
    zones = window_zones(dossier.lead, dossier.facts, case.inputs.now)
    if zones is None:
        yield defer(
            "timezone_unknown",
            "The recipient's time zone is unknown, and the country has several or is unknown.",
            "the time zone, or the country and state, are known",
        )
    elif next_send(case.inputs.now, zones, case.policy.window) is None:
        yield defer("no_sending_time", "The sending window never opens for this recipient.")


RULES = (
    Rule("lookups", "CRM, sending platform and research have answered.", lookups),
    Rule("problems", "No look-up failed.", problems),
    Rule("qualified", "The lead was scored.", qualified),
    Rule("sending_time", "The recipient's local time is known.", sending_time),
)
