"""The send ledger (P3). Owns: every write at a vendor, from the wish to its end, each once.

    pending -> claimed -> dispatching -> sent | failed | unknown

A row is bound to its action, recipient and content for ever. An e-mail that was dispatched is
dispatched again only if certainly nothing was sent (back to pending); from `sent`, `failed` and
`unknown` no way leads back. Writes that are idempotent at the vendor may be claimed again from
`unknown`. The sending caps are decided inside the claim, under one lock.

Every method with a `conn` works inside its caller's write transaction; what raises leaves nothing
behind in it. Refuses to guess: whoever died while dispatching leaves an unknown fate.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Literal, Unpack
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from guardrails import ledger_fates as fates
from guardrails import ledger_table as table
from guardrails.clock import Clock, iso
from guardrails.config.models import Production, SendingLimits
from guardrails.ledger_caps import SendingCaps
from guardrails.ledger_rows import (
    HELD,
    About,
    AlreadySent,
    Claimed,
    LedgerRefused,
    LedgerRow,
    Status,
    WriteEntry,
    entry_of,
    fresh_row,
    short_ref,
)
from guardrails.model import WriteIntent
from guardrails.permits import Permit
from guardrails.store import Store, insert_if_absent
from guardrails.store.write_tables import writes

End = Literal["sent", "failed", "unknown", "pending"]
_AFTER_PERMIT_S = 30  # between claim and permit: the audit record
_AFTER_CALL_S = 240


class Ledger:
    """The table `writes`. Safe to share between threads.

    Args:
        salt: the hive's; people stand here by keyed hash.
        lease_s: how long a claim that nobody dispatches holds its place in the caps.
        zone: where a day of sending is cut.
        stale_s: no call lasts as long: whoever is dispatching since then has died.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        salt: bytes,
        limits: SendingLimits,
        lease_s: float,
        *,
        zone: ZoneInfo,
        stale_s: float,
    ) -> None:
        self._store = store
        self._clock = clock
        self._salt = salt
        self._lease = timedelta(seconds=lease_s)
        self._stale = timedelta(seconds=stale_s)
        self._caps = SendingCaps(limits, zone, self._lease)

    @classmethod
    def of(cls, production: Production, store: Store, clock: Clock, salt: bytes) -> Ledger:
        """The ledger under this configuration."""
        vendors = (production.vendors.ghl, production.vendors.instantly)
        longest = max(vendor.timeouts.total for vendor in vendors)
        permit_s = production.delivery.permit_seconds
        return cls(
            store,
            clock,
            salt,
            production.sending_limits,
            permit_s + _AFTER_PERMIT_S,
            zone=ZoneInfo(production.spend.time_zone),
            # Who stood still after the dispatch may yet begin the call while the permit lives.
            stale_s=longest + max(permit_s, _AFTER_CALL_S),
        )

    def held(self, conn: Connection) -> dict[str, Any]:
        """What e-mails hold of the caps of a day and an hour now, for people to read."""
        return self._caps.held(conn, self._clock())

    def entry(self, key: str, intent: WriteIntent, **about: Unpack[About]) -> WriteEntry:
        """What `claim` takes; `key` names this write for ever.

        Raises:
            BadInput: no usable key, or an e-mail without `mailbox` or `to`.
        """
        return entry_of(self._salt, key, intent, about)

    def claim(self, conn: Connection, entry: WriteEntry) -> Claimed | AlreadySent:
        """Hold this write, and its place under every cap, for whoever gets the permit.

        A claim that was not dispatched is superseded: the permit bound to it is void.

        Raises:
            LedgerRefused: the key stands for another write, or this one is in flight, of
                unknown fate or refused by the vendor; or it was given up, or the recipient got
                another e-mail, or would not be known again.
            NotYet: a cap or a pause leaves no room.
        """
        with conn.begin_nested():  # all of it or nothing, also for a caller who goes on
            now = self._clock()
            if entry.counts:
                table.lock_sending(conn)
                table.release_expired(conn, now, now - self._lease)
            insert_if_absent(conn, writes, fresh_row(entry, now))
            row = self._held(conn, entry.key)
            if not self.require_open(row, entry):
                return AlreadySent(row)
            caps = None
            if entry.counts:
                fates.require_wanted(conn, entry)
                fates.require_first(conn, entry)
                caps = self._caps.require_room(conn, entry, now)
            fresh: dict[str, Any] = dict.fromkeys(_CLAIM_CLEARS)
            self._set(conn, entry.key, status=Status.CLAIMED.value, claimed_at=iso(now), **fresh)
            return Claimed(self._held(conn, entry.key), caps)

    def require_open(self, row: LedgerRow, entry: WriteEntry) -> bool:
        """Whether `claim` would take `entry` over `row`; False when it was done already.

        Raises:
            LedgerRefused: as `claim`.
        """
        return fates.require_open(row, entry, self._stale, self._clock())

    def bind(self, conn: Connection, key: str, permit_id: str) -> None:
        """Let exactly this permit dispatch the claim.

        Raises:
            LedgerRefused: it is not claimed, or bound to another permit.
        """
        row = self._held(conn, key)
        if row.status is not Status.CLAIMED or row.permit_id not in (None, permit_id):
            raise LedgerRefused("not_claimed", f"{key} is {row.status}: no permit is bound to it")
        self._set(conn, key, permit_id=permit_id)

    def dispatch(self, conn: Connection, key: str, permit: Permit) -> None:
        """Claimed to dispatching, in the transaction that spends `permit`.

        Raises:
            LedgerRefused: there is no such claim, it was superseded, has ended or is for
                something else than the permit. Nothing may be sent.
        """
        row, now = self._held(conn, key), self._clock()
        if row.status is not Status.CLAIMED or row.permit_id != permit.jti:
            raise LedgerRefused("not_claimed", f"{key} is {row.status}: not this permit's claim")
        if row.claimed_at is None or row.claimed_at + self._lease <= now:
            raise LedgerRefused("not_claimed", f"the claim of {key} has run out")
        stated = (permit.vendor, permit.action, permit.recipient_hash, permit.content_hash)
        if row.identity != stated:
            raise LedgerRefused("other_write", f"{key} stands for another write than the permit")
        self._set(conn, key, status=Status.DISPATCHING.value, dispatched_at=iso(now))

    def end(
        self,
        conn: Connection,
        key: str,
        status: End,
        *,
        vendor_ref: str | None = None,
        result: Mapping[str, Any] | None = None,
        note: str | None = None,
        permit_id: str | None = None,
    ) -> LedgerRow:
        """Write down how a write ended; the row as it stands afterwards.

        That it is there (`sent`), or that nobody can tell (`unknown`), may be said by anybody who
        looked; that a write under way did not happen (`failed`, `pending`) by whoever dispatched
        it alone. What has ended stays as it is, but an unknown fate can become known; a write
        never becomes pending from it. A word that is not heard changes nothing.

        Args:
            permit_id: of the permit that dispatched it; nothing changes if it is another's now.

        Raises:
            LedgerRefused: there is no such entry.
        """
        row = self._held(conn, key)
        if permit_id is not None and row.permit_id != permit_id:
            return row
        to = fates.becomes(row, Status(status), by_owner=permit_id is not None)
        if to is None:
            return row
        said = {"vendor_ref": short_ref(vendor_ref), "note": note}
        said["result"] = None if result is None else json.dumps(dict(result))
        ended = None if to is Status.PENDING else iso(self._clock())
        kept = {name: value for name, value in said.items() if value is not None}
        self._set(conn, key, status=to.value, ended_at=ended, **kept)
        return self._held(conn, key)

    def find(self, conn: Connection, key: str) -> LedgerRow | None:
        """The row under `key`, if there is one."""
        return table.read(conn, key)

    async def recorded(self, key: str) -> LedgerRow | None:
        """`find`, in a read transaction of its own. Raises StoreUnavailable."""
        return await self._store.query(lambda conn: self.find(conn, key))

    def unknown(self, conn: Connection) -> tuple[LedgerRow, ...]:
        """Writes that may have happened, oldest first, those of the dead among them."""
        return table.unknown_rows(conn, self._clock() - self._stale)

    def sweep(self, conn: Connection) -> tuple[str, ...]:
        """Mark as unknown what was dispatched so long ago that nobody can be at it any more.

        Returns:
            The keys.
        """
        now = self._clock()
        return fates.sweep(conn, now, now - self._stale)

    def resolve(self, conn: Connection, key: str, happened: bool, note: str) -> LedgerRow:
        """A person says what became of an unknown fate: sent, or failed.

        Raises:
            NotFound: no such entry.
            BadInput: no reason, or its fate is not unknown, or not yet.
        """
        now = self._clock()
        fates.resolve(conn, key, happened, note, now, now - self._stale)
        return self._held(conn, key)

    def _held(self, conn: Connection, key: str) -> LedgerRow:
        row = table.hold(conn, key)
        if row is None:
            raise LedgerRefused("no_entry", f"no write was claimed under {key}")
        return row

    def _set(self, conn: Connection, key: str, **values: Any) -> None:
        table.change(conn, key, self._clock(), **values)


_CLAIM_CLEARS = ("permit_id", "dispatched_at", "ended_at", "note", "vendor_ref", "result")
__all__ = [
    "HELD",
    "AlreadySent",
    "Claimed",
    "Ledger",
    "LedgerRefused",
    "LedgerRow",
    "Status",
    "WriteEntry",
]
