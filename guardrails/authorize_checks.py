"""What must be so before a write may be done. Owns: the checks that are not policy rules.

Pure: a record, recorded inputs, the intent and the moment go in; checks come out. Passing ones
speak too, so that the record shows what was looked at. No text here quotes a person's data.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from guardrails.clock import parse
from guardrails.errors import BadInput
from guardrails.identity import normalise_email
from guardrails.model import (
    Check,
    CrmView,
    LeadState,
    Mode,
    Sender,
    Verdict,
    WriteAction,
    WriteIntent,
)
from guardrails.policy import GateInputs

# What an e-mail's intent says beside sender, subject and body.
BESIDE: dict[WriteAction, frozenset[str]] = {
    WriteAction.ENROL_LEAD: frozenset({"key", "campaign_id"}),
    WriteAction.SEND_EMAIL: frozenset({"contact_id"}),
}
_TEXTS = frozenset({"sender", "subject", "body"})
_AHEAD = timedelta(seconds=5)  # clocks of two machines
_AGAIN = "the lead is decided again"


@dataclass(frozen=True)
class Decided:
    """A recorded decision with its inputs; None where there is none (any more)."""

    record: Mapping[str, Any] | None
    inputs: GateInputs | None

    @property
    def lead_id(self) -> str | None:
        """The lead it is about."""
        return self.record["lead_id"] if self.record else None

    @property
    def run_id(self) -> str | None:
        """The run it belongs to."""
        return self.record["run_id"] if self.record else None

    @property
    def body(self) -> Mapping[str, Any]:
        """The record's body; empty without one."""
        return self.record["body"] if self.record else {}


@dataclass(frozen=True)
class InForce:
    """What decisions are held against: the configuration and the moment."""

    mode: Mode
    sandbox: bool
    policy_version: str
    max_age: timedelta
    sender: Sender | None
    now: datetime


def passed(rule: str, text: str) -> Check:
    """A check that passed."""
    return Check(rule=rule, verdict=Verdict.PASS, code="ok", text=text)


def blocked(rule: str, code: str, text: str, would_pass_if: str | None = None) -> Check:
    """A check that says no."""
    return _failed(Verdict.BLOCK, rule, code, text, would_pass_if)


def deferred(rule: str, code: str, text: str, would_pass_if: str | None = None) -> Check:
    """A check that says not now."""
    return _failed(Verdict.DEFER, rule, code, text, would_pass_if)


def mode_check(mode: Mode) -> Check:
    """Nothing is written in shadow."""
    if mode is Mode.SHADOW:
        return blocked("mode", "mode_shadow", "Shadow writes nothing outside.", "mode is live")
    return passed("mode", f"The mode is {mode.value}.")


def on_record(decided: Decided, lead_id: str | None, run_id: str | None) -> list[Check]:
    """A decision of this hive about this lead; `lead_id` and `run_id` None: whoever it is."""
    record = decided.record
    if record is None or record["kind"] != "review":
        return [blocked("decision", "no_decision", "No decision of this hive is under that id.")]
    stated = (lead_id or record["lead_id"], run_id or record["run_id"])
    if stated != (record["lead_id"], record["run_id"]):
        return [blocked("decision", "other_lead", "The decision is about another lead or run.")]
    if decided.inputs is None:
        text = "What the decision was made from has been erased with the person's data."
        return [blocked("decision", "decision_erased", text)]
    return [passed("decision", f"Decision {record['audit_id']} is on record.")]


def still_holds(decided: Decided, force: InForce, persons: Check | None = None) -> Iterator[Check]:
    """The decision lets an e-mail go, here, in this mode, under this policy, and is not old.

    Args:
        persons: what a person's word on it comes to, where only a person could let it go.
    """
    body = decided.body
    if body.get("mode") != force.mode.value or body.get("sandbox") is not force.sandbox:
        yield blocked("decision", "other_mode", "It was made in another mode.", _AGAIN)
    elif persons is not None:
        yield persons
    elif (body["verdict"], body["state"]) != (Verdict.PASS, LeadState.READY):
        yield blocked("decision", "not_ready", f"The decision was {body['state']}.")
    else:
        yield passed("decision", "It lets the e-mail go.")
    if body.get("policy_version") != force.policy_version:
        yield blocked("decision", "policy_changed", "The policy has changed since.", _AGAIN)
    age = force.now - parse(body["decided_at"])
    if not -_AHEAD <= age <= force.max_age:
        days = force.max_age / timedelta(days=1)
        yield blocked("decision", "decision_old", f"It is older than {days:g} days.", _AGAIN)


def says_the_draft(
    intent: WriteIntent, key: str, inputs: GateInputs, crm: CrmView | None, sender: Sender | None
) -> Iterator[Check]:
    """The intent says exactly the recorded recipient, sender, subject and body."""
    beside = BESIDE.get(intent.action)
    draft = inputs.draft
    if intent.action is WriteAction.REPLY_EMAIL:
        text = "Nothing decides about answers yet, so that no answer is let go."
        yield blocked("intent", "no_reply_decision", text, "a person answers in the inbox itself")
        return
    if beside is None or draft is None:
        text = f"{intent.action.value} is no e-mail that a decision about a first touch allows."
        yield blocked("intent", "not_this_email", text)
        return
    content = intent.content
    said = {name: content.get(name) for name in _TEXTS}
    due = {"sender": draft.sender.email, "subject": draft.subject, "body": draft.body}
    wrong = sorted(name for name in _TEXTS if said[name] != due[name])
    if intent.recipient != _address(inputs.dossier.lead.email):
        wrong.append("recipient")
    if set(content) != _TEXTS | beside or content.get("key", key) != key:
        wrong.append("form")
    if wrong:
        text = f"It differs from what was decided: {', '.join(wrong)}."
        yield blocked("intent", "other_content", text, "exactly the decided e-mail is asked for")
    else:
        yield passed("intent", "Recipient, sender, subject and body are those that were decided.")
    if sender is None or draft.sender != sender:
        yield blocked("intent", "sender_changed", "The configured sender is another now.", _AGAIN)
    if "contact_id" in beside and (crm is None or content.get("contact_id") != crm.contact_id):
        text = "The CRM has this person under another contact, or under none."
        yield blocked("intent", "other_contact", text, "the contact is looked up again")


def of_the_lead(intent: WriteIntent, inputs: GateInputs) -> Iterator[Check]:
    """A write that names an address names the lead's."""
    if "@" in intent.recipient and intent.recipient != _address(inputs.dossier.lead.email):
        yield blocked("intent", "other_recipient", "It is about another address than the lead's.")


def joins_workflow(intent: WriteIntent, inputs: GateInputs, mode: Mode) -> Iterator[Check]:
    """A workflow may write to people by itself: without a person's look, in live alone, and only
    to the contact of whom the decision is."""
    if mode is not Mode.LIVE:
        text = f"A workflow writes by itself; in {mode.value} a person approves every e-mail."
        yield blocked("mode", "workflow_unattended", text, "a person adds them in the CRM")
    crm = inputs.dossier.crm
    if crm is None or intent.recipient != f"contact:{crm.contact_id}":
        text = "The CRM had the decision's person under another contact, or under none."
        yield blocked("intent", "other_contact", text, _AGAIN)


def sending_window(opens: datetime | None, now: datetime) -> Check:
    """The recipient's hours; `opens` is when they are next (or now)."""
    if opens is None:
        return deferred("sending_window", "no_sending_time", "The recipient's hours never come.")
    if opens > now:
        text = "It is outside the recipient's hours."
        return deferred("sending_window", "outside_window", text, "their hours have come")
    return passed("sending_window", "It is within the recipient's hours.")


def _address(email: str | None) -> str | None:
    try:
        return normalise_email(email or "")
    except BadInput:
        return None


def _failed(verdict: Verdict, rule: str, code: str, text: str, would_pass_if: str | None) -> Check:
    return Check(rule=rule, verdict=verdict, code=code, text=text, would_pass_if=would_pass_if)
