"""From a yes to a permit. Owns: claim, record, mint and bind, in this order, and what a no leaves.

The claim is made first, because caps and stop are decided in it and stand on the record; the
record is on disk before the permit exists (P2); the claim then takes this permit and no other.
Refuses to hand out a permit that is not bound: it could not be used.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

import jwt
from sqlalchemy import Connection

from guardrails.audit import AuditEntry, AuditLog, AuditRef
from guardrails.authorize_checks import blocked, deferred, passed
from guardrails.authorize_model import (
    Answer,
    Authorization,
    Basis,
    authorize_body,
)
from guardrails.authorize_rules import Purpose, require_leave
from guardrails.brakes.stop import StopSwitch
from guardrails.clock import Clock, iso
from guardrails.documents import Document, keep
from guardrails.errors import NotYet
from guardrails.ledger import AlreadySent, Claimed, Ledger, LedgerRefused, WriteEntry
from guardrails.model import Check, digest
from guardrails.permits import PermitMint, PermitRequest
from guardrails.policy import reasons_of
from guardrails.store import Store

ACTOR = "guardrails"


class PermitDesk:
    """Gives permits for what its caller has judged, and records what it has not let go.

    Args:
        seconds: how long a permit lives.
        purpose: of every permit.
    """

    def __init__(
        self,
        store: Store,
        audit: AuditLog,
        ledger: Ledger,
        mint: PermitMint,
        stop: StopSwitch,
        clock: Clock,
        seconds: int,
        purpose: Purpose = Purpose.WORK,
    ) -> None:
        self._purpose = purpose
        self._store = store
        self._audit = audit
        self._ledger = ledger
        self._mint = mint
        self._stop = stop
        self._clock = clock
        self._seconds = seconds

    async def standing(self, entry: WriteEntry, basis: Basis) -> Authorization | None:
        """The answer that the ledger gives before anything is judged; None when it has none.

        What was done, or may have been, shows at the vendor by now, and would be judged wrongly.
        """
        row = await self._ledger.recorded(entry.key)
        if row is None:
            return None
        try:
            if self._ledger.require_open(row, entry):
                return None
        except LedgerRefused as no:
            return await self._not_now(entry, [], basis, no)
        return Authorization(verdict="already", key=entry.key)

    async def issue(
        self,
        entry: WriteEntry,
        checks: Sequence[Check],
        basis: Basis,
        kept: Document | None = None,
    ) -> Authorization:
        """A permit, or why there is none for now.

        Args:
            kept: what it was judged from, to be kept beside the record.

        Raises:
            Stopped, StoreUnavailable, AuditUnwritable, AuditBroken, Refused: there is no permit;
                the same call may be made again.
        """
        try:
            epoch, claimed = await self._store.run(lambda conn: self._claim(conn, entry, kept))
        except (LedgerRefused, NotYet) as no:
            return await self._not_now(entry, checks, basis, no)
        if isinstance(claimed, AlreadySent):
            return Authorization(verdict="already", key=entry.key)
        basis = _judged_from(basis, kept)
        request = PermitRequest(
            action=entry.action.value,
            vendor=entry.vendor,
            key=entry.key,
            recipient_hash=entry.recipient_hash,
            content_hash=entry.content_hash,
            mode=basis.mode,
            policy_version=basis.policy_version,
            bank_version=basis.bank_version or "",
            approver=basis.approver,
            stop_epoch=epoch,
            purpose=self._purpose,
        )
        said = [*checks, passed("ledger", "Claimed: its place under every cap is held.")]
        body = authorize_body("permitted", entry, said, basis, caps=claimed.caps, permit=request)
        # No id of its own making: each permit has a record, and each record is of one claim.
        ref = await self._record(entry, body, None)
        return await self._bound(entry, request, ref)

    async def refuse(
        self,
        entry: WriteEntry,
        checks: Sequence[Check],
        basis: Basis,
        answer: Answer,
        *,
        not_before: datetime | None = None,
        kept: Document | None = None,
    ) -> Authorization:
        """Put a no, or a not yet, on record; the same one is recorded once a day."""
        if kept is not None:
            await self._store.run(lambda conn: keep(conn, [kept], iso(basis.at)))
        basis = _judged_from(basis, kept)
        body = authorize_body(answer, entry, checks, basis, not_before=not_before)
        reasons = reasons_of(checks)
        same = {
            "authorize": entry.key,
            "content": entry.content_hash,
            "answer": answer,
            "codes": [reason.code for reason in reasons],
            "day": basis.at.date().isoformat(),
        }
        ref = await self._record(entry, body, f"D-{digest(same)[:32]}")
        return Authorization(
            verdict=answer,
            key=entry.key,
            not_before=not_before,
            reasons=reasons,
            audit_id=ref.audit_id,
        )

    def _claim(
        self, conn: Connection, entry: WriteEntry, kept: Document | None
    ) -> tuple[int, Claimed | AlreadySent]:
        # Held until the claim is committed: a stop comes before it or after it.
        state = self._stop.state_in(conn, hold=True)
        require_leave(state, entry.action, self._purpose)
        claimed = self._ledger.claim(conn, entry)
        if kept is not None:
            keep(conn, [kept], iso(self._clock()))
        return state.epoch, claimed

    async def _bound(
        self, entry: WriteEntry, request: PermitRequest, ref: AuditRef
    ) -> Authorization:
        token = await asyncio.to_thread(self._mint.mint, request, ref, self._seconds)
        permit_id = str(jwt.decode(token, options={"verify_signature": False})["jti"])
        await self._store.run(lambda conn: self._ledger.bind(conn, entry.key, permit_id))
        return Authorization(
            verdict="permitted", key=entry.key, permit=token, audit_id=ref.audit_id
        )

    async def _not_now(
        self,
        entry: WriteEntry,
        checks: Sequence[Check],
        basis: Basis,
        no: LedgerRefused | NotYet,
    ) -> Authorization:
        if isinstance(no, NotYet):
            check = deferred("sending_caps", no.because, f"{no.message}.")
            return await self.refuse(
                entry, [*checks, check], basis, "deferred", not_before=no.not_before
            )
        if no.until is not None:
            check = deferred("ledger", no.why, f"{no.message}.")
            return await self.refuse(
                entry, [*checks, check], basis, "deferred", not_before=no.until
            )
        check = blocked("ledger", no.why, f"{no.message}.", no.remedy)
        return await self.refuse(entry, [*checks, check], basis, "refused")

    async def _record(
        self, entry: WriteEntry, body: dict[str, object], decision_id: str | None
    ) -> AuditRef:
        record = AuditEntry(
            kind="authorize",
            actor=ACTOR,
            body=body,
            decision_id=decision_id,
            lead_id=entry.lead_id,
            run_id=entry.run_id,
        )
        return (await self._audit.record([record]))[0]


def _judged_from(basis: Basis, kept: Document | None) -> Basis:
    return basis if kept is None else replace(basis, inputs_digest=kept.digest)
