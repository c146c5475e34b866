"""Leave to write. Owns: what is judged between a recorded decision and a permit.

For an e-mail: decision -> intent -> fresh views under today's policy and bank -> window; then
`PermitDesk` claims, records, mints and binds. For any other write: the table of
`authorize_rules`. Permits and refusals are on record. Whatever cannot be read ends in an error,
never in a permit (P6). A crash anywhere leaves at most a claim, which the same call supersedes.

Refuses to take anybody's word: mode, policy, sender and decision come from configuration and
record; no argument approves anything.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial

from guardrails.approvers import ApproverList
from guardrails.audit import AuditLog
from guardrails.authorize_afresh import Afresh
from guardrails.authorize_approval import PersonsWord
from guardrails.authorize_checks import (
    Decided,
    InForce,
    blocked,
    joins_workflow,
    mode_check,
    of_the_lead,
    on_record,
    passed,
    says_the_draft,
    still_holds,
)
from guardrails.authorize_model import (
    Authorization,
    Basis,
    SendRequest,
    WriteRequest,
    answer_of,
    send_key,
)
from guardrails.authorize_permit import PermitDesk
from guardrails.authorize_rules import RULES, Purpose, WriteRule
from guardrails.bank import Bank
from guardrails.brakes.stop import StopSwitch
from guardrails.clock import Clock
from guardrails.config import Config
from guardrails.config.loader import policy_version
from guardrails.errors import BadInput
from guardrails.hive import Hive
from guardrails.ledger import Ledger, Status, WriteEntry
from guardrails.model import (
    Check,
    Sender,
    WriteAction,
    WriteIntent,
)
from guardrails.permits import PermitMint
from guardrails.store import Store

_SENDS = send_key("")
_NOT_CONSULTED = "not_consulted"  # no bank has a say in it


class Authorizer:
    """Judges one write at a time; many callers may wait at once.

    Args:
        config: its mode and policy are those of every permit.
        sender: the configured one; an e-mail of anybody else is refused.
        approvers: whose yes counts.
        purpose: of every permit; of the emergency stop, nothing but what holds sending.
    """

    def __init__(
        self,
        config: Config,
        hive: Hive,
        store: Store,
        audit: AuditLog,
        bank: Bank,
        stop: StopSwitch,
        clock: Clock,
        ledger: Ledger,
        *,
        sender: Sender | None,
        approvers: ApproverList,
        purpose: Purpose = Purpose.WORK,
    ) -> None:
        self._purpose = purpose
        self._campaign = config.production.delivery.instantly_campaign
        self._clock = clock
        self._ledger = ledger
        self._afresh = Afresh(config, hive, store, audit, bank, stop, clock, approvers)
        seconds = config.production.delivery.permit_seconds
        mint = PermitMint(hive, audit, stop, clock)
        self._desk = PermitDesk(store, audit, ledger, mint, stop, clock, seconds, purpose)
        self._force = partial(
            InForce,
            config.production.mode,
            hive.sandbox,
            policy_version(config),
            timedelta(days=config.production.delivery.decision_max_age_days),
            sender,
        )

    async def send(self, request: SendRequest) -> Authorization:
        """Leave to send the e-mail of a recorded decision, now.

        Raises:
            Stopped, StoreUnavailable, BankUnreadable, AuditUnwritable, AuditBroken, Refused:
                there is no permit; the same call may be made again.
            BadInput: the intent's recipient is no address.
        """
        await self._afresh.require_running()
        force = self._force(self._clock())
        decided = await self._afresh.decided(request.decision_audit_id)
        entry = self._email(request, decided, force)
        basis = self._basis(force, decided)
        said = await self._desk.standing(entry, basis)
        if said is not None:
            return said
        checks = [mode_check(force.mode), *on_record(decided, None, None)]
        persons: PersonsWord | None = None
        if decided.inputs is not None and answer_of(checks[1:]) == "permitted":
            persons = await self._afresh.persons_word(decided)
            basis = replace(basis, approver=persons.approver if persons else None)
            checks += still_holds(decided, force, persons.check if persons else None)
            checks += says_the_draft(
                request.intent, entry.key, decided.inputs, request.crm, force.sender
            )
            checks.append(await self._afresh.answered(decided.inputs.dossier))
        answer = answer_of(checks)
        if decided.inputs is None or answer != "permitted":
            return await self._desk.refuse(entry, checks, basis, answer)
        return await self._as_things_are(request, decided, entry, checks, basis)

    async def write(self, request: WriteRequest) -> Authorization:
        """Leave to do any other write, now.

        Raises:
            Stopped, StoreUnavailable, AuditUnwritable, AuditBroken, Refused: as `send`.
            BadInput: an e-mail, or a key that cannot be one of such a write.
        """
        await self._afresh.require_leave(request.intent.action, self._purpose)
        rule = RULES.get(request.intent.action)
        if rule is None:
            raise BadInput(f"{request.intent.action.value} is an e-mail: ask authorize_send")
        if request.key.startswith(_SENDS):
            raise BadInput(f"keys that begin with {_SENDS!r} are those of e-mails")
        force = self._force(self._clock())
        decided = await self._afresh.decided(request.decision_audit_id)
        entry = self._ledger.entry(
            request.key,
            request.intent,
            lead_id=request.lead_id or decided.lead_id,
            run_id=request.run_id or decided.run_id,
            decision_audit_id=request.decision_audit_id,
        )
        basis = self._basis(force, decided)
        said = await self._desk.standing(entry, basis)
        if said is not None:
            return said
        checks = [mode_check(force.mode), *self._named_campaign(request.intent)]
        if rule.needs == "decision":
            checks += await self._of_a_lead(request, decided, force, rule)
        answer = answer_of(checks)
        if answer != "permitted":
            return await self._desk.refuse(entry, checks, basis, answer)
        return await self._desk.issue(entry, checks, basis)

    async def _as_things_are(
        self,
        request: SendRequest,
        decided: Decided,
        entry: WriteEntry,
        checks: Sequence[Check],
        basis: Basis,
    ) -> Authorization:
        """The rest of `send`: what can have changed since the review."""
        views = (request.crm, request.outreach, request.memory)
        judged = await self._afresh.judge(decided, *views, approved=basis.approver is not None)
        basis = replace(basis, bank_version=judged.bank_version)
        checks = [*checks, *judged.checks]
        answer = answer_of(checks)
        if answer == "permitted":
            return await self._desk.issue(entry, checks, basis, judged.inputs)
        if answer == "refused":
            return await self._desk.refuse(entry, checks, basis, answer, kept=judged.inputs)
        return await self._desk.refuse(entry, checks, basis, answer, not_before=judged.opens)

    async def _of_a_lead(
        self, request: WriteRequest, decided: Decided, force: InForce, rule: WriteRule
    ) -> Sequence[Check]:
        found = on_record(decided, request.lead_id, request.run_id)
        if decided.inputs is None or answer_of(found) != "permitted":
            return found
        found += of_the_lead(request.intent, decided.inputs)
        sent = await self._ledger.recorded(send_key(request.decision_audit_id or ""))
        if sent is not None and sent.status is Status.SENT:
            found.append(passed("decision", "Its e-mail went out."))
        else:
            found += still_holds(decided, force)
        if rule.may_write:
            found += joins_workflow(request.intent, decided.inputs, force.mode)
            listed = await self._afresh.suppression(decided.inputs.dossier)
            if listed is not None:
                text = f"On the suppression list: {listed}."
                found.append(blocked("opted_out", "suppressed", text))
        return found

    def _named_campaign(self, intent: WriteIntent) -> Sequence[Check]:
        if intent.action is not WriteAction.CREATE_CAMPAIGN:
            return []
        # One for each set of hours, named after them.
        name = re.escape(self._campaign)
        if re.fullmatch(rf"campaign:{name}(?: \([^()]*\))?", intent.recipient):
            return [passed("campaign", "It is the configured campaign.")]
        text = "Only campaigns of the name in delivery.instantly_campaign are made here."
        return [blocked("campaign", "other_campaign", text)]

    def _email(self, request: SendRequest, decided: Decided, force: InForce) -> WriteEntry:
        inputs, not_since = decided.inputs, None
        draft = inputs.draft if inputs else None
        qualification = inputs.qualification if inputs else None
        if draft is not None and draft.scope.step == 1:
            # A first touch, so nobody may have written to them lately: by our own book, too.
            not_since = force.now - timedelta(days=self._afresh.recent_contact_days)
        return self._ledger.entry(
            send_key(request.decision_audit_id),
            request.intent,
            lead_id=decided.lead_id,
            run_id=decided.run_id,
            decision_audit_id=request.decision_audit_id,
            mailbox=str(request.intent.content.get("sender", "")),
            to=request.intent.recipient,
            tier=qualification.tier if qualification else None,
            not_since=not_since,
        )

    def _basis(self, force: InForce, decided: Decided) -> Basis:
        return Basis(
            mode=force.mode,
            sandbox=force.sandbox,
            policy_version=force.policy_version,
            bank_version=decided.body.get("bank_version", _NOT_CONSULTED),
            inputs_digest=None,
            at=force.now,
        )
