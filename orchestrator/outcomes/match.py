"""Whom and which e-mail an event is about. Owns: finding it in the ledger, by keyed hashes.

Refuses to believe a key that an event names unless the ledger's row is about the very address that
the event is about. Somebody unknown is nobody's lead.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from sqlalchemy import Connection, desc, func, select

from guardrails.identity import dedupe_key, lead_id, recipient_hash, subject_hash
from guardrails.ledger_rows import LedgerRow, Status
from guardrails.store.tables import run_items
from guardrails.store.write_tables import writes
from orchestrator.outcomes.event import Event


@dataclass(frozen=True)
class Match:
    """What is known of it.

    Args:
        lead_id: None: unknown here.
        also: other ids of the same person that are known here.
        write_key: the e-mail; None: we never wrote to them.
        hashes: of the person's addresses, as the suppression list has them.
        email: an address of theirs, for those who protect it at vendors.
    """

    lead_id: str | None
    also: tuple[str, ...]
    write_key: str | None
    decision_audit_id: str | None
    run_id: str | None
    mailbox_hash: str | None
    sent: bool
    hashes: tuple[str, ...]
    email: str | None

    @property
    def lead_ids(self) -> tuple[str, ...]:
        """Every id of theirs."""
        return (*((self.lead_id,) if self.lead_id else ()), *self.also)


def find(conn: Connection, salt: bytes, event: Event) -> Match:
    """Look `event` up, in one read transaction."""
    hashes = _hashes(salt, event.email)
    if event.subject_hash:
        hashes.append(event.subject_hash)
    known = _leads(conn, salt, event)
    row = _write(conn, event, hashes, known)
    lead_ids = [*([row.lead_id] if row is not None and row.lead_id else []), *known]
    lead_ids = list(dict.fromkeys(lead_ids))
    email = _email_of(conn, lead_ids) if lead_ids else None
    # Whoever leaves may have answered from another address than the one we wrote to.
    hashes += _hashes(salt, email) + ([row.recipient_hash] if row is not None else [])
    return Match(
        lead_id=lead_ids[0] if lead_ids else None,
        also=tuple(lead_ids[1:]),
        write_key=row.key if row is not None else None,
        decision_audit_id=row.decision_audit_id if row is not None else None,
        run_id=row.run_id if row is not None else None,
        mailbox_hash=_mailbox(salt, event, row),
        sent=row is not None and row.status == Status.SENT.value,
        hashes=tuple(dict.fromkeys(hashes)),
        email=email or event.email,
    )


def email_of(conn: Connection, lead_id: str) -> str | None:
    """The address of a lead, as it came in; None when it was erased or never known."""
    return _email_of(conn, [lead_id])


def _hashes(salt: bytes, email: str | None) -> list[str]:
    """Of the address, and of the person behind it."""
    return [subject_hash(salt, one) for one in (email, dedupe_key(email))] if email else []


def _leads(conn: Connection, salt: bytes, event: Event) -> list[str]:
    """Ids of the person that are known here: named, by address, by contact."""
    asked = [event.lead_id] if event.lead_id else []
    if event.email:
        asked.append(lead_id(salt, dedupe_key(event.email)))
    found: list[str] = []
    for table in (run_items, writes) if asked else ():
        here = select(table.c.lead_id).where(table.c.lead_id.in_(asked)).distinct()
        found += conn.execute(here).scalars()
    if event.contact_id:
        contact = recipient_hash(salt, f"contact:{event.contact_id}")
        by_contact = (
            select(writes.c.lead_id)
            .where(writes.c.recipient_hash == contact, writes.c.lead_id.is_not(None))
            .order_by(desc(writes.c.created_at), writes.c.key)
        )
        found += conn.execute(by_contact).scalars()
    return list(dict.fromkeys(found))


def _write(conn: Connection, event: Event, hashes: list[str], known: list[str]) -> LedgerRow | None:
    """The e-mail that it is about: by its key, else the latest one to this person."""
    emails = select(writes).where(writes.c.counts.is_(True))
    if event.key:
        named = conn.execute(emails.where(writes.c.key == event.key)).mappings().first()
        if named and (named["recipient_hash"] in hashes or named["lead_id"] in known):
            return LedgerRow.of(named)
    sent_first = (writes.c.status == Status.SENT.value).desc()
    same_vendor = (writes.c.vendor == event.vendor).desc()
    latest = func.coalesce(writes.c.dispatched_at, writes.c.created_at).desc()
    # By lead first: that has an index, and an address can be written to under one lead only.
    for about in (writes.c.lead_id.in_(known), writes.c.recipient_hash.in_(hashes)):
        ordered = emails.where(about).order_by(sent_first, same_vendor, latest, writes.c.key)
        row = conn.execute(ordered.limit(1)).mappings().first()
        if row is not None:
            return LedgerRow.of(row)
    return None


def _mailbox(salt: bytes, event: Event, row: LedgerRow | None) -> str | None:
    if row is not None and row.mailbox_hash:
        return row.mailbox_hash
    return subject_hash(salt, event.mailbox) if event.mailbox else None


def _email_of(conn: Connection, lead_ids: list[str]) -> str | None:
    newest = (
        select(run_items.c.lead)
        .where(run_items.c.lead_id.in_(lead_ids), run_items.c.lead.is_not(None))
        .order_by(desc(run_items.c.updated_at))
        .limit(1)
    )
    text = conn.execute(newest).scalar()
    if text is None:
        return None
    try:
        email = json.loads(text).get("email")
    except ValueError:
        return None
    return email if isinstance(email, str) else None
