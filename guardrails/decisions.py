"""A decision as it stands on record. Owns: the record's body, and the way back from it.

The body names nobody: lead by salted id, texts without e-mail addresses, neither subject nor body
of the draft (P8). What the rules saw is in `documents` under the inputs' digest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from guardrails.audit import without_addresses
from guardrails.clock import iso, parse
from guardrails.model import (
    BankAnswer,
    Check,
    Decision,
    LeadState,
    Mode,
    Qualification,
    Reason,
    Verdict,
)
from guardrails.policy import (
    CompiledPolicy,
    GateInputs,
    reasons_of,
    state_of,
    verdict_of,
    would_send_at,
)
from guardrails.policy.case import utc


def review_body(
    inputs: GateInputs,
    policy: CompiledPolicy,
    checks: Sequence[Check],
    answer: BankAnswer | None,
    inputs_digest: str,
) -> dict[str, Any]:
    """Body of a review record. Times are UTC text; enums are their values."""
    verdict = verdict_of(checks)
    send_at = would_send_at(inputs, policy, verdict)
    told = {  # texts of rules: scrubbed where they were made
        "verdict": verdict.value,
        "state": state_of(verdict, inputs.mode).value,
        "checks": [_check(check) for check in checks],
        "reasons": [reason.model_dump(mode="json") for reason in reasons_of(checks)],
    }
    rest = {
        "bank": answer.model_dump(mode="json") if answer else None,
        "qualification": _summary(inputs.qualification),
        "known": _known(inputs),
        "mode": inputs.mode.value,
        "sandbox": inputs.sandbox,
        "policy_version": inputs.policy_version,
        "policy_digest": inputs.policy_digest,
        "bank_version": inputs.bank_version,
        "inputs_digest": inputs_digest,
        **_draft(inputs),
        "would_send_at": iso(send_at) if send_at else None,
        "decided_at": iso(inputs.now),
    }
    return {**told, **without_addresses(rest)}


def intake_body(
    row: int, state: LeadState, reasons: Sequence[Reason], mode: Mode, sandbox: bool, now: str
) -> dict[str, Any]:
    """Body of the record of a row that never became a lead."""
    body = {
        "row": row,
        "state": state.value,
        "reasons": [reason.model_dump(mode="json") for reason in reasons],
        "mode": mode.value,
        "sandbox": sandbox,
        "decided_at": now,
    }
    cleaned: dict[str, Any] = without_addresses(body)
    return cleaned


def decision_of(
    body: Mapping[str, Any], record: Mapping[str, Any], qualification: Qualification | None
) -> Decision:
    """The decision in a record's body.

    Args:
        record: its audit_id, hash, decision_id, lead_id and run_id.
        qualification: the caller's; the record keeps a summary only.
    """
    send_at = body["would_send_at"]
    return Decision(
        decision_id=record["decision_id"],
        lead_id=record["lead_id"],
        run_id=record["run_id"],
        verdict=Verdict(body["verdict"]),
        state=LeadState(body["state"]),
        checks=tuple(Check.model_validate(check) for check in body["checks"]),
        reasons=tuple(Reason.model_validate(reason) for reason in body["reasons"]),
        bank=BankAnswer.model_validate(body["bank"]) if body["bank"] else None,
        qualification=qualification,
        mode=Mode(body["mode"]),
        sandbox=body["sandbox"],
        policy_version=body["policy_version"],
        bank_version=body["bank_version"],
        inputs_digest=body["inputs_digest"],
        content_hash=body["content_hash"],
        would_send_at=parse(send_at) if send_at else None,
        decided_at=parse(body["decided_at"]),
        audit_id=record["audit_id"],
        audit_hash=record["hash"],
    )


def _check(check: Check) -> dict[str, str | None]:
    return {
        "rule": check.rule,
        "verdict": check.verdict.value,
        "code": check.code,
        "text": check.text,
        "would_pass_if": check.would_pass_if,
    }


def _draft(inputs: GateInputs) -> dict[str, Any]:
    draft, recipient = inputs.draft, inputs.dossier.lead.email or ""
    return {
        "content_hash": draft.content_hash(recipient) if draft else None,
        "template": draft.template if draft else None,
        "template_hash": draft.template_hash if draft else None,
        "scope": draft.scope.model_dump(mode="json") if draft else None,
    }


def _summary(found: Qualification | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {
        "score": found.score,
        "tier": found.tier,
        "segment": found.segment,
        "persona": found.persona,
        "multiplier": found.multiplier,
        "parts": [{"name": p.name, "points": p.points, "of": p.of} for p in found.parts],
        "unknown": list(found.unknown),
        "icp_version": found.icp_version,
    }


def _known(inputs: GateInputs) -> dict[str, Any]:
    """Which facts were known and from where, without their values."""
    dossier = inputs.dossier
    research = dossier.research
    return {
        "facts": {name: fact.source for name, fact in sorted(dossier.facts.items())},
        "news": len(research.news) if research else None,
        "crm": dossier.crm is not None,
        "outreach": dossier.outreach is not None,
        "memory": dossier.memory.answered if dossier.memory else None,
        "problems": [problem.code for problem in dossier.problems],
        "oldest_fact": _oldest(inputs),
    }


def _oldest(inputs: GateInputs) -> str | None:
    times = [utc(fact.fetched_at) for fact in inputs.dossier.facts.values()]
    return iso(min(times)) if times else None
