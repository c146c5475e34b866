"""The nouns of the send ledger. Owns: what is entered, a row as it stands, and why one is refused.

Everybody appears by keyed hash. Refuses an entry for an e-mail that says neither from which
mailbox nor to which domain: it could not be counted.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal, TypedDict

from sqlalchemy import RowMapping

from guardrails.clock import iso, parse
from guardrails.errors import BadInput, Refused
from guardrails.identity import dedupe_key, lead_id, recipient_hash, registrable, subject_hash
from guardrails.model import WriteAction, WriteIntent

MAX_KEY = 120
_REF = 200
_KEY = re.compile(rf"[!-?A-~]{{1,{MAX_KEY}}}\Z")  # visible ASCII but for @: never an address


class Status(StrEnum):
    """Where a write stands. An e-mail never comes back from `sent`, `failed` or `unknown`."""

    PENDING = "pending"  # wanted; nobody may do it now, and certainly nothing was done
    CLAIMED = "claimed"  # budget held; may be dispatched once, under the bound permit
    DISPATCHING = "dispatching"  # the request may be on its way
    SENT = "sent"  # the vendor did it
    FAILED = "failed"  # the vendor certainly did not, and will not
    UNKNOWN = "unknown"  # nobody can tell: budget kept, for a reconciliation or a person


# Statuses under which an e-mail counts against the caps.
HELD = (Status.CLAIMED, Status.DISPATCHING, Status.SENT, Status.UNKNOWN)
# Doing these twice leaves the vendor as doing them once: an unknown fate may be tried again.
REPEATABLE = frozenset(
    {
        WriteAction.ACTIVATE_CAMPAIGN,
        WriteAction.PAUSE_CAMPAIGN,
        WriteAction.BLOCK_ADDRESS,
        WriteAction.UPSERT_CONTACT,
        WriteAction.ADD_TAGS,
        WriteAction.REMOVE_TAGS,
        WriteAction.UPDATE_OPPORTUNITY,
        WriteAction.REMOVE_FROM_WORKFLOW,
        WriteAction.SET_DND,
    }
)
Why = Literal[
    "no_entry",  # nobody claimed it
    "other_write",  # the key stands for something else
    "in_flight",  # its request may be on its way
    "fate_unknown",  # it may have happened
    "ended",  # the vendor refused it for good
    "already_written",  # this person got an e-mail under another key
    "given_up",  # its run was, or its submission was cancelled, while it was on its way
    "unrecognisable",  # nobody would know this person again by what is written down of them
    "not_claimed",  # there is no claim that this permit could dispatch
]


class LedgerRefused(Refused):
    """The ledger's no. `why` is its stable code; `until` says when it may answer otherwise."""

    def __init__(
        self, why: Why, message: str, *, remedy: str | None = None, until: datetime | None = None
    ) -> None:
        super().__init__(message, remedy=remedy)
        self.why: Why = why
        self.until = until


@dataclass(frozen=True)
class WriteEntry:
    """A write that somebody wants done. `Ledger.entry` makes one from an intent.

    Args:
        key: names this write for ever, e.g. `send:<delivery_id>`.
        tier: the lead's, 1 to 4; None when it was never scored.
        not_since: refuse an e-mail to somebody who got another one at or after this moment.
        same_person: recipient hash and lead id of their address without its tag: they may have
            been written to under these.
    """

    key: str
    vendor: str
    action: WriteAction
    recipient_hash: str
    content_hash: str
    lead_id: str | None = None
    run_id: str | None = None
    decision_audit_id: str | None = None
    mailbox_hash: str | None = None
    domain_hash: str | None = None
    tier: int | None = None
    not_since: datetime | None = None
    same_person: tuple[str, str] | None = None

    @property
    def counts(self) -> bool:
        """Whether it counts against the sending caps."""
        return self.action.is_email

    @property
    def recognisable(self) -> bool:
        """Whether its row would show this person to whoever comes with another of their spellings:
        it has the hash of their plain address, or the lead id that goes by it.
        """
        if self.same_person is None:
            return True
        address, lead = self.same_person
        return self.recipient_hash == address or self.lead_id == lead

    @property
    def identity(self) -> tuple[str, str, str, str]:
        """What the key stands for."""
        return (self.vendor, self.action.value, self.recipient_hash, self.content_hash)


@dataclass(frozen=True)
class LedgerRow:
    """One write as the ledger has it. Times are UTC."""

    key: str
    vendor: str
    action: WriteAction
    recipient_hash: str
    content_hash: str
    status: Status
    counts: bool
    lead_id: str | None
    run_id: str | None
    decision_audit_id: str | None
    mailbox_hash: str | None
    domain_hash: str | None
    permit_id: str | None
    vendor_ref: str | None
    result: Mapping[str, Any] | None
    note: str | None
    claimed_at: datetime | None
    dispatched_at: datetime | None
    ended_at: datetime | None
    created_at: datetime
    updated_at: datetime

    @property
    def identity(self) -> tuple[str, str, str, str]:
        """What the key stands for."""
        return (self.vendor, self.action.value, self.recipient_hash, self.content_hash)

    @property
    def repeatable(self) -> bool:
        """Whether an unknown fate may be tried again."""
        return self.action in REPEATABLE

    @classmethod
    def of(cls, row: RowMapping) -> LedgerRow:
        """The row as read from the database."""
        values = {field.name: row[field.name] for field in fields(cls)}
        for name, value in values.items():
            if name.endswith("_at") and value is not None:
                values[name] = parse(value)
        values["action"] = WriteAction(values["action"])
        values["status"] = Status(values["status"])
        values["result"] = json.loads(values["result"]) if values["result"] else None
        return cls(**values)


@dataclass(frozen=True)
class Claimed:
    """The write may be done once a permit is bound to it. `caps` is for the record."""

    row: LedgerRow
    caps: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class AlreadySent:
    """It was done before; `row` holds what the vendor answered."""

    row: LedgerRow


class About(TypedDict, total=False):
    """What an entry says beside the intent."""

    lead_id: str | None
    run_id: str | None
    decision_audit_id: str | None
    mailbox: str | None  # the sender's address; an e-mail needs it
    to: str | None  # the recipient's address; an e-mail needs it
    tier: int | None  # the lead's, 1 to 4
    not_since: datetime | None  # refuse if the recipient got another e-mail from then on


def entry_of(salt: bytes, key: str, intent: WriteIntent, about: About) -> WriteEntry:
    """An entry for `intent`.

    Raises:
        BadInput: no usable key, or an e-mail without its mailbox or recipient's address.
    """
    mailbox, to = about.get("mailbox"), about.get("to")
    if not _KEY.match(key):
        raise BadInput(
            f"a ledger key has 1 to {MAX_KEY} visible ASCII characters, and no @",
            remedy="Name the write after what it belongs to, e.g. note:<delivery id>.",
        )
    if intent.action.is_email and not (mailbox and to):
        raise BadInput(f"{key}: an e-mail needs its mailbox and its recipient's address")
    domain = registrable(to.rpartition("@")[2]) if to else None
    return WriteEntry(
        key=key,
        vendor=intent.vendor,
        action=intent.action,
        recipient_hash=recipient_hash(salt, intent.recipient),
        content_hash=intent.content_hash,
        lead_id=about.get("lead_id"),
        run_id=about.get("run_id"),
        decision_audit_id=about.get("decision_audit_id"),
        mailbox_hash=subject_hash(salt, mailbox) if mailbox else None,
        domain_hash=subject_hash(salt, domain) if domain else None,
        tier=about.get("tier"),
        not_since=about.get("not_since"),
        same_person=_untagged(salt, to) if to else None,
    )


def _untagged(salt: bytes, to: str) -> tuple[str, str]:
    plain = dedupe_key(to)
    return subject_hash(salt, plain), lead_id(salt, plain)


def fresh_row(entry: WriteEntry, now: datetime) -> dict[str, Any]:
    """A new row, pending."""
    return {
        "key": entry.key,
        "vendor": entry.vendor,
        "action": entry.action.value,
        "recipient_hash": entry.recipient_hash,
        "content_hash": entry.content_hash,
        "status": Status.PENDING.value,
        "counts": entry.counts,
        "lead_id": entry.lead_id,
        "run_id": entry.run_id,
        "decision_audit_id": entry.decision_audit_id,
        "mailbox_hash": entry.mailbox_hash,
        "domain_hash": entry.domain_hash,
        "permit_id": None,
        "vendor_ref": None,
        "result": None,
        "note": None,
        "claimed_at": None,
        "dispatched_at": None,
        "ended_at": None,
        "created_at": iso(now),
        "updated_at": iso(now),
    }


def short_ref(vendor_ref: str | None) -> str | None:
    """As much of a vendor's reference as the column holds; `result` has the whole."""
    return vendor_ref[:_REF] if vendor_ref else None
