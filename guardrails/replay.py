"""Deriving a recorded decision again. Owns: reading recorded inputs, and the comparison (P7).

Only the record, the recorded inputs and the recorded policy are read: not today's bank, policy,
clock or network. Refuses inputs whose digest is not the recorded one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from guardrails.audit import AuditLog
from guardrails.bank import consult_slice
from guardrails.decisions import review_body
from guardrails.documents import load
from guardrails.errors import BadInput, NotFound
from guardrails.gate import pattern_of
from guardrails.policy import CompiledPolicy, GateInputs, PolicyDocument, evaluate
from guardrails.store import Store

_COMPARED = ("verdict", "state", "would_send_at")


@dataclass(frozen=True)
class Replayed:
    """A verdict as recorded and as derived again; `differences` is empty when they agree."""

    audit_id: str
    recorded: str
    replayed: str
    differences: tuple[str, ...]

    @property
    def same(self) -> bool:
        """Whether verdict, state, sending time and every check's answer agree."""
        return not self.differences


def replay(audit: AuditLog, store: Store, name: str) -> Replayed:
    """Derive the decision under an audit id, decision id, or a lead's latest one again.

    A record of leave to write gives the decision that it rests on.

    Raises:
        NotFound: no such record, or its inputs were erased with the person's data.
        BadInput: the record is not a decision about a draft or lead, or was made by a version
            whose inputs this one cannot read.
        AuditBroken: the stored inputs are not those that were recorded.
    """
    record, _ = find_decision(audit, name)
    if record["kind"] == "authorize" and record["body"]["decision_audit_id"]:
        record = find_record(audit, record["body"]["decision_audit_id"])
    if record["kind"] != "review":
        raise BadInput(f"{record['audit_id']} is a record of kind {record['kind']}: no inputs")
    body = record["body"]
    inputs = load(store, body["inputs_digest"], GateInputs)
    document = load(store, inputs.policy_digest, PolicyDocument)
    derived = _derive(inputs, CompiledPolicy(document), body["inputs_digest"])
    return Replayed(
        audit_id=record["audit_id"],
        recorded=f"{body['verdict']} ({body['state']})",
        replayed=f"{derived['verdict']} ({derived['state']})",
        differences=tuple(_differences(body, derived)),
    )


def find_record(audit: AuditLog, name: str) -> dict[str, Any]:
    """The audit record under an audit id, decision id or lead id.

    Raises:
        NotFound: there is none.
    """
    record = audit.find(name)
    if record is None:
        raise NotFound(f"nothing is on record under {name!r}")
    return record


def find_decision(audit: AuditLog, name: str) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """What somebody wants told who asks by `name`, and the newest record if that is another one.

    By audit or decision id: that record. Of a lead: the decision about it, though leaves to
    write, people's words and outcomes have come after it.

    Raises:
        NotFound: there is none.
    """
    newest = find_record(audit, name)
    body = newest["body"]
    about = body.get("decision_audit_id") or body.get("label_of")
    if newest["lead_id"] != name or not about:
        return newest, None
    return find_record(audit, about), newest


def _derive(inputs: GateInputs, policy: CompiledPolicy, inputs_digest: str) -> dict[str, Any]:
    answer = None
    if inputs.draft is not None and inputs.bank_slice is not None:
        pattern = pattern_of(inputs.dossier, inputs.draft)
        answer = consult_slice(inputs.bank_slice, pattern, policy.bank, inputs.now)
    checks = evaluate(inputs, policy, answer)
    return review_body(inputs, policy, checks, answer, inputs_digest)


def _differences(recorded: dict[str, Any], derived: dict[str, Any]) -> list[str]:
    found = [
        f"{name}: recorded {recorded[name]}, replayed {derived[name]}"
        for name in _COMPARED
        if recorded[name] != derived[name]
    ]
    before, after = _codes(recorded), _codes(derived)
    found += [f"only on record: {code}" for code in before if code not in after]
    found += [f"only in the replay: {code}" for code in after if code not in before]
    return found


def _codes(body: dict[str, Any]) -> list[str]:
    return [f"{check['rule']}: {check['verdict']} {check['code']}" for check in body["checks"]]
