"""Small helpers for tests of the send ledger: invented e-mails, and one transaction per call."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from guardrails.clock import Clock
from guardrails.config.models import SendingLimits
from guardrails.ledger import AlreadySent, Claimed, Ledger, LedgerRow, WriteEntry
from guardrails.ledger_pauses import pause
from guardrails.model import Mode, WriteAction, WriteIntent
from guardrails.permits import Permit
from guardrails.store import Store

SALT = b"salt"
LEASE_S = 60
STALE_S = 300
MAILBOX = "robin.hale@chiefaiofficer.example"


def limits(**changes: int) -> SendingLimits:
    """Limits far away, but for those given."""
    far = {
        "per_day": 1000,
        "per_hour": 1000,
        "per_recipient_domain_hour": 1000,
        "per_mailbox_day": 1000,
        "per_mailbox_day_hard": 1000,
        "spacing_s": 0,
        "ramp_per_day": 5,
        "ramp_clean_days": 0,
    }
    return SendingLimits.model_validate(far | changes)


def ledger_of(
    store: Store, clock: Clock, given: SendingLimits | None = None, zone: str = "UTC"
) -> Ledger:
    """A ledger with a lease of a minute; a call is dead after five."""
    return Ledger(
        store, clock, SALT, given or limits(), LEASE_S, zone=ZoneInfo(zone), stale_s=STALE_S
    )


def email(to: str, body: str = "Hello") -> WriteIntent:
    """One e-mail."""
    content = {"sender": MAILBOX, "subject": "Hiring", "body": body}
    return WriteIntent(vendor="ghl", action=WriteAction.SEND_EMAIL, recipient=to, content=content)


def write(action: WriteAction, recipient: str = "contact:c1", **content: Any) -> WriteIntent:
    """Any other write."""
    return WriteIntent(vendor="ghl", action=action, recipient=recipient, content=content)


def permit_for(row: LedgerRow, permit_id: str) -> Permit:
    """A permit for exactly this row, as the check would hand it over."""
    return Permit(
        action=row.action.value,
        vendor=row.vendor,
        key=row.key,
        recipient_hash=row.recipient_hash,
        content_hash=row.content_hash,
        mode=Mode.LIVE,
        policy_version="p",
        bank_version="b",
        stop_epoch=0,
        jti=permit_id,
        audit_id="A-1",
        audit_hash="0" * 64,
        iat=0,
        exp=30,
    )


class Book:
    """A ledger with a transaction around each of its methods."""

    def __init__(
        self, store: Store, clock: Clock, given: SendingLimits | None = None, zone: str = "UTC"
    ) -> None:
        self.store, self.clock = store, clock
        self.ledger = ledger_of(store, clock, given, zone)
        self._permits = 0

    def entry(self, key: str, intent: WriteIntent | None = None, **about: Any) -> WriteEntry:
        """An e-mail to somebody of a company named after the key, unless told otherwise."""
        intent = intent or email(f"ana@{key}.example".replace(":", "-"))
        known = {"mailbox": MAILBOX, "to": intent.recipient} if intent.action.is_email else {}
        return self.ledger.entry(key, intent, **(known | about))

    def claim(
        self, key: str, intent: WriteIntent | None = None, **about: Any
    ) -> Claimed | AlreadySent:
        with self.store.transaction() as conn:
            return self.ledger.claim(conn, self.entry(key, intent, **about))

    def bind(self, key: str, permit_id: str | None = None) -> Permit:
        """Bind a permit, a new one if none is named."""
        self._permits += 1
        name = permit_id or f"P-{self._permits}"
        with self.store.transaction() as conn:
            self.ledger.bind(conn, key, name)
        return permit_for(self.row(key), name)

    def dispatch(self, key: str, permit: Permit) -> None:
        with self.store.transaction() as conn:
            self.ledger.dispatch(conn, key, permit)

    def end(self, key: str, status: Any, **said: Any) -> LedgerRow:
        """By the permit that the row has, unless told otherwise."""
        with self.store.read() as conn:
            row = self.ledger.find(conn, key)
        said = {"permit_id": row.permit_id if row else None} | said
        with self.store.transaction() as conn:
            return self.ledger.end(conn, key, status, **said)

    def dispatched(self, key: str, intent: WriteIntent | None = None, **about: Any) -> Permit:
        """Claimed, bound and dispatched."""
        self.claim(key, intent, **about)
        permit = self.bind(key)
        self.dispatch(key, permit)
        return permit

    def sent(self, key: str, intent: WriteIntent | None = None, **about: Any) -> None:
        """All the way."""
        self.dispatched(key, intent, **about)
        self.end(key, "sent", vendor_ref=f"ref-{key}", result={"id": key})

    def resolve(self, key: str, *, happened: bool, note: str = "seen at the vendor") -> LedgerRow:
        with self.store.transaction() as conn:
            return self.ledger.resolve(conn, key, happened, note)

    def sweep(self) -> tuple[str, ...]:
        with self.store.transaction() as conn:
            return self.ledger.sweep(conn)

    def unknown(self) -> list[str]:
        with self.store.read() as conn:
            return [row.key for row in self.ledger.unknown(conn)]

    def pause(self, until: datetime, scope: str = "*", reason: str = "bounces") -> bool:
        with self.store.transaction() as conn:
            return pause(conn, scope, until, reason, self.clock())

    def row(self, key: str) -> LedgerRow:
        with self.store.read() as conn:
            found = self.ledger.find(conn, key)
        assert found is not None
        return found

    def status(self, key: str) -> str:
        return self.row(key).status.value

    def held(self, **about: Any) -> Mapping[str, Any]:
        """What the caps see, as a claim that changes nothing would."""
        with self.store.transaction() as conn:
            claimed = self.ledger.claim(conn, self.entry("probe", **about))
            assert isinstance(claimed, Claimed)
            assert claimed.caps is not None
            found = claimed.caps
            self.ledger.end(conn, "probe", "pending")
        return found
