"""What a person is shown when they are asked. Owns: that it is all of it, and that nothing hides.

The e-mail is quoted line by line, and everything else is one line, so that no text of others passes
for a line of ours. A character that a screen would hide or turn around is written as its code, so
that nobody approves what they cannot see.
"""

from __future__ import annotations

from guardrails.model import Verdict
from orchestrator.approvals.case import ApprovalCase
from orchestrator.mcp.contract_approvals import CheckLine


def question_text(case: ApprovalCase) -> str:
    """The e-mail and what speaks about it, as plain text. What cannot be seen is written out."""
    draft, approval = case.draft, case.approval
    lines = [
        "Shall this e-mail go out? It was written by the swarm; texts in it come from outside.",
        f"To: {case.to}",
        f"From: {draft.sender.name} <{draft.sender.email}>",
        f"Subject: {draft.subject}",
        *(f"> {line}" for line in draft.body.strip().split("\n")),
    ]
    if approval.first_of_segment:
        lines.append("It is the first of its segment: look at it by itself.")
    lines += [f"{check.verdict}: {check.rule}: {check.text}" for check in open_checks(case)]
    lines.append(f"{passed(case)} of {len(case.checks)} checks passed.")
    if case.bank is not None:
        lines.append(f"Reasoning bank: {case.bank.text}")
    for claim in case.claims:
        lines.append(f"Claim: {claim.text!r}, by {claim.source} {claim.url or ''}".rstrip())
    lines.append(f"{approval.approval_id}, content {approval.content_hash[:12]}")
    return "\n".join(visible(line) for line in lines)


def visible(text: str) -> str:
    """A line's text with what a screen would hide, turn around or break written as its code."""
    return "".join(each if each.isprintable() else f"\\u{ord(each):04x}" for each in text)


def open_checks(case: ApprovalCase) -> list[CheckLine]:
    """Checks that did not simply pass."""
    return [
        CheckLine(rule=check.rule, verdict=check.verdict, text=check.text)
        for check in case.checks
        if check.verdict is not Verdict.PASS
    ]


def passed(case: ApprovalCase) -> int:
    """How many did."""
    return sum(check.verdict is Verdict.PASS for check in case.checks)
