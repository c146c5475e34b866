"""Who must not be written to, told to the vendors as well. Owns: which wish is still open, and how
it is carried out.

Our own list protects at once and alone; this keeps a campaign or a colleague at the vendor from
writing to them too: DND at the CRM where the contact is known, then a block at Instantly. A wish is
an outcome that suppresses and whose block is not in the ledger as done, so that it survives
whatever happens and is carried out once. Each goes by a permit, like any write. Refuses to hurry:
a wish that came to nothing rests, and after a week it is our own list that protects, as before.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import Connection, exists, select

from guardrails.clock import Clock, iso, parse
from guardrails.errors import BadInput, LeadQuarantined, ServerUnavailable, SwarmError
from guardrails.ledger_rows import Status
from guardrails.model import Mode
from guardrails.outcomes import RULES
from guardrails.store import Store
from guardrails.store.people_tables import outcomes
from guardrails.store.tables import run_items
from guardrails.store.write_tables import writes
from orchestrator.deliver_writes import Caller, Outcome, Whose, Writer
from orchestrator.mcp_session import ToolFailed
from orchestrator.outcomes.match import email_of
from servers.ghl import contract as ghl
from servers.ghl.contract_reads import PlanContact
from servers.ghl.contract_writes import SetDnd
from servers.instantly import contract as instantly
from servers.instantly.contract_writes import BlockAddress

log = structlog.get_logger(__name__)
REACH = timedelta(days=7)
_REST = timedelta(minutes=10)
_CRM_FIRST = timedelta(hours=1)  # for so long a CRM that cannot be asked holds up the block
_LOOKED_THROUGH = 50
_SUPPRESSING = tuple(kind.value for kind, rule in RULES.items() if rule.suppress is not None)
_ENDED = (Outcome.DONE, Outcome.FAILED)


@dataclass(frozen=True)
class Wish:
    """Somebody to be protected at the vendors."""

    outcome_id: str
    email: str
    since: datetime
    whose: Whose


def open_wishes(conn: Connection, since: datetime, resting: Collection[str] = ()) -> list[Wish]:
    """Outcomes since then that suppress, about e-mails of ours, whose block is not in the ledger
    as done, oldest first. Whose address was erased is not among them, nor what rests: neither
    stands in the way of those that came later."""
    mail = writes.alias()
    ended = (Status.SENT.value, Status.FAILED.value)
    key = "block:" + outcomes.c.outcome_id
    done = exists().where(writes.c.key == key, writes.c.status.in_(ended))
    known = exists().where(run_items.c.lead_id == outcomes.c.lead_id, run_items.c.lead.is_not(None))
    rows = conn.execute(
        select(outcomes, mail.c.run_id, mail.c.decision_audit_id)
        .join(mail, mail.c.key == outcomes.c.write_key)
        .where(outcomes.c.kind.in_(_SUPPRESSING), outcomes.c.lead_id.is_not(None))
        .where(outcomes.c.created_at >= iso(since), ~done, known)
        .where(outcomes.c.outcome_id.not_in(list(resting)))
        .order_by(outcomes.c.created_at, outcomes.c.outcome_id)
        .limit(_LOOKED_THROUGH)
    ).all()
    return list(_wishes(conn, rows))


class Protector:
    """Carries wishes out, over the queen's servers. In shadow it does nothing."""

    def __init__(
        self, store: Store, children: Caller, writer: Writer, clock: Clock, mode: Mode
    ) -> None:
        self._store = store
        self._children = children
        self._writer = writer
        self._clock = clock
        self._mode = mode
        self._resting: dict[str, datetime] = {}
        self._at_it: asyncio.Task[None] | None = None

    async def nudge(self) -> None:
        """Begin with what is open, unless it is being worked on; does not wait for the vendors."""
        if self._at_it is None or self._at_it.done():
            self._at_it = asyncio.create_task(self._guarded(), name="protect")

    async def _guarded(self) -> None:
        try:
            await self.run_once()
        except SwarmError as error:
            log.warning("not_protected_yet", code=error.code)

    async def run_once(self) -> int:
        """Whatever is open and does not rest. Gives how many were carried out.

        Raises:
            StoreUnavailable: the database cannot be asked.
        """
        if self._mode is Mode.SHADOW:
            return 0
        now = self._clock()
        self._resting = {name: until for name, until in self._resting.items() if until > now}
        wishes = await self._store.query(lambda conn: open_wishes(conn, now - REACH, self._resting))
        done = 0
        for wish in wishes:
            if await self.protect(wish):
                done += 1
            else:
                self._resting[wish.outcome_id] = now + _REST
        return done

    async def protect(self, wish: Wish) -> bool:
        """Set DND where the CRM knows them, then block the address. Whether both have ended."""
        try:
            told = await self._tell_crm(wish)
            if not told and self._clock() - wish.since < _CRM_FIRST:
                return False
            args = BlockAddress(key=f"block:{wish.outcome_id}", permit="", value=wish.email)
            fate = await self._writer.write(
                instantly.SERVER, instantly.BLOCK_ADDRESS, args, wish.whose
            )
        except (ToolFailed, ServerUnavailable, LeadQuarantined, BadInput) as error:
            code = error.as_failure().code
            log.warning("not_protected_yet", lead=wish.whose.lead_id, code=code)
            return False
        return fate.outcome in _ENDED

    async def _tell_crm(self, wish: Wish) -> bool:
        plan = await self._children.call(
            ghl.SERVER, ghl.PLAN_CONTACT, PlanContact(email=wish.email)
        )
        if plan.contact_id is None or plan.dnd.get("Email"):
            return True
        args = SetDnd(
            key=f"dnd:{wish.outcome_id}",
            permit="",
            contact_id=plan.contact_id,
            channels={**plan.dnd, "Email": "active"},
        )
        fate = await self._writer.write(ghl.SERVER, ghl.SET_DND, args, wish.whose)
        return fate.outcome in _ENDED


def _wishes(conn: Connection, rows: Sequence[Any]) -> Iterator[Wish]:
    for row in rows:
        email = email_of(conn, row.lead_id)
        if email is not None:
            whose = Whose(row.lead_id, row.run_id or "", row.decision_audit_id or "")
            yield Wish(row.outcome_id, email, parse(row.created_at), whose)
