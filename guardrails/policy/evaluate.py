"""Evaluation of one case against the whole policy. Owns: the order of rules and the verdict.

Pure: the same inputs, policy and bank answer give the same checks, today and in a replay. Every
rule that applies speaks, so that a person sees all reasons at once; the most severe decides.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from guardrails.model import BankAnswer, Check, LeadState, Mode, Reason, Verdict
from guardrails.policy import (
    address,
    claims,
    consent,
    content,
    injection,
    lookups,
    memory,
    past,
    who,
)
from guardrails.policy.case import Case, CompiledPolicy
from guardrails.policy.inputs import GateInputs
from guardrails.policy.rules import Rule
from guardrails.policy.words import scrub
from guardrails.schedule import next_send, window_zones

ALWAYS: tuple[Rule, ...] = (
    *who.RULES,
    *address.RULES,
    *consent.RULES,
)
LOOKUPS: tuple[Rule, ...] = lookups.RULES
DRAFT: tuple[Rule, ...] = (*content.RULES, *claims.RULES)
OUTSIDE: tuple[Rule, ...] = injection.RULES
PAST: tuple[Rule, ...] = past.RULES

_STATES = {
    Verdict.DISQUALIFY: LeadState.DISQUALIFIED,
    Verdict.BLOCK: LeadState.BLOCKED,
    Verdict.DEFER: LeadState.DEFERRED,
    Verdict.REVIEW: LeadState.REVIEW,
}
_AWAY = Verdict.BLOCK.severity
_PASSED = {
    Mode.SHADOW: LeadState.SHADOW_LOGGED,
    Mode.ASSISTED: LeadState.AWAITING_APPROVAL,
    Mode.LIVE: LeadState.READY,
}


def evaluate(
    inputs: GateInputs, policy: CompiledPolicy, bank: BankAnswer | None = None
) -> list[Check]:
    """Every check of the policy over these inputs, in the gate's order.

    Look-ups are not asked of a lead that was turned away before a draft was written: nobody made
    them, and they could not change the answer.
    """
    case = Case(inputs, policy, bank)
    checks = _run(_of_everybody(inputs), case)
    if inputs.draft is not None or verdict_of(checks).severity < _AWAY:
        checks += _run(LOOKUPS, case)
    if inputs.draft is not None:
        checks += _run(DRAFT, case)
    checks += _run(OUTSIDE, case)
    if inputs.draft is not None:
        checks += _run(PAST, case)
    elif verdict_of(checks).severity <= Verdict.DEFER.severity:
        checks += _no_draft(inputs.notes)
    return checks


def turned_away(inputs: GateInputs, policy: CompiledPolicy) -> bool:
    """Whether the lead itself is out, by the rules that `evaluate` asks of every lead.

    The same as a verdict of block or worse over those checks, without making them: whoever only
    wants to know whether further work on the lead is worth while stops at the first no.
    """
    case = Case(inputs, policy, None)
    rules = _of_everybody(inputs)
    return any(found.verdict.severity >= _AWAY for rule in rules for found in rule.find(case))


def verdict_of(checks: Iterable[Check]) -> Verdict:
    """The most severe; `pass` only when there are checks and all of them passed.

    No checks at all is a block: nothing was looked at.
    """
    return max((check.verdict for check in checks), key=_severity, default=Verdict.BLOCK)


def state_of(verdict: Verdict, mode: Mode) -> LeadState:
    """Where the lead ends up with this verdict in this mode."""
    return _STATES.get(verdict) or _PASSED[mode]


def reasons_of(checks: Sequence[Check]) -> tuple[Reason, ...]:
    """What did not pass, most severe first."""
    failing = [check for check in checks if check.verdict is not Verdict.PASS]
    failing.sort(key=lambda check: -check.verdict.severity)
    return tuple(
        Reason(code=check.code, text=check.text, remedy=check.would_pass_if) for check in failing
    )


def would_send_at(inputs: GateInputs, policy: CompiledPolicy, verdict: Verdict) -> datetime | None:
    """When this draft could go out, for drafts that pass or wait for a person."""
    if inputs.draft is None or verdict not in {Verdict.PASS, Verdict.REVIEW}:
        return None
    zones = window_zones(inputs.dossier.lead, inputs.dossier.facts, inputs.now)
    return next_send(inputs.now, zones, policy.window) if zones else None


def _of_everybody(inputs: GateInputs) -> tuple[Rule, ...]:
    """Where no memory was asked there is no check of it, as on records from before one was."""
    return ALWAYS if inputs.dossier.memory is None else (*ALWAYS, *memory.RULES)


def _run(rules: Iterable[Rule], case: Case) -> list[Check]:
    return [check for rule in rules for check in rule.check(case)]


def _no_draft(notes: Sequence[Reason]) -> list[Check]:
    given = notes or (Reason(code="no_draft", text="No draft was written, and nobody said why."),)
    return [
        Check(
            rule="draft",
            verdict=Verdict.DEFER,
            code=note.code,
            text=scrub(note.text),
            would_pass_if=scrub(note.remedy) if note.remedy else None,
        )
        for note in given
    ]


def _severity(verdict: Verdict) -> int:
    return verdict.severity
