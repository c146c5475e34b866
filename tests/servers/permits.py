"""Real permits for tests: minted over a real audit record and a real claim in the ledger."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import jwt
from sqlalchemy import Connection

from guardrails.audit import AuditEntry, AuditLog
from guardrails.brakes.stop import StopSwitch
from guardrails.clock import Clock
from guardrails.config import load_config
from guardrails.config.models import Production
from guardrails.hive import Hive
from guardrails.ledger import Ledger
from guardrails.ledger_rows import LedgerRow
from guardrails.model import Mode, WriteIntent
from guardrails.permits import Bound, PermitCheck, PermitMint, PermitRequest
from guardrails.store import Store
from servers.common.http_permit import WriteDesk

MAILBOX = "sender@agency.example"


@dataclass(frozen=True)
class Wanted:
    """A write, and the permit that is to be made for it.

    Args:
        claims: what the permit says otherwise than the write.
        late_s: made so many seconds ago (below 0: in the future).
    """

    intent: WriteIntent
    key: str
    claims: Mapping[str, Any] = field(default_factory=dict)
    late_s: float = 0


class PermitOffice:
    """Does what guardrails does before a write: claim, record, mint, bind. Decides nothing."""

    def __init__(
        self,
        hive: Hive,
        store: Store,
        log: AuditLog,
        clock: Clock,
        mode: Mode = Mode.LIVE,
        policy_version: str = "p-1",
    ) -> None:
        self.hive = hive
        self.store = store
        self.log = log
        self.clock = clock
        self.mode = mode
        self.policy_version = policy_version
        self.salt = hive.salt()
        self.stop = StopSwitch(hive, store)
        self.ledger = Ledger.of(roomy(), store, clock, self.salt)

    async def permit(self, intent: WriteIntent, key: str, **claims: Any) -> str:
        """A permit for `intent` under `key`, with other `claims` where given."""
        [token] = await self.permits([Wanted(intent, key, claims)])
        return token

    async def permits(self, wanted: Sequence[Wanted]) -> list[str]:
        """A permit for each, in one go."""
        requests = [self.request(one) for one in wanted]
        tokens = await self.minted(requests, [one.late_s for one in wanted])

        def claim_and_bind(conn: Connection) -> None:
            for one, token in zip(wanted, tokens, strict=True):
                self._claim(conn, one)
                self.ledger.bind(conn, one.key, claims_of(token)["jti"])

        await self.store.run(claim_and_bind)
        return tokens

    async def minted(
        self, requests: Sequence[PermitRequest], late_s: Sequence[float] = ()
    ) -> list[str]:
        """Permits that are bound to no claim."""
        entries = [
            AuditEntry("authorize", "gate", {"permit": request.model_dump(mode="json")})
            for request in requests
        ]
        refs = await self.log.record(entries)
        late = [*late_s] or [0.0] * len(refs)
        return [
            self._mint(seconds).mint(request, ref)
            for request, ref, seconds in zip(requests, refs, late, strict=True)
        ]

    def request(self, one: Wanted) -> PermitRequest:
        """What the mint is asked for."""
        bound = self.bound(one.intent, one.key).model_dump()
        epoch = self.stop.state().epoch
        return PermitRequest(**{**bound, "bank_version": "b-1", "stop_epoch": epoch, **one.claims})

    def bound(self, intent: WriteIntent, key: str) -> Bound:
        """What the process that writes will expect."""
        return Bound.to(intent, key, self.mode, self.policy_version, self.salt)

    def row(self, key: str) -> LedgerRow | None:
        """The ledger's row."""
        with self.store.read() as conn:
            return self.ledger.find(conn, key)

    def status(self, key: str) -> str | None:
        """Where the write stands."""
        row = self.row(key)
        return None if row is None else row.status.value

    @property
    def check(self) -> PermitCheck:
        """As the process that writes has it."""
        return PermitCheck(self.hive, self.store, self.stop, self.clock, "test")

    def desk(self) -> WriteDesk:
        """What `Safety.writes` takes in the process that writes."""
        return WriteDesk(self.check, self.ledger, self.store, self.salt, self.policy_version)

    def _mint(self, late_s: float) -> PermitMint:
        def then() -> Any:
            return self.clock() - timedelta(seconds=late_s)

        return PermitMint(self.hive, self.log, self.stop, then)

    def _claim(self, conn: Connection, one: Wanted) -> None:
        mailbox = MAILBOX if one.intent.action.is_email else None
        to = one.intent.recipient if "@" in one.intent.recipient else "somebody@firm.example"
        self.ledger.claim(conn, self.ledger.entry(one.key, one.intent, mailbox=mailbox, to=to))


@contextmanager
def permit_office(hive: Hive, store: Store, clock: Clock, **told: Any) -> Iterator[PermitOffice]:
    """An office over an audit log of its own."""
    log = AuditLog(hive, store, clock)
    try:
        yield PermitOffice(hive, store, log, clock, **told)
    finally:
        log.close()


def claims_of(token: str) -> dict[str, Any]:
    """What a token says, unchecked."""
    said: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return said


def roomy() -> Production:
    """The shipped configuration with sending caps that never matter."""
    production = load_config().production
    limits = production.sending_limits.model_copy(update=WIDE)
    return production.model_copy(update={"sending_limits": limits})


WIDE = {
    "per_day": 10_000, "per_hour": 10_000, "per_recipient_domain_hour": 10_000,
    "per_mailbox_day": 1_000, "per_mailbox_day_hard": 1_000, "spacing_s": 0,
    "ramp_per_day": 10_000, "ramp_clean_days": 0,
}  # fmt: skip
